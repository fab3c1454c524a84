#pragma once

#include <cstdint>
#include <vector>

#include "kernels/thread_pool.h"

namespace brinkmap::worker {

// H = sum over tokens of x x^T of a linear layer's inputs: the error of its output when its weights change by
// dW is tr(dW H dW^T). Sums of 512 tokens are f32 products of BLAS, added up in f64; the bits depend on the
// calls and on the BLAS core type, never on threads.
class Hessian {
 public:
  explicit Hessian(std::int64_t cols);

  // x[n, cols], row-major with leading dimension ld.
  void add(const float* x, std::int64_t n, std::int64_t ld, kernels::ThreadPool& pool);

  std::int64_t cols() const noexcept { return cols_; }
  // [cols, cols]; only the upper triangle (column >= row) is set.
  const std::vector<double>& upper() const noexcept { return upper_; }
  double diagonal(std::int64_t i) const { return upper_[static_cast<std::size_t>(i * (cols_ + 1))]; }

  // tr(dW H dW^T) for dw[rows, cols], computed in f32 with f64 sums.
  double error(const float* dw, std::int64_t rows, kernels::ThreadPool& pool) const;

 private:
  std::int64_t cols_ = 0;
  std::vector<double> upper_;
  std::vector<std::vector<float>> scratch_;  // one tile a thread
  mutable std::vector<float> full_;          // [cols, cols] f32, made by the first error()
};

}  // namespace brinkmap::worker
