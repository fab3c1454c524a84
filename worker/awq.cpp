#include "worker/awq.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/blas.h"
#include "kernels/half.h"
#include "schedule/error.h"

namespace brinkmap::worker {

namespace {

constexpr float kTop = (1 << kAwqBits) - 1;
constexpr int kClipSteps = 10;          // of 1/20 of the largest magnitude
constexpr std::int64_t kClipRows = 64;  // rows a task clips
constexpr std::int64_t kRowsEach = 16;  // rows a task quantizes

struct Grid {
  float scale = 0;  // as stored: rounded to binary16
  float zero = 0;
};

// The range of n weights, which need not hold 0.
Grid fit(const float* w, std::int64_t n) {
  float low = w[0], high = w[0];
  for (std::int64_t i = 1; i < n; ++i) {
    low = std::min(low, w[i]);
    high = std::max(high, w[i]);
  }
  Grid grid;
  grid.scale = kernels::f16_to_f32(kernels::f32_to_f16(std::max(high - low, 1e-5f) / kTop));
  grid.zero = std::clamp(-round_to_even(low / grid.scale), 0.0f, kTop);
  return grid;
}

float code(float w, const Grid& grid) {
  return std::min(std::max(round_to_even(w / grid.scale) + grid.zero, 0.0f), kTop);
}

void round_group(const float* w, std::int64_t n, float* out) {
  const Grid grid = fit(w, n);
  for (std::int64_t i = 0; i < n; ++i) out[i] = (code(w[i], grid) - grid.zero) * grid.scale;
}

float largest_magnitude(const float* w, std::int64_t n) {
  float most = 0;
  for (std::int64_t i = 0; i < n; ++i) most = std::max(most, std::abs(w[i]));
  return most;
}

template <class Rows>
void over_rows(std::int64_t rows, std::int64_t each, kernels::ThreadPool& pool, const Rows& task) {
  pool.parallel_for((rows + each - 1) / each, [&](std::int64_t i, int thread) {
    task(i * each, std::min(rows, (i + 1) * each), thread);
  });
}

}  // namespace

GroupCodes awq_quantize(const MatrixView& w, std::int64_t group, kernels::ThreadPool& pool) {
  GroupCodes out(kAwqBits, w.rows, w.cols, group);
  over_rows(w.rows, kRowsEach, pool, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t r = first; r < last; ++r)
      for (std::int64_t g = 0; g < out.groups; ++g) {
        const std::int64_t at = r * w.cols + g * group;
        const Grid grid = fit(w.data + at, group);
        for (std::int64_t i = at; i < at + group; ++i)
          out.codes[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(code(w.data[i], grid));
        const auto of_group = static_cast<std::size_t>(r * out.groups + g);
        out.scales[of_group] = kernels::f32_to_f16(grid.scale);
        out.zeros[of_group] = static_cast<std::uint8_t>(grid.zero);
      }
  });
  return out;
}

void awq_round(const MatrixView& w, std::span<const float> scales, std::int64_t group, float* out,
               kernels::ThreadPool& pool) {
  over_rows(w.rows, kRowsEach, pool, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t r = first; r < last; ++r) {
      const float* from = w.data + r * w.cols;
      float* to = out + r * w.cols;
      for (std::int64_t c = 0; c < w.cols; ++c) to[c] = from[c] * scales[static_cast<std::size_t>(c)];
      for (std::int64_t c = 0; c < w.cols; c += group) round_group(to + c, group, to + c);
      for (std::int64_t c = 0; c < w.cols; ++c) to[c] /= scales[static_cast<std::size_t>(c)];
    }
  });
}

std::vector<float> awq_weight_mean(std::span<const MatrixView> matrices, std::int64_t group) {
  const std::int64_t cols = matrices.front().cols;
  std::vector<double> sums(static_cast<std::size_t>(cols));
  std::int64_t rows = 0;
  for (const MatrixView& w : matrices) {
    for (std::int64_t r = 0; r < w.rows; ++r)
      for (std::int64_t c = 0; c < cols; c += group) {
        const float* from = w.data + r * cols + c;
        const float most = largest_magnitude(from, group) + 1e-6f;
        for (std::int64_t i = 0; i < group; ++i)
          sums[static_cast<std::size_t>(c + i)] += static_cast<double>(std::abs(from[i]) / most);
      }
    rows += w.rows;
  }
  std::vector<float> mean(sums.size());
  for (std::size_t c = 0; c < mean.size(); ++c)
    mean[c] = static_cast<float>(sums[c] / static_cast<double>(rows));
  return mean;
}

