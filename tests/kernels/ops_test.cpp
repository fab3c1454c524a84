#include "kernels/ops.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "tests/kernels/on_every_isa.h"

namespace brinkmap::kernels {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

TEST(Ops, ExpIsWithinTwoUlpEverywhere) {
  std::vector<float> x;
  for (std::uint32_t bits = 0; bits < 0x42d00000u; bits += 997) {  // up to 104
    x.push_back(std::bit_cast<float>(bits));
    x.push_back(-std::bit_cast<float>(bits));
  }
  const auto y = on_every_isa([&](Isa isa) {
    std::vector<float> out(x.size());
    exp(x.data(), out.data(), static_cast<std::int64_t>(x.size()), isa);
    return out;
  });
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double exact = std::exp(static_cast<double>(x[i]));
    if (exact > static_cast<double>(std::numeric_limits<float>::max())) {
      EXPECT_TRUE(y[i] == kInf || y[i] >= std::nextafter(std::numeric_limits<float>::max(), 0.0f)) << x[i];
      continue;
    }
    const float rounded = static_cast<float>(exact);
    const double ulp = static_cast<double>(std::nextafter(rounded, kInf)) - static_cast<double>(rounded);
    worst = std::max(worst, std::abs(static_cast<double>(y[i]) - exact) / ulp);
  }
  EXPECT_LE(worst, 2.0);
  RecordProperty("worst_ulp", std::to_string(worst));
}

TEST(Ops, ExpOfTheExtremesIsZeroInfinityAndNan) {
  const std::vector<float> x = {-kInf, -1e30f, kInf, 1e30f, std::nanf(""), 0.0f, -0.0f};
  for (Isa isa : supported_isas()) {
    std::vector<float> y(x.size());
    exp(x.data(), y.data(), static_cast<std::int64_t>(x.size()), isa);
    EXPECT_EQ(y[0], 0.0f);
    EXPECT_EQ(y[1], 0.0f);
    EXPECT_EQ(y[2], kInf);
    EXPECT_EQ(y[3], kInf);
    EXPECT_TRUE(std::isnan(y[4]));
    EXPECT_EQ(y[5], 1.0f);
    EXPECT_EQ(y[6], 1.0f);
  }
}

TEST(Ops, RmsNormFollowsTheFormulaForEveryWidth) {
  ThreadPool pool(2);
  for (std::int64_t width : {1, 7, 16, 31, 48, 256, 1000}) {
    const std::int64_t n = 5;
    const auto x = random_floats(static_cast<std::size_t>(n * width), 3.0f, 1);
    const auto weight = random_floats(static_cast<std::size_t>(width), 1.0f, 2);
    const auto y = on_every_isa([&](Isa isa) {
      std::vector<float> out(x.size());
      rms_norm(x.data(), weight.data(), out.data(), n, width, 1e-5f, pool, isa);
      return out;
    });
    for (std::int64_t t = 0; t < n; ++t) {
      double squares = 0;
      for (std::int64_t i = 0; i < width; ++i)
        squares += std::pow(static_cast<double>(x[static_cast<std::size_t>(t * width + i)]), 2);
      const double inverse =
          1.0 / std::sqrt(squares / static_cast<double>(width) + static_cast<double>(1e-5f));
      for (std::int64_t i = 0; i < width; ++i) {
        const std::size_t at = static_cast<std::size_t>(t * width + i);
        const double expected =
            static_cast<double>(x[at]) * inverse * static_cast<double>(weight[static_cast<std::size_t>(i)]);
        // Sum of squares: width/32 + 6 roundings; root, division and two products: 4 more, each half an
        // epsilon.
        const double bound = (static_cast<double>(width) / 32 + 10) * 0x1p-24 * std::abs(expected) + 1e-38;
        EXPECT_NEAR(static_cast<double>(y[at]), expected, bound) << "width " << width;
      }
    }
  }
}

TEST(Ops, ARowDoesNotDependOnTheBatchOrThreads) {
  const std::int64_t n = 300, width = 272;
  const auto x = random_floats(static_cast<std::size_t>(n * width), 1.0f, 3);
  const auto up = random_floats(static_cast<std::size_t>(n * width), 1.0f, 4);
  const auto weight = random_floats(static_cast<std::size_t>(width), 1.0f, 5);
  ThreadPool one(1), seven(7);
  std::vector<float> all(x.size()), alone(x.size()), gated(x.size()), gated_alone(x.size());
  rms_norm(x.data(), weight.data(), all.data(), n, width, 1e-5f, seven);
  swiglu(x.data(), up.data(), gated.data(), n, width, seven);
  for (std::int64_t t = 0; t < n; ++t) {
    rms_norm(x.data() + t * width, weight.data(), alone.data() + t * width, 1, width, 1e-5f, one);
    swiglu(x.data() + t * width, up.data() + t * width, gated_alone.data() + t * width, 1, width, one);
  }
  EXPECT_TRUE(same_bits(all, alone));
  EXPECT_TRUE(same_bits(gated, gated_alone));
}

