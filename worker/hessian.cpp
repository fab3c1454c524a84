#include "worker/hessian.h"

#include <algorithm>

#include "kernels/blas.h"

namespace brinkmap::worker {

namespace {

constexpr std::int64_t kTile = 256;      // columns of a tile of H at most: a task's product
constexpr std::int64_t kTokens = 512;    // tokens summed in f32
constexpr std::int64_t kErrorRows = 32;  // rows of dW a task takes

}  // namespace

Hessian::Hessian(std::int64_t cols) : cols_(cols), upper_(static_cast<std::size_t>(cols * cols)) {}

void Hessian::add(const float* x, std::int64_t n, std::int64_t ld, kernels::ThreadPool& pool) {
  full_.clear();
  const std::int64_t tiles = (cols_ + kTile - 1) / kTile;
  const std::int64_t side = (cols_ + tiles - 1) / tiles;
  scratch_.resize(static_cast<std::size_t>(pool.threads()));
  for (auto& tile : scratch_) tile.resize(static_cast<std::size_t>(side * side));
  pool.parallel_for(tiles * (tiles + 1) / 2, [&](std::int64_t task, int thread) {
    std::int64_t row = 0;
    while (task >= tiles - row) task -= tiles - row++;
    const std::int64_t i0 = row * side, j0 = (row + task) * side;
    const std::int64_t m = std::min(side, cols_ - i0), k = std::min(side, cols_ - j0);
    if (m <= 0 || k <= 0) return;
    float* product = scratch_[static_cast<std::size_t>(thread)].data();
    for (std::int64_t t = 0; t < n; t += kTokens) {
      const float* from = x + t * ld;
      kernels::sgemm(true, false, m, k, std::min(kTokens, n - t), 1, from + i0, ld, from + j0, ld, 0, product,
                     k);
      for (std::int64_t i = 0; i < m; ++i) {
        double* to = upper_.data() + (i0 + i) * cols_ + j0;
        const std::int64_t first = i0 == j0 ? i : 0;
        for (std::int64_t j = first; j < k; ++j) to[j] += static_cast<double>(product[i * k + j]);
      }
    }
  });
}

double Hessian::error(const float* dw, std::int64_t rows, kernels::ThreadPool& pool) const {
  if (full_.empty()) {
    full_.resize(upper_.size());
    for (std::int64_t i = 0; i < cols_; ++i)
      for (std::int64_t j = i; j < cols_; ++j)
        full_[static_cast<std::size_t>(j * cols_ + i)] = full_[static_cast<std::size_t>(i * cols_ + j)] =
            static_cast<float>(upper_[static_cast<std::size_t>(i * cols_ + j)]);
  }
  const std::int64_t tasks = (rows + kErrorRows - 1) / kErrorRows;
  std::vector<double> sums(static_cast<std::size_t>(tasks));
  std::vector<std::vector<float>> product(static_cast<std::size_t>(pool.threads()),
                                          std::vector<float>(static_cast<std::size_t>(kErrorRows * cols_)));
  pool.parallel_for(tasks, [&](std::int64_t task, int thread) {
    const std::int64_t n = std::min(kErrorRows, rows - task * kErrorRows);
    const float* d = dw + task * kErrorRows * cols_;
    float* p = product[static_cast<std::size_t>(thread)].data();
    kernels::sgemm(false, false, n, cols_, cols_, 1, d, cols_, full_.data(), cols_, 0, p, cols_);
    double sum = 0;
    for (std::int64_t i = 0; i < n * cols_; ++i) sum += static_cast<double>(d[i]) * static_cast<double>(p[i]);
    sums[static_cast<std::size_t>(task)] = sum;
  });
  double total = 0;
  for (double sum : sums) total += sum;
  return total;
}

}  // namespace brinkmap::worker
