#pragma once

#include <cstdint>

#include "kernels/delta_net.h"
#include "kernels/ops_rows.h"

// The delta rule over sixteen lanes (kernels/lanes_scalar.h). Only templates here, as in kernels/ops_rows.h.
namespace brinkmap::kernels {

// One value head of one sequence.
struct DeltaHead {
  float* state;         // [groups of 16 value dimensions][key_dim][16]
  const float* q;       // [rows] with stride `ld`: key_dim floats
  const float* k;       // the same
  const float* v;       // value_dim floats
  std::int64_t ld;      // floats from token to token in q, k, v
  const float* keep;    // [rows] with stride `gates`
  const float* write;   // the same
  std::int64_t gates;   // floats from token to token in keep and write
  float* out;           // [rows] with stride `values`: value_dim floats
  std::int64_t values;  // floats from token to token in out
  std::int64_t rows;
};

struct DeltaTable {
  // y[c] = silu(sum over taps of w[tap, c] * inputs[tap][c]), the taps in order.
  void (*convolve)(const float* const* inputs, int taps, const float* weights, float* y,
                   std::int64_t channels);
  // x <- x / sqrt(sum x^2 + 1e-6) * scale.
  void (*normalize)(float* x, std::int64_t n, float scale);
  void (*recur)(const DeltaHead& head, int key_dim, int value_dim);
};

extern const DeltaTable kScalarDelta;
extern const DeltaTable kAvx2Delta;
extern const DeltaTable kAvx512VnniDelta;

template <class L>
struct DeltaRows {
  using V = typename L::V;

  static void convolve(const float* const* inputs, int taps, const float* weights, float* y,
                       std::int64_t channels) {
    for (std::int64_t c = 0; c < channels; c += 16) {
      const int part = channels - c < 16 ? static_cast<int>(channels - c) : 16;
      V sum = L::set(0);
      for (int tap = 0; tap < taps; ++tap)
        sum = L::fma(some(weights + tap * channels + c, part), some(inputs[tap] + c, part), sum);
      const V silu = RowOps<L>::sigmoid_times(sum, sum);
      if (part == 16)
        L::store(y + c, silu);
      else
        L::store_part(y + c, silu, part);
    }
  }

  static void normalize(float* x, std::int64_t n, float scale) {
    V squares = L::set(0);
    for (std::int64_t i = 0; i < n; i += 16) {
      const V a = some(x + i, n - i < 16 ? static_cast<int>(n - i) : 16);
      squares = L::fma(a, a, squares);
    }
    const float factor = scale / __builtin_sqrtf(L::total(squares) + 1e-6f);
    for (std::int64_t i = 0; i < n; ++i) x[i] *= factor;
  }

  // Sixteen value dimensions at a time: their state stays in the first cache over all tokens.
  static void recur(const DeltaHead& head, int key_dim, int value_dim) {
    for (int at = 0; at < value_dim; at += 16) {
      const int part = value_dim - at < 16 ? value_dim - at : 16;
      float* state = head.state + static_cast<std::int64_t>(at) * key_dim;
      for (std::int64_t t = 0; t < head.rows; ++t) {
        const V v = some(head.v + t * head.ld + at, part);
        const V out = token(state, head.q + t * head.ld, head.k + t * head.ld, v, head.keep[t * head.gates],
                            head.write[t * head.gates], key_dim);
        float* to = head.out + t * head.values + at;
        if (part == 16)
          L::store(to, out);
        else
          L::store_part(to, out, part);
      }
    }
  }

  static constexpr DeltaTable table() { return {convolve, normalize, recur}; }

 private:
  [[gnu::always_inline]] static V some(const float* p, int n) {
    return n == 16 ? L::load(p) : L::load_part(p, n);
  }

  // Sums over the key dimensions run in four lanes of i mod 4, so that additions need not wait for each
  // other.
  [[gnu::always_inline]] static V token(float* state, const float* q, const float* k, V v, float keep,
                                        float write, int key_dim) {
    const V kept = L::set(keep);
    V held[4] = {L::set(0), L::set(0), L::set(0), L::set(0)};
    V out[4] = {L::set(0), L::set(0), L::set(0), L::set(0)};
    int i = 0;
    for (; i + 4 <= key_dim; i += 4)
      for (int u = 0; u < 4; ++u) held[u] = L::fma(L::set(k[i + u]), L::load(state + (i + u) * 16), held[u]);
    for (; i < key_dim; ++i) held[i % 4] = L::fma(L::set(k[i]), L::load(state + i * 16), held[i % 4]);
    const V known = L::mul(kept, four(held));
    const V error = L::mul(L::set(write), L::sub(v, known));
    const auto step = [&](int j, V& sum) __attribute__((always_inline)) {
      const V s = L::fma(L::set(k[j]), error, L::mul(kept, L::load(state + j * 16)));
      L::store(state + j * 16, s);
      sum = L::fma(L::set(q[j]), s, sum);
    };
    for (i = 0; i + 4 <= key_dim; i += 4)
      for (int u = 0; u < 4; ++u) step(i + u, out[u]);
    for (; i < key_dim; ++i) step(i, out[i % 4]);
    return four(out);
  }

  [[gnu::always_inline]] static V four(const V* x) { return L::add(L::add(x[0], x[1]), L::add(x[2], x[3])); }
};

}  // namespace brinkmap::kernels
