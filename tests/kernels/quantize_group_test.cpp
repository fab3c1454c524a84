#include "kernels/quantize_group.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "kernels/half.h"

namespace brinkmap::kernels {
namespace {

std::vector<float> normal_values(std::size_t n, float scale, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(n);
  for (float& value : values) value = normal(random);
  return values;
}

std::vector<float> mlx(const std::vector<float>& in, int bits, int group, ScaleType type) {
  const Format format = affine_format(bits, group);
  const auto n = static_cast<std::int64_t>(in.size());
  std::vector<std::byte> blocks(row_bytes(format, n));
  quantize_mlx(in.data(), blocks.data(), n, bits, group, type);
  std::vector<float> out(in.size());
  dequantize(format, blocks.data(), out.data(), n);
  return out;
}

std::vector<BlockNF4> nf4(const std::vector<float>& in) {
  std::vector<BlockNF4> blocks(in.size() / 64);
  quantize_nf4(in.data(), blocks.data(), static_cast<std::int64_t>(in.size()));
  return blocks;
}

TEST(QuantizeMlx, KeepsTheLargestMagnitudeAndZeroOnTheGridAndStaysWithinHalfAStep) {
  for (int bits : {2, 3, 4, 5, 6, 8})
    for (int group : {32, 64, 128}) {
      std::vector<float> in = normal_values(static_cast<std::size_t>(group) * 6, 0.1f, 3);
      in[5] = 0.0f;
      const std::vector<float> out = mlx(in, bits, group, ScaleType::kF32);
      EXPECT_NEAR(out[5], 0.0f, 1e-6f) << bits;
      for (std::size_t g = 0; g < 6; ++g) {
        const auto first = in.begin() + static_cast<std::ptrdiff_t>(g) * group;
        const auto [low, high] = std::minmax_element(first, first + group);
        const float edge = std::abs(*low) > std::abs(*high) ? *low : *high;
        // The grid is stretched so that zero is on it: a step is at most (range / limit) * q / (q - 1/2).
        const float step = (*high - *low) / static_cast<float>((1 << bits) - 1) * 2.0f;
        bool met = false;
        for (std::size_t i = g * static_cast<std::size_t>(group);
             i < (g + 1) * static_cast<std::size_t>(group); ++i) {
          EXPECT_LE(std::abs(in[i] - out[i]), step * 0.5001f + 1e-6f) << bits << " " << group;
          met |= out[i] == edge;
        }
        EXPECT_TRUE(met) << bits << " " << group;
      }
    }
}

TEST(QuantizeMlx, RoundsScaleAndMinToTheTypeOfTheWeights) {
  const std::vector<float> in = normal_values(64, 0.1f, 4);
  BlockAffine<4, 64> block;
  quantize_mlx(in.data(), &block, 64, 4, 64, ScaleType::kBF16);
  EXPECT_EQ(block.scale, bf16_to_f32(f32_to_bf16(block.scale)));
  EXPECT_EQ(block.min, bf16_to_f32(f32_to_bf16(block.min)));
  BlockAffine<4, 64> full;
  quantize_mlx(in.data(), &full, 64, 4, 64, ScaleType::kF32);
  EXPECT_EQ(bf16_to_f32(f32_to_bf16(full.scale)), block.scale);
  // Codes are those of the unrounded scale.
  EXPECT_TRUE(std::equal(std::begin(full.codes), std::end(full.codes), std::begin(block.codes)));
}

TEST(QuantizeMlx, OfAConstantGroupIsExact) {
  for (float constant : {0.0f, 0.75f, -1.5f})
    for (float value : mlx(std::vector<float>(64, constant), 4, 64, ScaleType::kBF16))
      EXPECT_EQ(value, constant);
}

TEST(PackAffine, PutsTheFirstCodeInTheLowBits) {
  std::uint8_t codes[32] = {1, 2, 3};
  BlockAffine<2, 32> two;
  pack_affine(codes, 2, 32, 1.0f, 0.0f, &two);
  EXPECT_EQ(two.codes[0], 1 | 2 << 2 | 3 << 4);
  BlockAffine<4, 32> three;  // 3-bit codes stand in 4
  pack_affine(codes, 3, 32, 1.0f, 0.0f, &three);
  EXPECT_EQ(three.codes[0], 1 | 2 << 4);
  EXPECT_EQ(three.codes[1], 3);
}

TEST(QuantizeNf4, TakesTheNearestLevelAndTheLowerOneHalfway) {
  std::vector<float> in = normal_values(64 * 20, 0.3f, 5);
  in[0] = 1.0f;  // absmax of block 0: levels are weights
  for (int i = 1; i < 64; ++i) in[static_cast<std::size_t>(i)] = 0.0f;
  const float middle = (kNF4Levels[11] + kNF4Levels[12]) / 2.0f;
  in[1] = middle;
  in[2] = std::nextafter(middle, 1.0f);
  const std::vector<BlockNF4> blocks = nf4(in);
  EXPECT_EQ(blocks[0].qs[0], 15 | 11 << 4);
  EXPECT_EQ(blocks[0].qs[1], 12 | 7 << 4);
  for (std::size_t b = 0; b < blocks.size(); ++b)
    for (std::size_t i = 0; i < 64; ++i) {
      const int code = blocks[b].qs[i / 2] >> (i % 2 * 4) & 15;
      const float x = in[b * 64 + i] / blocks[b].absmax;
      for (float level : kNF4Levels) EXPECT_LE(std::abs(x - kNF4Levels[code]), std::abs(x - level) + 1e-6f);
    }
}

TEST(QuantizeNf4, OfZerosIsZero) {
  const std::vector<BlockNF4> blocks = nf4(std::vector<float>(64, 0.0f));
  EXPECT_EQ(blocks[0].absmax, 0.0f);
  for (std::uint8_t pair : blocks[0].qs) EXPECT_EQ(pair, 7 | 7 << 4);
}

TEST(NestedScales, TheMapIsAscendingAndHasZeroAndOne) {
  const auto map = nf4_absmax_map();
  EXPECT_TRUE(std::is_sorted(map.begin(), map.end()));
  EXPECT_EQ(map[255], 1.0f);
  EXPECT_EQ(map[127], 0.0f);
  EXPECT_EQ(map[0], -map[254]);
  EXPECT_FLOAT_EQ(map[254], 0.99296875f);  // 1 - 0.9 / 128
  EXPECT_FLOAT_EQ(map[128], 5.5e-7f);
}

TEST(NestedScales, DecodeToWhatTheBlocksThenHold) {
  std::vector<BlockNF4> blocks = nf4(normal_values(64 * 700, 0.02f, 6));
  const std::vector<BlockNF4> exact = blocks;
  std::vector<std::uint8_t> codes(700);
  std::vector<float> scales(3);
  Nf4Nested stored{0, codes, scales};
  nest_nf4_scales(blocks, stored);
  double mean = 0;
  for (const BlockNF4& block : exact) mean += static_cast<double>(block.absmax) / 700;
  EXPECT_FLOAT_EQ(stored.offset, static_cast<float>(mean));
  for (std::size_t b = 0; b < 700; ++b) {
    EXPECT_EQ(blocks[b].absmax, nf4_absmax_map()[codes[b]] * scales[b / 256] + stored.offset);
    // The map's widest gap is 0.9 / 64 of the scale.
    EXPECT_NEAR(blocks[b].absmax, exact[b].absmax, scales[b / 256] * 0.9f / 128 + 1e-9f);
    EXPECT_TRUE(std::equal(std::begin(blocks[b].qs), std::end(blocks[b].qs), std::begin(exact[b].qs)));
  }
}

}  // namespace
}  // namespace brinkmap::kernels
