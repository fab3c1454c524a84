#include "kernels/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "tests/kernels/ggml_vectors.h"

namespace brinkmap::kernels {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes encode(Format format, const std::vector<float>& in, Isa isa = Isa::kScalar) {
  Bytes blocks(row_bytes(format, static_cast<std::int64_t>(in.size())));
  quantize(format, in.data(), blocks.data(), static_cast<std::int64_t>(in.size()), isa);
  return blocks;
}

std::vector<float> decode(Format format, const Bytes& blocks, std::size_t n) {
  std::vector<float> out(n);
  dequantize(format, blocks.data(), out.data(), static_cast<std::int64_t>(n));
  return out;
}

std::string_view name_of(Format format) { return format_info(format).name; }

// A fixed, rough series: a linear congruential generator is random enough here.
std::vector<float> rough_values(std::size_t n, float scale, std::uint32_t seed) {
  std::vector<float> values(n);
  for (float& value : values) {
    seed = seed * 1664525u + 1013904223u;
    const float uniform = static_cast<float>(seed >> 8) * 0x1p-24f - 0.5f;
    value = scale * uniform * uniform * uniform * 8.0f;  // heavy around zero, with outliers
  }
  return values;
}

TEST(Quantize, EqualsGgmlByteForByteOnEveryIsa) {
  int compared = 0;
  for (const auto& vectors : tests::ggml_vectors()) {
    if (vectors.input.empty()) continue;
    for (Isa isa : supported_isas())
      for (std::int64_t row = 0; row < vectors.rows; ++row) {
        const auto* in = vectors.input.data() + row * vectors.cols;
        const auto* expected = vectors.blocks.data() + static_cast<std::size_t>(row) * vectors.row_size();
        EXPECT_EQ(encode(vectors.format, {in, in + vectors.cols}, isa),
                  Bytes(expected, expected + vectors.row_size()))
            << vectors.name << " row " << row << " " << isa_name(isa);
        ++compared;
      }
  }
  EXPECT_EQ(compared, 14 * (16 + 4) * static_cast<int>(supported_isas().size()));
}

// The promise that would still hold if a later search gave other bytes.
TEST(Quantize, HasAtMostGgmlsErrorPerRow) {
  for (const auto& vectors : tests::ggml_vectors()) {
    if (vectors.input.empty()) continue;
    ASSERT_EQ(vectors.row_rmse.size(), static_cast<std::size_t>(vectors.rows));
    const auto out = decode(vectors.format, encode(vectors.format, vectors.input), vectors.input.size());
    for (std::int64_t row = 0; row < vectors.rows; ++row) {
      double sum = 0;
      for (std::int64_t i = row * vectors.cols; i < (row + 1) * vectors.cols; ++i) {
        const double difference = static_cast<double>(out[static_cast<std::size_t>(i)]) -
                                  static_cast<double>(vectors.input[static_cast<std::size_t>(i)]);
        sum += difference * difference;
      }
      EXPECT_LE(std::sqrt(sum / static_cast<double>(vectors.cols)),
                vectors.row_rmse[static_cast<std::size_t>(row)] * 1.005)
          << vectors.name << " row " << row;
    }
  }
}

TEST(Quantize, GivesTheSameBytesOnEveryIsaForAnyNumberOfBlocks) {
  for (Format format : tests::kAllFormats)
    for (std::size_t blocks : {1u, 2u, 3u, 7u}) {
      const auto in = rough_values(256 * blocks, 0.1f, static_cast<std::uint32_t>(blocks));
      const Bytes expected = encode(format, in, Isa::kScalar);
      for (Isa isa : supported_isas())
        EXPECT_EQ(encode(format, in, isa), expected)
            << name_of(format) << " " << blocks << " " << isa_name(isa);
    }
}

TEST(Quantize, OfABlockAloneIsTheSameAsWithinARow) {
  const auto in = rough_values(256 * 5, 3.0f, 17);
  for (Format format : tests::kAllFormats)
    for (Isa isa : supported_isas()) {
      Bytes joined;
      for (std::size_t b = 0; b < 5; ++b) {
        const auto* part = in.data() + 256 * b;
        const Bytes alone = encode(format, {part, part + 256}, isa);
        joined.insert(joined.end(), alone.begin(), alone.end());
      }
      EXPECT_EQ(encode(format, in, isa), joined) << name_of(format) << " " << isa_name(isa);
    }
}

TEST(Quantize, KeepsZerosExactly) {
  const std::vector<float> zeros(512, 0.0f);
  for (Format format : tests::kAllFormats)
    for (Isa isa : supported_isas())
      for (float value : decode(format, encode(format, zeros, isa), zeros.size()))
        ASSERT_EQ(value, 0.0f) << name_of(format) << " " << isa_name(isa);
}

TEST(Quantize, KeepsAConstantRowUpToTheRoundingOfItsScale) {
  for (float constant :
       {0.37f, -1.25f, 17.0f, -250.0f}) {  // large enough for a normal binary16 scale in each
    const std::vector<float> in(512, constant);
    for (Format format : tests::kAllFormats) {
      // One rounding to 8 significant bits (BF16) or 11 (binary16, alone or as the scale), plus a few f32
      // roundings.
      const float bound = std::abs(constant) * (format == Format::kBF16 ? 0x1p-8f : 0x1.01p-11f);
      for (Isa isa : supported_isas())
        for (float value : decode(format, encode(format, in, isa), in.size()))
          ASSERT_NEAR(value, constant, bound) << name_of(format) << " " << isa_name(isa);
    }
  }
}

TEST(Quantize, SurvivesScalesThatAreSubnormalOrVanish) {
  for (float scale : {1e-5f, 1e-6f, 1e-7f, 1e-10f, 1e-20f, 1e-38f, 1e-42f}) {
    const auto in = rough_values(512, scale, 5);
    for (Format format : tests::kAllFormats) {
      const Bytes expected = encode(format, in, Isa::kScalar);
      for (Isa isa : supported_isas())
        EXPECT_EQ(encode(format, in, isa), expected) << name_of(format) << " " << scale;
      // A scale is off by at most half a binary16 subnormal step, 2^-25. The formats multiply it by up to 32
      // * 128 (Q6_K: code times group scale); what is not representable at all is off by its own size.
      for (float value : decode(format, expected, in.size()))
        ASSERT_LE(std::abs(value), 2 * scale + 4096 * 0x1p-25f);
    }
  }
}

TEST(Quantize, OfNonFiniteInputStaysInBoundsAndInItsBlock) {
  constexpr std::size_t kGuard = 64;
  const auto clean = rough_values(256 * 4, 0.1f, 9);
  for (float poison : {std::numeric_limits<float>::quiet_NaN(), INFINITY, -INFINITY, 3e38f, -3e38f})
    for (Format format : tests::kAllFormats)
      for (Isa isa : supported_isas()) {
        auto in = clean;
        in[256] = poison;
        in[256 + 77] = poison;
        in[511] = -poison;
        const std::size_t size = row_bytes(format, 1024);
        Bytes blocks(size + 2 * kGuard, 0xa5);
        quantize(format, in.data(), blocks.data() + kGuard, 1024, isa);
        for (std::size_t i = 0; i < kGuard; ++i) {
          ASSERT_EQ(blocks[i], 0xa5);
          ASSERT_EQ(blocks[kGuard + size + i], 0xa5);
        }
        const Bytes expected = encode(format, clean, isa);
        const Bytes got(blocks.begin() + kGuard, blocks.end() - kGuard);
        const auto quarter = static_cast<std::ptrdiff_t>(size / 4);
        EXPECT_TRUE(std::equal(got.begin(), got.begin() + quarter, expected.begin())) << name_of(format);
        EXPECT_TRUE(std::equal(got.begin() + 2 * quarter, got.end(), expected.begin() + 2 * quarter))
            << name_of(format) << " " << isa_name(isa);
        decode(format, got, 1024);
      }
}

TEST(Quantize, OfRowsOfOnlyNaNStaysInBounds) {
  const std::vector<float> in(512, std::numeric_limits<float>::quiet_NaN());
  for (Format format : tests::kAllFormats)
    for (Isa isa : supported_isas()) {
      const Bytes blocks = encode(format, in, isa);
      EXPECT_EQ(decode(format, blocks, in.size()).size(), in.size());
    }
}

TEST(Quantize, OfNothingWritesNothing) {
  for (Format format : tests::kAllFormats)
    for (Isa isa : supported_isas()) {
      float in = 1.0f;
      std::uint32_t out = 0xa5a5a5a5u;
      quantize(format, &in, &out, 0, isa);
      EXPECT_EQ(out, 0xa5a5a5a5u);
    }
}

}  // namespace
}  // namespace brinkmap::kernels
