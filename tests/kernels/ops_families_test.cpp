#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "kernels/ops.h"
#include "tests/kernels/on_every_isa.h"

// Operations that only some families use.
namespace brinkmap::kernels {
namespace {

TEST(Ops, LayerNormFollowsTheFormulaForEveryWidth) {
  ThreadPool pool(2);
  const std::int64_t n = 5;
  for (std::int64_t width : {1, 7, 16, 31, 48, 256, 1000}) {
    auto x = random_floats(static_cast<std::size_t>(n * width), 3.0f, 1);
    for (float& v : x) v += 2.0f;
    const auto weight = random_floats(static_cast<std::size_t>(width), 1.0f, 2);
    const auto bias = random_floats(static_cast<std::size_t>(width), 1.0f, 3);
    const auto y = on_every_isa([&](Isa isa) {
      std::vector<float> out(x.size());
      layer_norm(x.data(), weight.data(), bias.data(), out.data(), n, width, 1e-5f, pool, isa);
      return out;
    });
    for (std::int64_t t = 0; t < n; ++t) {
      const float* row = x.data() + t * width;
      double mean = 0, variance = 0, largest = 0;
      for (std::int64_t i = 0; i < width; ++i)
        mean += static_cast<double>(row[i]) / static_cast<double>(width);
      for (std::int64_t i = 0; i < width; ++i) {
        variance += std::pow(static_cast<double>(row[i]) - mean, 2) / static_cast<double>(width);
        largest = std::max(largest, std::abs(static_cast<double>(row[i])));
      }
      const double inverse = 1 / std::sqrt(variance + static_cast<double>(1e-5f));
      for (std::int64_t i = 0; i < width; ++i) {
        const double w = static_cast<double>(weight[static_cast<std::size_t>(i)]);
        const double expected = (static_cast<double>(row[i]) - mean) * inverse * w +
                                static_cast<double>(bias[static_cast<std::size_t>(i)]);
        // The mean's error, width/16 + 5 roundings of numbers up to `largest`, passes to every element and,
        // squared, to the variance; the variance's own roundings scale the result.
        const double roundings = static_cast<double>(width) / 16 + 12;
        const double bound = roundings * 0x1p-24 * (largest * inverse * std::abs(w) + std::abs(expected) + 1);
        EXPECT_NEAR(static_cast<double>(y[static_cast<std::size_t>(t * width + i)]), expected, bound)
            << "width " << width;
      }
    }
  }
}

TEST(Ops, HeadNormsAreRmsNormsOfEachHeadAndTouchNothingElse) {
  ThreadPool pool(2);
  const std::int64_t n = 4, ld = 3 * 20 + 5;
  const auto x = random_floats(static_cast<std::size_t>(n * ld), 2.0f, 4);
  const auto weight = random_floats(20, 1.0f, 5);
  const auto y = on_every_isa([&](Isa isa) {
    auto out = x;
    rms_norm_heads(out.data(), weight.data(), n, 3, 20, ld, 1e-6f, pool, isa);
    return out;
  });
  for (std::int64_t t = 0; t < n; ++t) {
    for (std::int64_t h = 0; h < 3; ++h) {
      std::vector<float> head(20);
      rms_norm(x.data() + t * ld + h * 20, weight.data(), head.data(), 1, 20, 1e-6f, pool);
      for (std::int64_t d = 0; d < 20; ++d)
        EXPECT_EQ(y[static_cast<std::size_t>(t * ld + h * 20 + d)], head[static_cast<std::size_t>(d)]);
    }
    for (std::int64_t i = 60; i < ld; ++i)
      EXPECT_EQ(y[static_cast<std::size_t>(t * ld + i)], x[static_cast<std::size_t>(t * ld + i)]);
  }
}

// 1 + tanh(u) = 2 / (1 + exp(-2u)), which does not cancel.
double exact_gelu(double v) {
  const double u = std::sqrt(2 / std::acos(-1.0)) * (v + 0.044715 * v * v * v);
  return v / (1 + std::exp(-2 * u));
}

TEST(Ops, GeluFollowsItsTanhFormWithAndWithoutAGate) {
  ThreadPool pool(1);
  auto x = random_floats(77, 3.0f, 6);
  const auto up = random_floats(77, 2.0f, 7);
  x[3] = -200.0f;
  x[4] = 200.0f;
  x[5] = 0.0f;
  const auto plain = on_every_isa([&](Isa isa) {
    auto out = x;
    gelu(out.data(), 77, pool, isa);
    return out;
  });
  const auto gated = on_every_isa([&](Isa isa) {
    std::vector<float> out(77);
    geglu(x.data(), up.data(), out.data(), 7, 11, pool, isa);
    return out;
  });
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double v = static_cast<double>(x[i]), expected = exact_gelu(v);
    // A relative error of 2^-23 in the exponent 2u is |2u| times that in exp(-2u), which is the whole
    // denominator where v is very negative.
    const double u = std::abs(1.6 * (v + 0.044715 * v * v * v));
    const double bound = std::abs(expected) * (8 + 4 * std::min(u, 90.0)) * 0x1p-24 + 1e-35;
    EXPECT_NEAR(static_cast<double>(plain[i]), expected, bound) << v;
    EXPECT_NEAR(static_cast<double>(gated[i]), expected * static_cast<double>(up[i]),
                bound * (std::abs(static_cast<double>(up[i])) + 1) + 1e-35)
        << v;
  }
}

TEST(Ops, SigmoidGatesAndSoftCapsFollowTheirFormulas) {
  ThreadPool pool(1);
  auto x = random_floats(77, 30.0f, 8);
  const auto gate = random_floats(77, 5.0f, 9);
  x[0] = 1e30f;
  x[1] = -1e30f;
  x[2] = 0.0f;
  const auto gated = on_every_isa([&](Isa isa) {
    auto out = x;
    sigmoid_gate(out.data(), gate.data(), 77, pool, isa);
    return out;
  });
  const auto capped = on_every_isa([&](Isa isa) {
    auto out = x;
    soft_cap(out.data(), 20.0f, 77, pool, isa);
    return out;
  });
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double v = static_cast<double>(x[i]);
    const double expected = v / (1 + std::exp(-static_cast<double>(gate[i])));
    EXPECT_NEAR(static_cast<double>(gated[i]), expected, std::abs(expected) * 8 * 0x1p-24);
    EXPECT_NEAR(static_cast<double>(capped[i]), 20 * std::tanh(v / 20), 20 * 0x1p-22);
  }
  EXPECT_EQ(capped[2], 0.0f);
}

