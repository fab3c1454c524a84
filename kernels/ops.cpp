#include "kernels/ops.h"

#include <algorithm>
#include <cmath>

#include "kernels/ops_rows.h"

namespace brinkmap::kernels {

namespace {

const OpsTable& table_of(Isa isa) noexcept {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512Vnni) return kAvx512VnniOps;
  if (isa == Isa::kAvx2) return kAvx2Ops;
#endif
  (void)isa;
  return kScalarOps;
}

// Elements below which waking a thread costs more than it saves (a wake-up is about 5 us, an element about
// 0.5 ns).
constexpr std::int64_t kGrain = 16384;

// Calls rows(first, last) over [0, n) in pieces of about kGrain elements.
template <class Rows>
void over_rows(std::int64_t n, std::int64_t width, ThreadPool& pool, const Rows& rows) {
  const std::int64_t piece = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, width));
  if (n <= piece) return rows(0, n);
  pool.parallel_for((n + piece - 1) / piece,
                    [&](std::int64_t i, int) { rows(i * piece, std::min(n, (i + 1) * piece)); });
}

}  // namespace

void rms_norm(const float* x, const float* weight, float* y, std::int64_t n, std::int64_t width, float eps,
              ThreadPool& pool, Isa isa) {
  const auto row = table_of(isa).rms_norm;
  over_rows(n, width, pool, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t t = first; t < last; ++t) row(x + t * width, weight, y + t * width, width, eps);
  });
}

void layer_norm(const float* x, const float* weight, const float* bias, float* y, std::int64_t n,
                std::int64_t width, float eps, ThreadPool& pool, Isa isa) {
  const auto row = table_of(isa).layer_norm;
  over_rows(n, width, pool, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t t = first; t < last; ++t) row(x + t * width, weight, bias, y + t * width, width, eps);
  });
}

void rms_norm_heads(float* x, const float* weight, std::int64_t n, int heads, int head_dim, std::int64_t ld,
                    float eps, ThreadPool& pool, Isa isa) {
  const auto row = table_of(isa).rms_norm;
  over_rows(n, static_cast<std::int64_t>(heads) * head_dim, pool, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t t = first; t < last; ++t)
      for (std::int64_t h = 0; h < heads; ++h) {
        float* head = x + t * ld + h * head_dim;
        row(head, weight, head, head_dim, eps);
      }
  });
}

RopeTable::RopeTable(int dims, double base, std::span<const float> factors, int positions, double magnitude)
    : dims_(dims), positions_(positions) {
  const std::size_t pairs = static_cast<std::size_t>(dims / 2);
  table_.resize(static_cast<std::size_t>(positions) * static_cast<std::size_t>(dims));
  std::vector<double> frequency(pairs);
  for (std::size_t i = 0; i < pairs; ++i) {
    frequency[i] = std::pow(base, -2.0 * static_cast<double>(i) / dims);
    if (!factors.empty()) frequency[i] /= static_cast<double>(factors[i]);
  }
  for (int p = 0; p < positions; ++p) {
    float* row = table_.data() + static_cast<std::size_t>(p) * static_cast<std::size_t>(dims);
    for (std::size_t i = 0; i < pairs; ++i) {
      row[i] = static_cast<float>(magnitude * std::cos(p * frequency[i]));
      row[pairs + i] = static_cast<float>(magnitude * std::sin(p * frequency[i]));
    }
  }
}

void rope(float* x, std::int64_t n, int heads, int head_dim, std::int64_t ld, const std::int32_t* positions,
          const RopeTable& table, RopePairing pairing, ThreadPool& pool, Isa isa) {
  const OpsTable& ops = table_of(isa);
  const auto rotate = pairing == RopePairing::kAdjacent ? ops.rope_adjacent : ops.rope_half_split;
  const int pairs = table.dims() / 2;
  over_rows(n, static_cast<std::int64_t>(heads) * head_dim, pool, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t t = first; t < last; ++t)
      for (int h = 0; h < heads; ++h)
        rotate(x + t * ld + static_cast<std::int64_t>(h) * head_dim, table.cosines(positions[t]),
               table.sines(positions[t]), pairs);
  });
}

void softmax(float* x, std::int64_t n, Isa isa) noexcept { table_of(isa).softmax(x, n); }

double log_sum_exp(const float* x, std::int64_t n, Isa isa) noexcept {
  return table_of(isa).log_sum_exp(x, n);
}

void exp(const float* x, float* y, std::int64_t n, Isa isa) noexcept { table_of(isa).exp(x, y, n); }

Largest largest(const float* x, std::int64_t n, Isa isa) noexcept {
  Largest found;
  found.index = table_of(isa).argmax(x, n, &found.finite);
  return found;
}

void swiglu(const float* gate, const float* up, float* y, std::int64_t n, std::int64_t width,
            ThreadPool& pool, Isa isa) {
  const auto row = table_of(isa).swiglu;
  over_rows(n, width, pool, [&](std::int64_t first, std::int64_t last) {
    row(gate + first * width, up + first * width, y + first * width, (last - first) * width);
  });
}

void geglu(const float* gate, const float* up, float* y, std::int64_t n, std::int64_t width, ThreadPool& pool,
           Isa isa) {
  const auto row = table_of(isa).geglu;
  over_rows(n, width, pool, [&](std::int64_t first, std::int64_t last) {
    row(gate + first * width, up + first * width, y + first * width, (last - first) * width);
  });
}

void gelu(float* x, std::int64_t n, ThreadPool& pool, Isa isa) {
  const auto row = table_of(isa).gelu;
  over_rows(n, 1, pool, [&](std::int64_t first, std::int64_t last) { row(x + first, last - first); });
}

void sigmoid_gate(float* y, const float* gate, std::int64_t n, ThreadPool& pool, Isa isa) {
  const auto row = table_of(isa).sigmoid_gate;
  over_rows(n, 1, pool,
            [&](std::int64_t first, std::int64_t last) { row(y + first, gate + first, last - first); });
}

void soft_cap(float* x, float cap, std::int64_t n, ThreadPool& pool, Isa isa) {
  const auto row = table_of(isa).soft_cap;
  over_rows(n, 1, pool, [&](std::int64_t first, std::int64_t last) { row(x + first, cap, last - first); });
}

void add_bias(float* y, const float* bias, std::int64_t n, std::int64_t width, std::int64_t ld,
              ThreadPool& pool, Isa isa) {
  const auto row = table_of(isa).add;
  over_rows(n, width, pool, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t t = first; t < last; ++t) row(y + t * ld, bias, width);
  });
}

void add(float* y, const float* x, std::int64_t n, ThreadPool& pool, Isa isa) {
  const auto row = table_of(isa).add;
  over_rows(n, 1, pool,
            [&](std::int64_t first, std::int64_t last) { row(y + first, x + first, last - first); });
}

}  // namespace brinkmap::kernels
