#include "worker/gptq.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "kernels/half.h"
#include "kernels/philox.h"
#include "schedule/error.h"

namespace brinkmap::worker {
namespace {

constexpr std::int64_t kRows = 40, kCols = 192, kTokens = 700, kDead = 17;

std::vector<float> uniform(std::int64_t n, std::uint64_t stream) {
  const kernels::RandomStream random{7, stream};
  std::vector<float> out(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i)
    out[static_cast<std::size_t>(i)] =
        static_cast<float>(static_cast<std::int32_t>(random.block(static_cast<std::uint64_t>(i))[0])) *
        0x1p-31f;
  return out;
}

// Inputs of 24 factors with columns of unequal size, one of them always zero.
std::vector<float> inputs() {
  const std::vector<float> factors = uniform(kTokens * 24, 1), mixing = uniform(24 * kCols, 2);
  std::vector<float> x = uniform(kTokens * kCols, 3);
  for (std::int64_t t = 0; t < kTokens; ++t)
    for (std::int64_t c = 0; c < kCols; ++c) {
      float& value = x[static_cast<std::size_t>(t * kCols + c)];
      value *= 0.3f;
      for (std::int64_t f = 0; f < 24; ++f)
        value +=
            factors[static_cast<std::size_t>(t * 24 + f)] * mixing[static_cast<std::size_t>(f * kCols + c)];
      value *= c == kDead ? 0.0f : c % 13 == 5 ? 4.0f : 1.0f;
    }
  return x;
}

using Matrix = std::vector<std::vector<double>>;

Matrix squares(const std::vector<float>& x) {
  Matrix h(kCols, std::vector<double>(kCols));
  for (std::size_t i = 0; i < kCols; ++i)
    for (std::size_t j = i; j < kCols; ++j) {
      double sum = 0;
      for (std::size_t t = 0; t < kTokens; ++t)
        sum += static_cast<double>(x[t * kCols + i]) * static_cast<double>(x[t * kCols + j]);
      h[i][j] = h[j][i] = sum;
    }
  return h;
}

// tr(dW H dW^T).
double objective(const std::vector<float>& w, const std::vector<float>& rounded, const Matrix& h) {
  double sum = 0;
  for (std::size_t r = 0; r < kRows; ++r)
    for (std::size_t i = 0; i < kCols; ++i)
      for (std::size_t j = 0; j < kCols; ++j)
        sum += (static_cast<double>(w[r * kCols + i]) - static_cast<double>(rounded[r * kCols + i])) *
               h[i][j] *
               (static_cast<double>(w[r * kCols + j]) - static_cast<double>(rounded[r * kCols + j]));
  return sum;
}

std::vector<float> decoded(const GroupCodes& q) {
  std::vector<float> w(static_cast<std::size_t>(q.rows * q.cols));
  decode(q, w.data());
  return w;
}

// Lower Cholesky factor.
Matrix lower_factor(const Matrix& a) {
  const std::size_t n = a.size();
  Matrix l(n, std::vector<double>(n));
  for (std::size_t j = 0; j < n; ++j)
    for (std::size_t i = j; i < n; ++i) {
      double sum = a[i][j];
      for (std::size_t k = 0; k < j; ++k) sum -= l[i][k] * l[j][k];
      l[i][j] = i == j ? std::sqrt(sum) : sum / l[j][j];
    }
  return l;
}

Matrix inverse(const Matrix& a) {
  const std::size_t n = a.size();
  const Matrix l = lower_factor(a);
  Matrix out(n, std::vector<double>(n));
  for (std::size_t c = 0; c < n; ++c) {
    std::vector<double> y(n);
    for (std::size_t i = 0; i < n; ++i) {
      double sum = i == c ? 1 : 0;
      for (std::size_t k = 0; k < i; ++k) sum -= l[i][k] * y[k];
      y[i] = sum / l[i][i];
    }
    for (std::size_t i = n; i-- > 0;) {
      double sum = y[i];
      for (std::size_t k = i + 1; k < n; ++k) sum -= l[k][i] * out[k][c];
      out[i][c] = sum / l[i][i];
    }
  }
  return out;
}

struct RefGrid {
  double scale = 0, zero = 0;
};

RefGrid ref_fit(const std::vector<double>& w, const std::vector<std::size_t>& columns, const GptqOptions& o) {
  double low = 0, high = 0;
  for (std::size_t c : columns) low = std::min(low, w[c]), high = std::max(high, w[c]);
  if (o.symmetric) high = std::max(-low, high), low = -high;
  if (low == 0 && high == 0) low = -1, high = 1;
  const double top = (1 << o.bits) - 1;
  RefGrid g;
  g.scale =
      static_cast<double>(kernels::f16_to_f32(kernels::f32_to_f16(static_cast<float>((high - low) / top))));
  g.zero = o.symmetric ? 1 << (o.bits - 1) : std::clamp(std::nearbyint(-low / g.scale), 0.0, top);
  return g;
}

// The published algorithm in f64, column after column over the whole row: no blocks.
std::vector<float> reference(const std::vector<float>& w, Matrix h, const GptqOptions& o) {
  double mean = 0;
  for (std::size_t i = 0; i < kCols; ++i) {
    if (h[i][i] == 0) h[i][i] = 1;
    mean += h[i][i] / kCols;
  }
  std::vector<std::size_t> order(kCols);
  std::iota(order.begin(), order.end(), 0u);
  if (o.act_order)
    std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return h[a][a] > h[b][b]; });
  Matrix permuted = h;
  for (std::size_t i = 0; i < kCols; ++i)
    for (std::size_t j = 0; j < kCols; ++j)
      permuted[i][j] = h[order[i]][order[j]] + (i == j ? o.damping * mean : 0);
  const Matrix lower = lower_factor(inverse(permuted));  // U = lower^T
  const std::size_t group = o.group > 0 ? static_cast<std::size_t>(o.group) : kCols;
  std::vector<float> out(w.size());
  for (std::size_t r = 0; r < kRows; ++r) {
    std::vector<double> row(kCols);
    for (std::size_t i = 0; i < kCols; ++i)
      row[i] = order[i] == kDead ? 0 : static_cast<double>(w[r * kCols + order[i]]);
    std::vector<RefGrid> grids((kCols + group - 1) / group);
    const auto fit_group = [&](std::size_t g, const auto& at) {
      std::vector<std::size_t> columns;
      for (std::size_t i = g * group; i < std::min<std::size_t>(kCols, (g + 1) * group); ++i)
        columns.push_back(at(i));
      grids[g] = ref_fit(row, columns, o);
    };
    std::vector<std::size_t> position(kCols);
    for (std::size_t i = 0; i < kCols; ++i) position[order[i]] = i;
    if (o.static_groups)
      for (std::size_t g = 0; g < grids.size(); ++g) fit_group(g, [&](std::size_t i) { return position[i]; });
    for (std::size_t i = 0; i < kCols; ++i) {
      if (!o.static_groups && i % group == 0) fit_group(i / group, [](std::size_t j) { return j; });
      const RefGrid& g = grids[(o.static_groups ? order[i] : i) / group];
      const double top = (1 << o.bits) - 1;
      const double q = std::clamp(std::nearbyint(row[i] / g.scale) + g.zero, 0.0, top);
      const double value = g.scale * (q - g.zero);
      const double error = (row[i] - value) / lower[i][i];
      for (std::size_t j = i; j < kCols; ++j) row[j] -= error * lower[j][i];
      out[r * kCols + order[i]] = static_cast<float>(value);
    }
  }
  return out;
}