TEST(Ops, RopeRotatesBothPairingsByTheAngleOfThePosition) {
  const int heads = 3, head_dim = 24, dims = 16;
  const std::vector<float> factors = {1, 1, 2, 2, 4, 4, 8, 8};
  const RopeTable table(dims, 10000.0, factors, 40);
  const std::vector<std::int32_t> positions = {0, 7, 39};
  const std::int64_t ld = heads * head_dim + 5;
  const auto x = random_floats(static_cast<std::size_t>(3 * ld), 1.0f, 6);
  ThreadPool pool(1);
  for (RopePairing pairing : {RopePairing::kAdjacent, RopePairing::kHalfSplit}) {
    const auto y = on_every_isa([&](Isa isa) {
      auto out = x;
      rope(out.data(), 3, heads, head_dim, ld, positions.data(), table, pairing, pool, isa);
      return out;
    });
    for (std::size_t t = 0; t < 3; ++t)
      for (int h = 0; h < heads; ++h) {
        const std::size_t head = t * static_cast<std::size_t>(ld) + static_cast<std::size_t>(h * head_dim);
        for (int i = 0; i < dims / 2; ++i) {
          const double angle = positions[t] * std::pow(10000.0, -2.0 * i / dims) /
                               static_cast<double>(factors[static_cast<std::size_t>(i)]);
          const std::size_t first =
              head + static_cast<std::size_t>(pairing == RopePairing::kAdjacent ? 2 * i : i);
          const std::size_t second = pairing == RopePairing::kAdjacent ? first + 1 : first + dims / 2;
          const double a = static_cast<double>(x[first]), b = static_cast<double>(x[second]);
          EXPECT_NEAR(static_cast<double>(y[first]), a * std::cos(angle) - b * std::sin(angle), 1e-6);
          EXPECT_NEAR(static_cast<double>(y[second]), a * std::sin(angle) + b * std::cos(angle), 1e-6);
        }
        for (int d = dims; d < head_dim; ++d)
          EXPECT_EQ(y[head + static_cast<std::size_t>(d)], x[head + static_cast<std::size_t>(d)]);
      }
  }
}

TEST(Ops, SoftmaxAndLogSumExpAgreeWithTheFormula) {
  for (std::size_t n : {1u, 5u, 16u, 33u, 1000u}) {
    const auto x = random_floats(n, 5.0f, 7);
    double top = -1e30, sum = 0;
    for (float v : x) top = std::max(top, static_cast<double>(v));
    for (float v : x) sum += std::exp(static_cast<double>(v) - top);
    const auto y = on_every_isa([&](Isa isa) {
      auto out = x;
      softmax(out.data(), static_cast<std::int64_t>(n), isa);
      return out;
    });
    for (std::size_t i = 0; i < n; ++i) {
      const double p = std::exp(static_cast<double>(x[i]) - top) / sum;
      EXPECT_NEAR(static_cast<double>(y[i]), p, p * 0x1p-24 * (static_cast<double>(n) / 16 + 70));
    }
    const double exact = top + std::log(sum);
    for (Isa isa : supported_isas()) {
      const double found = log_sum_exp(x.data(), static_cast<std::int64_t>(n), isa);
      EXPECT_EQ(found, log_sum_exp(x.data(), static_cast<std::int64_t>(n), Isa::kScalar));
      EXPECT_NEAR(found, exact, 4e-7 * (1 + std::abs(exact)));
    }
  }
}

TEST(Ops, SwigluFollowsTheFormulaAndSurvivesLargeInputs) {
  ThreadPool pool(1);
  std::vector<float> gate = random_floats(77, 4.0f, 8), up = random_floats(77, 2.0f, 9);
  gate[3] = -200.0f;
  gate[4] = 200.0f;
  gate[5] = -88.0f;
  const auto y = on_every_isa([&](Isa isa) {
    std::vector<float> out(gate.size());
    swiglu(gate.data(), up.data(), out.data(), 7, 11, pool, isa);
    return out;
  });
  for (std::size_t i = 0; i < gate.size(); ++i) {
    const double g = static_cast<double>(gate[i]);
    const double expected = g / (1 + std::exp(-g)) * static_cast<double>(up[i]);
    EXPECT_NEAR(static_cast<double>(y[i]), expected, std::abs(expected) * 8 * 0x1p-24 + 1e-35) << g;
  }
}

TEST(Ops, LargestTakesTheLowestIndexAndSeesNonFiniteNumbers) {
  for (Isa isa : supported_isas())
    for (std::size_t n : {1u, 15u, 16u, 17u, 40u}) {
      std::vector<float> x(n, -2.0f);
      x[n / 2] = 3.0f;
      x[n - 1] = 3.0f;
      Largest found = largest(x.data(), static_cast<std::int64_t>(n), isa);
      EXPECT_EQ(found.index, static_cast<std::int64_t>(n / 2));
      EXPECT_TRUE(found.finite);
      for (float bad : {kInf, -kInf, std::nanf("")})
        for (std::size_t at : {std::size_t{0}, n - 1}) {
          auto broken = x;
          broken[at] = bad;
          EXPECT_FALSE(largest(broken.data(), static_cast<std::int64_t>(n), isa).finite);
        }
    }
}

}  // namespace
}  // namespace brinkmap::kernels
