#include "worker/gptq.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels/blas.h"
#include "kernels/half.h"
#include "schedule/error.h"

namespace brinkmap::worker {

namespace {

constexpr int kTileRows = 32;         // rows solved together, side by side in memory
constexpr std::int64_t kBlock = 128;  // columns whose errors reach the later columns in one product

// Scale and zero of one group, for every row of a tile.
struct Grid {
  float scale[kTileRows];
  float zero[kTileRows];
};

// The range of each row's weights at positions at(0) ... at(n - 1), extended to hold 0.
template <class At>
Grid fit(const float* tile, std::int64_t n, const At& at, const GptqOptions& options) {
  float low[kTileRows] = {}, high[kTileRows] = {};
  for (std::int64_t i = 0; i < n; ++i) {
    const float* w = tile + at(i) * kTileRows;
    for (int r = 0; r < kTileRows; ++r) {
      low[r] = std::min(low[r], w[r]);
      high[r] = std::max(high[r], w[r]);
    }
  }
  const float top = static_cast<float>((1 << options.bits) - 1);
  Grid grid;
  for (int r = 0; r < kTileRows; ++r) {
    if (options.symmetric) {
      high[r] = std::max(-low[r], high[r]);
      low[r] = -high[r];
    }
    if (low[r] == 0 && high[r] == 0) {
      low[r] = -1;
      high[r] = 1;
    }
    // Codes are chosen for the scale that is stored, which must not vanish.
    const std::uint16_t half = std::max<std::uint16_t>(kernels::f32_to_f16((high[r] - low[r]) / top), 1);
    grid.scale[r] = kernels::f16_to_f32(half);
    grid.zero[r] = options.symmetric ? static_cast<float>(1 << (options.bits - 1))
                                     : std::clamp(round_to_even(-low[r] / grid.scale[r]), 0.0f, top);
  }
  return grid;
}

}  // namespace

// A few rows of a matrix, by position: w[position][row].
struct GptqSolver::Tile {
  std::vector<float> w;
  std::vector<float> errors;  // [kBlock][kTileRows]
  std::vector<Grid> grids;    // of each group
  float* at(std::int64_t position) { return w.data() + position * kTileRows; }

