#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "kernels/thread_pool.h"
#include "worker/group_codes.h"

// AWQ (Lin et al. 2023, arXiv:2306.00978) as AutoAWQ's GEMM version does it, 4 bits with zero points: input
// channels are scaled before rounding so that those with large inputs lose less, the scales are folded into
// the operator before, and large weights are clipped where that helps. Every `cols` is a multiple of `group`.
// Results do not depend on threads.
namespace brinkmap::worker {

inline constexpr int kAwqBits = 4;
inline constexpr int kAwqRatios = 20;                // exponents tried: 0, 1/20, ..., 19/20
inline constexpr std::int64_t kAwqClipTokens = 512;  // about so many tokens decide the clipping

struct MatrixView {
  const float* data = nullptr;  // [rows, cols]
  std::int64_t rows = 0;
  std::int64_t cols = 0;
};

// Codes of w. A scale that exceeds binary16 is infinite in the result.
GroupCodes awq_quantize(const MatrixView& w, std::int64_t group, kernels::ThreadPool& pool);

// out[r, c] = Q(w * scales)[r, c] / scales[c]: what a layer computes with when its input is divided by
// scales.
void awq_round(const MatrixView& w, std::span<const float> scales, std::int64_t group, float* out,
               kernels::ThreadPool& pool);

// Mean over all rows of the matrices of |w| / (largest |w| of its group), for every column.
std::vector<float> awq_weight_mean(std::span<const MatrixView> matrices, std::int64_t group);

// max(x^r / (w^(1-r) + 1e-4), 1e-4), divided by the square root of its largest times its smallest value.
std::vector<float> awq_scales(std::span<const float> x_mean, std::span<const float> w_mean, double ratio);

// The candidate of least loss(scales), the first among equals. Throws Error when no loss is finite.
std::vector<float> awq_best_scales(std::span<const float> x_mean, std::span<const float> w_mean,
                                   const std::function<double(std::span<const float>)>& loss);

// Clips each group of each row of w[rows, cols], in place, to the share 1, 0.95, ..., 0.55 of its largest
// magnitude that gives the least squared error of the group's part of the output for the inputs x[tokens,
// cols].
void awq_clip(float* w, std::int64_t rows, std::int64_t cols, std::int64_t group, const float* x,
              std::int64_t tokens, kernels::ThreadPool& pool);

}  // namespace brinkmap::worker
