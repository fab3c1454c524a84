#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "kernels/thread_pool.h"

// Transformer operations on f32 rows. Each row's result depends only on that row. SIMD versions may differ from the
// scalar one by rounding; each is deterministic for any batch and thread count.
namespace brinkmap::kernels {

// y[t, i] = x[t, i] / sqrt(mean_i x^2 + eps) * weight[i]; y may be x. n rows of `width`.
void rms_norm(const float* x, const float* weight, float* y, std::int64_t n, std::int64_t width, float eps,
              ThreadPool& pool);

enum class RopePairing { kAdjacent, kHalfSplit };  // (2i, 2i+1) or (i, i + dims/2)

// Cosines and sines for positions [0, context): angle(p, i) = p * base^(-2i/dims) / factors[i]. `factors` may be null.
class RopeTable {
 public:
  RopeTable(int dims, double base, const float* factors, int context);
  int dims() const noexcept { return dims_; }
  std::span<const float> cosines(int position) const noexcept;  // dims / 2 values
  std::span<const float> sines(int position) const noexcept;

 private:
  int dims_;
  std::unique_ptr<float[]> table_;  // [context][2][dims / 2]
};

// Rotates the first table.dims() of each head in place. x: [n, heads, head_dim] with leading dimension ld;
// positions[t] < context.
void rope(float* x, std::int64_t n, int heads, int head_dim, std::int64_t ld, const std::int32_t* positions,
          const RopeTable& table, RopePairing pairing, ThreadPool& pool);

// In place: x[i] <- exp(x[i] - max) / sum.
void softmax(float* x, std::int64_t n) noexcept;

// log(sum_i exp(x[i])), f64 accumulation in index order.
double log_sum_exp(const float* x, std::int64_t n) noexcept;

// y[t, i] = silu(gate[t, i]) * up[t, i]; y may be gate. n rows of `width`, silu(v) = v / (1 + exp(-v)).
void swiglu(const float* gate, const float* up, float* y, std::int64_t n, std::int64_t width, ThreadPool& pool);

// y[i] += x[i].
void add(float* y, const float* x, std::int64_t n, ThreadPool& pool);

}  // namespace brinkmap::kernels