// Every weight to the nearest point of the grid of its group.
std::vector<float> nearest(const std::vector<float>& w, const GptqOptions& o) {
  const std::size_t group = o.group > 0 ? static_cast<std::size_t>(o.group) : kCols;
  std::vector<float> out(w.size());
  for (std::size_t r = 0; r < kRows; ++r) {
    const std::vector<double> row(w.begin() + static_cast<std::ptrdiff_t>(r * kCols),
                                  w.begin() + static_cast<std::ptrdiff_t>((r + 1) * kCols));
    for (std::size_t first = 0; first < kCols; first += group) {
      std::vector<std::size_t> columns;
      for (std::size_t i = first; i < std::min<std::size_t>(kCols, first + group); ++i) columns.push_back(i);
      const RefGrid g = ref_fit(row, columns, o);
      for (std::size_t c : columns)
        out[r * kCols + c] = static_cast<float>(
            g.scale *
            (std::clamp(std::nearbyint(row[c] / g.scale) + g.zero, 0.0, double((1 << o.bits) - 1)) - g.zero));
    }
  }
  return out;
}

class Gptq : public testing::TestWithParam<GptqOptions> {};

TEST_P(Gptq, IsAsGoodAsTheAlgorithmInDoublePrecisionAndBetterThanRounding) {
  const GptqOptions options = GetParam();
  const std::vector<float> w = uniform(kRows * kCols, 4), x = inputs();
  const Matrix h = squares(x);
  kernels::ThreadPool pool(2);
  Hessian hessian(kCols);
  hessian.add(x.data(), 300, kCols, pool);
  hessian.add(x.data() + 300 * kCols, kTokens - 300, kCols, pool);
  const GroupCodes q = GptqSolver(hessian, options).quantize(w.data(), kRows, pool);

  const std::vector<float> expected = reference(w, h, options), found = decoded(q);
  const double limit = objective(w, expected, h), error = objective(w, found, h);
  EXPECT_LE(error, limit * 1.01);
  EXPECT_LT(error, 0.8 * objective(w, nearest(w, options), h));
  // A weight near the middle of two codes may round the other way in f32, and then moves what follows it.
  std::size_t same = 0;
  for (std::size_t i = 0; i < w.size(); ++i) same += found[i] == expected[i];
  EXPECT_GE(same, w.size() * 9 / 10);
  for (std::uint8_t code : q.codes) ASSERT_LT(code, 1 << options.bits);
}