TEST(Ops, ABiasIsAddedToEveryRowAndNotBetweenThem) {
  ThreadPool pool(2);
  const std::int64_t n = 700, width = 33, ld = 40;
  const auto x = random_floats(static_cast<std::size_t>(n * ld), 1.0f, 10);
  const auto bias = random_floats(static_cast<std::size_t>(width), 1.0f, 11);
  const auto y = on_every_isa([&](Isa isa) {
    auto out = x;
    add_bias(out.data(), bias.data(), n, width, ld, pool, isa);
    return out;
  });
  for (std::int64_t t = 0; t < n; ++t)
    for (std::int64_t i = 0; i < ld; ++i) {
      const std::size_t at = static_cast<std::size_t>(t * ld + i);
      EXPECT_EQ(y[at], i < width ? x[at] + bias[static_cast<std::size_t>(i)] : x[at]);
    }
}

TEST(Ops, ARopeTablesMagnitudeScalesBothParts) {
  const RopeTable plain(8, 10000, {}, 5), scaled(8, 10000, {}, 5, 1.25);
  for (int i = 0; i < 4; ++i) {
    EXPECT_FLOAT_EQ(scaled.cosines(3)[i], 1.25f * plain.cosines(3)[i]);
    EXPECT_FLOAT_EQ(scaled.sines(3)[i], 1.25f * plain.sines(3)[i]);
  }
}

}  // namespace
}  // namespace brinkmap::kernels
