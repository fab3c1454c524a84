#include "kernels/activation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/isa.h"

namespace brinkmap::kernels {
namespace {

const GemmKernels& kernels_of(Isa isa) {
  return isa == Isa::kScalar ? gemm_kernels_scalar()
         : isa == Isa::kAvx2 ? gemm_kernels_avx2()
                             : gemm_kernels_avx512vnni();
}

// Normal numbers of many sizes, whole blocks of zeros, and ties: multiples of a half.
std::vector<float> samples(std::size_t n) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t kind = i / 256 % 4;
    const float value = normal(random) * std::ldexp(1.0f, static_cast<int>(i / 1024 % 40) - 20);
    x[i] = kind == 0   ? 0.0f
           : kind == 1 ? static_cast<float>(static_cast<int>(random() % 255) - 127) * 0.5f
                       : value;
    if (kind == 1 && i % 32 == 0) x[i] = -127.0f;
  }
  return x;
}

TEST(Activation, RoundsWithinHalfAStep) {
  const std::vector<float> x = samples(40960);
  std::int8_t codes[256];
  for (Isa isa : supported_isas())
    for (std::size_t k = 0; k < x.size(); k += 256) {
      const double d = quantize_block_q8_k(kernels_of(isa), x.data() + k, codes);
      for (std::size_t i = 0; i < 256; ++i)
        ASSERT_LE(std::abs(d * codes[i] - static_cast<double>(x[k + i])), std::abs(d) * 0.5001)
            << isa_name(isa);
      for (std::size_t b = k; b < k + 256; b += 32) {
        const double s = quantize_block_q8(kernels_of(isa), x.data() + b, codes);
        for (std::size_t i = 0; i < 32; ++i)
          ASSERT_LE(std::abs(s * codes[i] - static_cast<double>(x[b + i])), s * 0.5001) << isa_name(isa);
      }
    }
}

TEST(Activation, MapsTheFirstLargestMagnitudeToMinus127InLargeBlocks) {
  std::vector<float> x(256, 0.25f);
  x[77] = 3.0f;
  x[200] = -3.0f;
  std::int8_t codes[256];
  for (Isa isa : supported_isas()) {
    EXPECT_LT(quantize_block_q8_k(kernels_of(isa), x.data(), codes), 0.0f);
    EXPECT_EQ(codes[77], -127);
    EXPECT_EQ(codes[200], 127);
    EXPECT_EQ(codes[0], -11);  // 0.25 * 127 / 3 = 10.58
  }
}

TEST(Activation, RoundsTiesToEven) {
  std::vector<float> x(32, 0.0f);
  x[0] = 127.0f;
  x[1] = 0.5f;
  x[2] = 1.5f;
  x[3] = -2.5f;
  std::int8_t codes[32];
  for (Isa isa : supported_isas()) {
    EXPECT_EQ(quantize_block_q8(kernels_of(isa), x.data(), codes), 1.0f);
    EXPECT_EQ(codes[1], 0);
    EXPECT_EQ(codes[2], 2);
    EXPECT_EQ(codes[3], -2);
  }
}

TEST(Activation, GivesTheSameCodesWithEveryInstructionSet) {
  const std::vector<float> x = samples(40960);
  std::int8_t expected[256], got[256];
  for (Isa isa : supported_isas())
    for (std::size_t k = 0; k < x.size(); k += 256) {
      const float d = quantize_block_q8_k(gemm_kernels_scalar(), x.data() + k, expected);
      ASSERT_EQ(d, quantize_block_q8_k(kernels_of(isa), x.data() + k, got)) << isa_name(isa);
      ASSERT_EQ(std::vector<int>(expected, expected + 256), std::vector<int>(got, got + 256))
          << isa_name(isa);
      const float s = quantize_block_q8(gemm_kernels_scalar(), x.data() + k, expected);
      ASSERT_EQ(s, quantize_block_q8(kernels_of(isa), x.data() + k, got)) << isa_name(isa);
      ASSERT_EQ(std::vector<int>(expected, expected + 32), std::vector<int>(got, got + 32)) << isa_name(isa);
    }
}

TEST(Activation, GivesANaNScaleForANaNOrInfinity) {
  std::int8_t codes[256];
  for (float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()})
    for (Isa isa : supported_isas()) {
      std::vector<float> x(256, 1.0f);
      x[13] = bad;
      EXPECT_TRUE(std::isnan(quantize_block_q8(kernels_of(isa), x.data(), codes)));
      EXPECT_TRUE(std::isnan(quantize_block_q8_k(kernels_of(isa), x.data(), codes)));
    }
}

TEST(Activation, SplitsColumnsIntoTilesOfNearlyOneSize) {
  for (std::int64_t n = 0; n < 100; ++n) {
    const TileSplit split(n, kQ8Tile);
    std::int64_t next = 0;
    for (std::int64_t t = 0; t < split.tiles; ++t) {
      EXPECT_EQ(split.first(t), next);
      EXPECT_GE(split.columns(t), 1);
      EXPECT_LE(split.columns(t), kQ8Tile);
      EXPECT_LE(split.columns(0) - split.columns(t), 1);
      next += split.columns(t);
    }
    EXPECT_EQ(next, n);
  }
}

}  // namespace
}  // namespace brinkmap::kernels
