#include "worker/awq.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernels/half.h"
#include "kernels/philox.h"
#include "schedule/error.h"

namespace brinkmap::worker {
namespace {

constexpr std::int64_t kRows = 70, kCols = 96, kGroup = 32, kTokens = 200;

std::vector<float> normal(std::int64_t n, std::uint64_t stream) {
  const kernels::RandomStream random{11, stream};
  std::vector<float> out(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(random.normal(i));
  return out;
}

// Inputs with a few channels much larger than the others.
std::vector<float> inputs() {
  std::vector<float> x = normal(kTokens * kCols, 1);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] *= i % kCols % 16 == 3 ? 20.0f : 1.0f;
  return x;
}

// One group by the formula, in f64 but for the stored scale.
std::vector<double> rounded(const std::vector<double>& w) {
  const auto [low, high] = std::minmax_element(w.begin(), w.end());
  const double range = std::max(*high - *low, 1e-5);
  const double s =
      static_cast<double>(kernels::f16_to_f32(kernels::f32_to_f16(static_cast<float>(range / 15))));
  const double z = std::clamp(-std::nearbyint(*low / s), 0.0, 15.0);
  std::vector<double> out;
  for (double x : w) out.push_back((std::clamp(std::nearbyint(x / s) + z, 0.0, 15.0) - z) * s);
  return out;
}

std::vector<double> group_of(const std::vector<float>& w, std::int64_t at) {
  return {w.begin() + at, w.begin() + at + kGroup};
}

TEST(AwqQuantize, FollowsTheZeroPointFormulaOfEachGroup) {
  kernels::ThreadPool pool(2);
  std::vector<float> w = normal(kRows * kCols, 2);
  for (std::int64_t i = 0; i < kGroup; ++i)
    w[static_cast<std::size_t>(i)] = 3 + 0.01f * static_cast<float>(i);  // far from 0
  for (std::int64_t i = kGroup; i < 2 * kGroup; ++i) w[static_cast<std::size_t>(i)] = 0;
  const GroupCodes q = awq_quantize({w.data(), kRows, kCols}, kGroup, pool);
  std::vector<float> found(w.size());
  decode(q, found.data());
  std::size_t wrong = 0;
  for (std::int64_t at = 0; at < kRows * kCols; at += kGroup) {
    const std::vector<double> expected = rounded(group_of(w, at));
    for (std::int64_t i = 0; i < kGroup; ++i)
      wrong += std::abs(static_cast<double>(found[static_cast<std::size_t>(at + i)]) -
                        expected[static_cast<std::size_t>(i)]) > 1e-6;
  }
  EXPECT_LE(wrong, 3u);  // a quotient that rounds to a half in f32
}

TEST(AwqScales, BalanceInputsAgainstWeights) {
  const std::vector<float> x = {0, 0.5f, 4}, w = {0.2f, 0.3f, 0.4f};
  const double ratio = 0.25;
  std::vector<double> s;
  for (std::size_t i = 0; i < 3; ++i)
    s.push_back(std::max(std::pow(double(x[i]), ratio) / (std::pow(double(w[i]), 1 - ratio) + 1e-4), 1e-4));
  const double middle =
      std::sqrt(*std::max_element(s.begin(), s.end()) * *std::min_element(s.begin(), s.end()));
  const std::vector<float> found = awq_scales(x, w, ratio);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(found[i], s[i] / middle, 1e-6 * s[i] / middle);
}

TEST(AwqWeightMean, IsTheShareOfTheLargestInTheGroup) {
  const std::vector<float> a = {1, -2, 0.5f, 0.25f}, b = {0, 4, -3, 3};
  const std::vector<MatrixView> both = {{a.data(), 1, 4}, {b.data(), 1, 4}};
  const std::vector<float> mean = awq_weight_mean(both, 2);
  const float expected[] = {0.25f, 1.0f, 1.0f, 0.75f};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(mean[i], expected[i], 1e-5f);
}

double output_error(const std::vector<float>& w, const std::vector<float>& other,
                    const std::vector<float>& x) {
  double sum = 0;
  for (std::size_t t = 0; t < kTokens; ++t)
    for (std::size_t r = 0; r < kRows; ++r) {
      double y = 0;
      for (std::size_t c = 0; c < kCols; ++c)
        y += static_cast<double>(x[t * kCols + c]) *
             (static_cast<double>(w[r * kCols + c]) - static_cast<double>(other[r * kCols + c]));
      sum += y * y;
    }
  return sum;
}

TEST(AwqBestScales, LowerTheErrorOfTheOutput) {
  kernels::ThreadPool pool(2);
  const std::vector<float> w = normal(kRows * kCols, 2), x = inputs();
  const MatrixView view{w.data(), kRows, kCols};
  std::vector<float> x_mean(kCols);
  for (std::size_t i = 0; i < x.size(); ++i) x_mean[i % kCols] += std::abs(x[i]) / kTokens;
  const std::vector<float> w_mean = awq_weight_mean({&view, 1}, kGroup);
  std::vector<float> other(w.size());
  const auto loss = [&](std::span<const float> scales) {
    awq_round(view, scales, kGroup, other.data(), pool);
    return output_error(w, other, x);
  };
  const std::vector<float> best = awq_best_scales(x_mean, w_mean, loss);
  const double found = loss(best);
  for (int i = 0; i < kAwqRatios; ++i) EXPECT_LE(found, loss(awq_scales(x_mean, w_mean, i / 20.0)));
  EXPECT_LT(found, 0.7 * loss(std::vector<float>(kCols, 1)));
  EXPECT_THROW(awq_best_scales(x_mean, w_mean, [](auto) { return std::nan(""); }), Error);
}

TEST(AwqClip, TakesTheShareOfLeastOutputErrorForEachGroup) {
  std::vector<float> w = normal(kRows * kCols, 3);
  for (float& v : w) v = v * v * v;  // heavy tails, so that clipping pays
  const std::vector<float> x = inputs();
  std::vector<float> clipped = w, again = w;
  kernels::ThreadPool one(1), three(3);
  awq_clip(clipped.data(), kRows, kCols, kGroup, x.data(), kTokens, one);
  awq_clip(again.data(), kRows, kCols, kGroup, x.data(), kTokens, three);
  EXPECT_EQ(clipped, again);
  std::size_t shrunk = 0;
  for (std::int64_t at = 0; at < kRows * kCols; at += kGroup) {
    const std::vector<double> group = group_of(w, at), found = group_of(clipped, at);
    double most = 0;
    for (double v : group) most = std::max(most, std::abs(v));
    const auto error = [&](const std::vector<double>& candidate) {
      const std::vector<double> q = rounded(candidate);
      double sum = 0;
      for (std::int64_t t = 0; t < kTokens; ++t) {
        double y = 0;
        for (std::int64_t i = 0; i < kGroup; ++i)
          y += static_cast<double>(x[static_cast<std::size_t>(t * kCols + at % kCols + i)]) *
               (q[static_cast<std::size_t>(i)] - group[static_cast<std::size_t>(i)]);
        sum += y * y;
      }
      return sum;
    };
    const double chosen = error(found);
    for (int step = 0; step < 10; ++step) {
      std::vector<double> candidate = group;
      const double limit =
          static_cast<double>(static_cast<float>(most) * (1 - static_cast<float>(step) / 20));
      for (double& v : candidate) v = std::clamp(v, -limit, limit);
      EXPECT_LE(chosen, error(candidate) * 1.001) << at << " step " << step;
    }
    shrunk += found != group;
  }
  EXPECT_GT(shrunk, 20u);
}

}  // namespace
}  // namespace brinkmap::worker