  GroupCodes* out = nullptr;
  std::int64_t first = 0;  // row
  int rows = 0;
};

GptqSolver::GptqSolver(const Hessian& hessian, const GptqOptions& options)
    : options_(options),
      cols_(hessian.cols()),
      group_(options.group > 0 ? options.group : cols_),
      order_(static_cast<std::size_t>(cols_)),
      position_(order_.size()),
      dead_(order_.size()) {
  std::vector<double> diagonal(order_.size());
  double sum = 0;
  for (std::int64_t i = 0; i < cols_; ++i) {
    const auto at = static_cast<std::size_t>(i);
    dead_[at] = hessian.diagonal(i) == 0;
    diagonal[at] = dead_[at] ? 1 : hessian.diagonal(i);
    sum += diagonal[at];
  }
  std::iota(order_.begin(), order_.end(), 0);
  if (options.act_order)
    std::stable_sort(order_.begin(), order_.end(), [&](std::int32_t a, std::int32_t b) {
      return diagonal[static_cast<std::size_t>(a)] > diagonal[static_cast<std::size_t>(b)];
    });
  for (std::size_t p = 0; p < order_.size(); ++p)
    position_[static_cast<std::size_t>(order_[p])] = static_cast<std::int32_t>(p);

  const double damping = options.damping * sum / static_cast<double>(cols_);
  std::vector<double> h(static_cast<std::size_t>(cols_ * cols_));
  for (std::int64_t i = 0; i < cols_; ++i) {
    const std::int64_t from = order_[static_cast<std::size_t>(i)];
    h[static_cast<std::size_t>(i * cols_ + i)] = diagonal[static_cast<std::size_t>(from)] + damping;
    for (std::int64_t j = i + 1; j < cols_; ++j) {
      const std::int64_t to = order_[static_cast<std::size_t>(j)];
      h[static_cast<std::size_t>(i * cols_ + j)] =
          hessian.upper()[static_cast<std::size_t>(std::min(from, to) * cols_ + std::max(from, to))];
    }
  }
  if (!std::isfinite(sum) || !kernels::cholesky(cols_, h.data()) ||
      !kernels::cholesky_inverse(cols_, h.data()) || !kernels::cholesky(cols_, h.data()))
    throw Error("the sum of squares of the calibration inputs is not positive definite");
  factor_.assign(h.begin(), h.end());
}

GroupCodes GptqSolver::quantize(const float* w, std::int64_t rows, kernels::ThreadPool& pool) const {
  GroupCodes out(options_.bits, rows, cols_, group_);
  if (options_.act_order && !options_.static_groups)
    for (std::size_t c = 0; c < position_.size(); ++c)
      out.group_of[c] = static_cast<std::int32_t>(position_[c] / group_);
  std::vector<Tile> tiles(static_cast<std::size_t>(pool.threads()));
  for (Tile& tile : tiles) {
    tile.w.resize(static_cast<std::size_t>(cols_ * kTileRows));
    tile.errors.resize(static_cast<std::size_t>(kBlock * kTileRows));
    tile.grids.resize(static_cast<std::size_t>(out.groups));
    tile.out = &out;
  }
  pool.parallel_for((rows + kTileRows - 1) / kTileRows, [&](std::int64_t task, int thread) {
    Tile& tile = tiles[static_cast<std::size_t>(thread)];
    tile.first = task * kTileRows;
    tile.rows = static_cast<int>(std::min<std::int64_t>(kTileRows, rows - tile.first));
    for (std::int64_t p = 0; p < cols_; ++p) {
      const auto c = static_cast<std::size_t>(order_[static_cast<std::size_t>(p)]);
      for (int r = 0; r < kTileRows; ++r)
        tile.at(p)[r] = dead_[c] || r >= tile.rows
                            ? 0
                            : w[(tile.first + r) * cols_ + order_[static_cast<std::size_t>(p)]];
    }
    solve(tile);
    for (int r = 0; r < tile.rows; ++r)
      for (std::int64_t g = 0; g < out.groups; ++g) {
        const Grid& grid = tile.grids[static_cast<std::size_t>(g)];
        const auto at = static_cast<std::size_t>((tile.first + r) * out.groups + g);
        out.scales[at] = kernels::f32_to_f16(grid.scale[r]);
        out.zeros[at] = static_cast<std::uint8_t>(grid.zero[r]);
      }
  });
  return out;
}

void GptqSolver::solve(Tile& tile) const {
  if (options_.static_groups)
    for (std::int64_t g = 0; g * group_ < cols_; ++g)
      tile.grids[static_cast<std::size_t>(g)] = fit(
          tile.w.data(), std::min(group_, cols_ - g * group_),
          [&](std::int64_t i) { return position_[static_cast<std::size_t>(g * group_ + i)]; }, options_);
  for (std::int64_t block = 0; block < cols_; block += kBlock) {
    const std::int64_t end = std::min(block + kBlock, cols_);
    for (std::int64_t i = block; i < end; ++i) solve_column(tile, i, block);
    if (end < cols_)
      kernels::sgemm(true, false, cols_ - end, kTileRows, end - block, -1,
                     factor_.data() + block * cols_ + end, cols_, tile.errors.data(), kTileRows, 1,
                     tile.at(end), kTileRows);
  }
}

void GptqSolver::solve_column(Tile& tile, std::int64_t i, std::int64_t block) const {
  const std::int64_t column = order_[static_cast<std::size_t>(i)];
  const std::int64_t group = tile.out->group_of[static_cast<std::size_t>(column)];
  Grid& grid = tile.grids[static_cast<std::size_t>(group)];
  if (!options_.static_groups && i % group_ == 0)
    grid = fit(
        tile.w.data(), std::min(group_, cols_ - i), [&](std::int64_t j) { return i + j; }, options_);

  const float top = static_cast<float>((1 << options_.bits) - 1);
  const float* factor = factor_.data() + i * cols_;
  const float* w = tile.at(i);
  float* error = tile.errors.data() + (i - block) * kTileRows;
  float code[kTileRows];
  for (int r = 0; r < kTileRows; ++r) {
    const float q = round_to_even(w[r] / grid.scale[r]) + grid.zero[r];
    code[r] = std::min(std::max(q, 0.0f), top);
    error[r] = (w[r] - grid.scale[r] * (code[r] - grid.zero[r])) / factor[i];
  }
  for (int r = 0; r < tile.rows; ++r)
    tile.out->codes[static_cast<std::size_t>((tile.first + r) * cols_ + column)] =
        static_cast<std::uint8_t>(code[r]);
  const std::int64_t end = std::min(block + kBlock, cols_);
  for (std::int64_t j = i + 1; j < end; ++j) {
    float* later = tile.at(j);
    for (int r = 0; r < kTileRows; ++r) later[r] -= error[r] * factor[j];
  }
}

}  // namespace brinkmap::worker