INSTANTIATE_TEST_SUITE_P(
    Options, Gptq,
    testing::Values(GptqOptions{.bits = 4, .group = 32},
                    GptqOptions{.bits = 4, .group = 128, .symmetric = true},
                    GptqOptions{.bits = 3, .group = 64, .act_order = true},
                    GptqOptions{.bits = 3, .group = 64, .act_order = true, .static_groups = true},
                    GptqOptions{.bits = 2, .group = 64, .static_groups = true},
                    GptqOptions{.bits = 8, .group = 0, .act_order = true, .symmetric = true},
                    GptqOptions{.bits = 2, .group = 32, .act_order = true}),
    [](const auto& info) {
      const GptqOptions& o = info.param;
      return "b" + std::to_string(o.bits) + "g" + std::to_string(o.group) + (o.act_order ? "act" : "") +
             (o.static_groups ? "static" : "") + (o.symmetric ? "sym" : "");
    });

TEST(GptqSolver, GivesTheSameCodesForAnyThreadCount) {
  const std::vector<float> w = uniform(kRows * kCols, 4), x = inputs();
  std::vector<GroupCodes> results;
  for (int threads : {1, 3}) {
    kernels::ThreadPool pool(threads);
    Hessian hessian(kCols);
    hessian.add(x.data(), kTokens, kCols, pool);
    results.push_back(
        GptqSolver(hessian, {.bits = 3, .group = 64, .act_order = true}).quantize(w.data(), kRows, pool));
  }
  EXPECT_EQ(results[0].codes, results[1].codes);
  EXPECT_EQ(results[0].scales, results[1].scales);
  EXPECT_EQ(results[0].zeros, results[1].zeros);
}

TEST(GptqSolver, KeepsGroupsInColumnOrderWhenTheyAreStatic) {
  const std::vector<float> x = inputs(), w = uniform(kRows * kCols, 4);
  kernels::ThreadPool pool(1);
  Hessian hessian(kCols);
  hessian.add(x.data(), kTokens, kCols, pool);
  const auto groups = [&](bool fixed) {
    return GptqSolver(hessian, {.bits = 4, .group = 32, .act_order = true, .static_groups = fixed})
        .quantize(w.data(), kRows, pool)
        .group_of;
  };
  const auto fixed = groups(true), moved = groups(false);
  EXPECT_TRUE(std::is_sorted(fixed.begin(), fixed.end()));
  EXPECT_FALSE(std::is_sorted(moved.begin(), moved.end()));
  for (int g = 0; g < 6; ++g) EXPECT_EQ(std::count(moved.begin(), moved.end(), g), 32);
}

TEST(GptqSolver, RefusesInputsThatAreNotFinite) {
  std::vector<float> x = inputs();
  x[5] = std::nanf("");
  kernels::ThreadPool pool(1);
  Hessian hessian(kCols);
  hessian.add(x.data(), kTokens, kCols, pool);
  EXPECT_THROW(GptqSolver(hessian, {}), Error);
}

TEST(Hessian, MeasuresTheErrorOfChangedWeights) {
  const std::vector<float> x = inputs(), dw = uniform(kRows * kCols, 9);
  kernels::ThreadPool pool(2);
  Hessian hessian(kCols);
  hessian.add(x.data(), kTokens, kCols, pool);
  const double expected = objective(dw, std::vector<float>(dw.size()), squares(x));
  EXPECT_NEAR(hessian.error(dw.data(), kRows, pool), expected, 1e-5 * expected);
}

}  // namespace
}  // namespace brinkmap::worker