std::vector<float> awq_scales(std::span<const float> x_mean, std::span<const float> w_mean, double ratio) {
  std::vector<float> scales(x_mean.size());
  double least = std::numeric_limits<double>::infinity(), most = 0;
  for (std::size_t c = 0; c < scales.size(); ++c) {
    const double s = std::max(std::pow(static_cast<double>(x_mean[c]), ratio) /
                                  (std::pow(static_cast<double>(w_mean[c]), 1 - ratio) + 1e-4),
                              1e-4);
    least = std::min(least, s);
    most = std::max(most, s);
    scales[c] = static_cast<float>(s);
  }
  const float middle = static_cast<float>(std::sqrt(most * least));
  for (float& s : scales) s /= middle;
  return scales;
}

std::vector<float> awq_best_scales(std::span<const float> x_mean, std::span<const float> w_mean,
                                   const std::function<double(std::span<const float>)>& loss) {
  std::vector<float> best;
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < kAwqRatios; ++i) {
    std::vector<float> scales = awq_scales(x_mean, w_mean, static_cast<double>(i) / kAwqRatios);
    const double found = loss(scales);
    if (!(found < least)) continue;
    least = found;
    best = std::move(scales);
  }
  if (best.empty()) throw Error("no AWQ scale gives a finite error");
  return best;
}

void awq_clip(float* w, std::int64_t rows, std::int64_t cols, std::int64_t group, const float* x,
              std::int64_t tokens, kernels::ThreadPool& pool) {
  // The squared error of a group's output is d^T G d with G the products of its inputs.
  const std::int64_t groups = cols / group, square = group * group;
  std::vector<float> products(static_cast<std::size_t>(groups * square));
  pool.parallel_for(groups, [&](std::int64_t g, int) {
    const float* from = x + g * group;
    kernels::sgemm(true, false, group, group, tokens, 1, from, cols, from, cols, 0,
                   products.data() + g * square, group);
  });
  struct Scratch {
    std::vector<float> change, product;  // [kClipRows, group]
    std::vector<float> largest, best;    // of each row
    std::vector<double> least;
  };
  std::vector<Scratch> scratch(static_cast<std::size_t>(pool.threads()));
  for (Scratch& s : scratch) {
    s.change.resize(static_cast<std::size_t>(kClipRows * group));
    s.product.resize(s.change.size());
    s.largest.resize(kClipRows);
    s.best.resize(kClipRows);
    s.least.resize(kClipRows);
  }
  const auto clip_group = [&](std::int64_t first, std::int64_t last, std::int64_t g, Scratch& s) {
    const auto row = [&](std::int64_t r) { return w + (first + r) * cols + g * group; };
    const std::int64_t n = last - first;
    for (std::int64_t r = 0; r < n; ++r) {
      const auto at = static_cast<std::size_t>(r);
      s.best[at] = s.largest[at] = largest_magnitude(row(r), group);
      s.least[at] = std::numeric_limits<double>::infinity();
    }
    for (int step = 0; step < kClipSteps; ++step) {
      const float share = 1 - static_cast<float>(step) / 20;
      for (std::int64_t r = 0; r < n; ++r) {
        const float limit = s.largest[static_cast<std::size_t>(r)] * share;
        float* d = s.change.data() + r * group;
        for (std::int64_t i = 0; i < group; ++i) d[i] = std::min(std::max(row(r)[i], -limit), limit);
        round_group(d, group, d);
        for (std::int64_t i = 0; i < group; ++i) d[i] -= row(r)[i];
      }
      kernels::sgemm(false, false, n, group, group, 1, s.change.data(), group, products.data() + g * square,
                     group, 0, s.product.data(), group);
      for (std::int64_t r = 0; r < n; ++r) {
        const auto at = static_cast<std::size_t>(r);
        const float* d = s.change.data() + r * group;
        const float* p = s.product.data() + r * group;
        double error = 0;
        for (std::int64_t i = 0; i < group; ++i)
          error += static_cast<double>(d[i]) * static_cast<double>(p[i]);
        if (!(error < s.least[at])) continue;
        s.least[at] = error;
        s.best[at] = s.largest[at] * share;
      }
    }
    for (std::int64_t r = 0; r < n; ++r) {
      const float limit = s.best[static_cast<std::size_t>(r)];
      for (std::int64_t i = 0; i < group; ++i) row(r)[i] = std::min(std::max(row(r)[i], -limit), limit);
    }
  };
  over_rows(rows, kClipRows, pool, [&](std::int64_t first, std::int64_t last, int thread) {
    for (std::int64_t g = 0; g < groups; ++g)
      clip_group(first, last, g, scratch[static_cast<std::size_t>(thread)]);
  });
}

}  // namespace brinkmap::worker
