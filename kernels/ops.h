#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/isa.h"
#include "kernels/thread_pool.h"

// Transformer operations on f32 rows. Each row's result depends only on that row, and is the same bit for bit
// on every instruction set, for any batch and thread count. `isa` must be in supported_isas().
namespace brinkmap::kernels {

// y[t, i] = x[t, i] / sqrt(mean_i x^2 + eps) * weight[i]; y may be x. n rows of `width`.
void rms_norm(const float* x, const float* weight, float* y, std::int64_t n, std::int64_t width, float eps,
              ThreadPool& pool, Isa isa = active_isa());

// y[t, i] = (x[t, i] - mean) / sqrt(variance + eps) * weight[i] + bias[i]; y may be x.
void layer_norm(const float* x, const float* weight, const float* bias, float* y, std::int64_t n,
                std::int64_t width, float eps, ThreadPool& pool, Isa isa = active_isa());

// rms_norm of each head by itself, in place. x: [n, heads, head_dim] with leading dimension ld; weight:
// [head_dim].
void rms_norm_heads(float* x, const float* weight, std::int64_t n, int heads, int head_dim, std::int64_t ld,
                    float eps, ThreadPool& pool, Isa isa = active_isa());

enum class RopePairing { kAdjacent, kHalfSplit };  // (2i, 2i+1) or (i, i + dims/2)

// Cosines and sines for positions [0, positions): angle(p, i) = p * base^(-2i/dims) / factors[i], computed in
// f64; both times `magnitude`.
class RopeTable {
 public:
  // `factors`: dims / 2 values, or empty for 1. dims is even.
  RopeTable(int dims, double base, std::span<const float> factors, int positions, double magnitude = 1);
  int dims() const noexcept { return dims_; }
  int positions() const noexcept { return positions_; }
  const float* cosines(int position) const noexcept {  // dims / 2 values
    return table_.data() + static_cast<std::size_t>(position) * static_cast<std::size_t>(dims_);
  }
  const float* sines(int position) const noexcept { return cosines(position) + dims_ / 2; }

 private:
  int dims_;
  int positions_;
  std::vector<float> table_;  // [positions][2][dims / 2]
};

// Rotates the first table.dims() of each head in place. x: [n, heads, head_dim] with leading dimension ld;
// positions[t] < table.positions().
void rope(float* x, std::int64_t n, int heads, int head_dim, std::int64_t ld, const std::int32_t* positions,
          const RopeTable& table, RopePairing pairing, ThreadPool& pool, Isa isa = active_isa());

// In place: x[i] <- exp(x[i] - max) / sum.
void softmax(float* x, std::int64_t n, Isa isa = active_isa()) noexcept;

// log(sum_i exp(x[i])), n > 0: exponentials in f32 (2 ulp), summed in f64 in a fixed order. NaN when x holds
// a NaN or +infinity.
double log_sum_exp(const float* x, std::int64_t n, Isa isa = active_isa()) noexcept;

// y[i] = exp(x[i]), at most 2 ulp off.
void exp(const float* x, float* y, std::int64_t n, Isa isa = active_isa()) noexcept;

struct Largest {
  std::int64_t index = 0;  // the lowest index of the largest element; unspecified unless finite
  bool finite = true;      // no element is a NaN or infinite
};

// n > 0.
Largest largest(const float* x, std::int64_t n, Isa isa = active_isa()) noexcept;

// y[t, i] = silu(gate[t, i]) * up[t, i]; y may be gate. n rows of `width`, silu(v) = v / (1 + exp(-v)).
void swiglu(const float* gate, const float* up, float* y, std::int64_t n, std::int64_t width,
            ThreadPool& pool, Isa isa = active_isa());

// The same with the tanh form of GELU: gelu(v) = v / 2 * (1 + tanh(u)) = v / (1 + exp(-2u)) with
// u = sqrt(2 / pi) * (v + 0.044715 v^3).
void geglu(const float* gate, const float* up, float* y, std::int64_t n, std::int64_t width, ThreadPool& pool,
           Isa isa = active_isa());

// x[i] <- gelu(x[i]).
void gelu(float* x, std::int64_t n, ThreadPool& pool, Isa isa = active_isa());

// y[i] <- y[i] / (1 + exp(-gate[i])).
void sigmoid_gate(float* y, const float* gate, std::int64_t n, ThreadPool& pool, Isa isa = active_isa());

// x[i] <- cap * tanh(x[i] / cap), off by at most 2^-22 cap. cap > 0.
void soft_cap(float* x, float cap, std::int64_t n, ThreadPool& pool, Isa isa = active_isa());

// y[t * ld + i] += bias[i] for n rows of `width`.
void add_bias(float* y, const float* bias, std::int64_t n, std::int64_t width, std::int64_t ld,
              ThreadPool& pool, Isa isa = active_isa());

// y[i] += x[i].
void add(float* y, const float* x, std::int64_t n, ThreadPool& pool, Isa isa = active_isa());

}  // namespace brinkmap::kernels
