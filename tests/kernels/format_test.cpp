#include "kernels/format.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "kernels/half.h"
#include "tests/kernels/ggml_vectors.h"

namespace brinkmap::kernels {
namespace {

TEST(Format, IsFoundByItsIdAndByItsName) {
  for (Format format : tests::kAllFormats) {
    const FormatInfo& info = format_info(format);
    EXPECT_EQ(info.format, format);
    EXPECT_EQ(find_format(static_cast<std::uint32_t>(format)), is_gguf(format) ? &info : nullptr);
    EXPECT_EQ(find_format(info.name), &info);
  }
}

TEST(Format, OfAnUnknownIdOrNameIsNull) {
  for (std::uint32_t id : {4u, 5u, 9u, 15u, 21u, 29u, 31u, 1000u, 0xffffffffu})
    EXPECT_EQ(find_format(id), nullptr) << id;
  for (const char* name : {"", "q4_k", "Q4_K ", "Q4_K_M", "IQ3_S"})
    EXPECT_EQ(find_format(name), nullptr) << name;
}

TEST(Format, OfAffineGroupsSaysItsBitsAndGroup) {
  for (int group : {32, 64, 128})
    for (int bits : {1, 2, 3, 4, 5, 6, 8}) {
      const AffineShape shape = affine_shape(affine_format(bits, group));
      EXPECT_EQ(shape.bits, bits <= 2 ? 2 : bits <= 4 ? 4 : 8);
      EXPECT_EQ(shape.group, group);
      EXPECT_EQ(format_info(affine_format(bits, group)).bytes, 8 + shape.bits * group / 8);
    }
  EXPECT_EQ(affine_shape(Format::kNF4).bits, 0);
  EXPECT_EQ(affine_shape(Format::kQ8_0).bits, 0);
}

TEST(Format, StatesTheBytesOfARow) {
  EXPECT_EQ(row_bytes(Format::kF32, 512), 2048u);
  EXPECT_EQ(row_bytes(Format::kBF16, 512), 1024u);
  EXPECT_EQ(row_bytes(Format::kQ8_0, 512), 544u);
  EXPECT_EQ(row_bytes(Format::kQ2_K, 512), 168u);
  EXPECT_EQ(row_bytes(Format::kQ6_K, 0), 0u);
}

TEST(Dequantize, EqualsGgmlBitForBit) {
  const auto all = tests::ggml_vectors();
  ASSERT_EQ(all.size(), 42u);  // 14 formats, inputs a and b and random blocks
  for (const auto& vectors : all) {
    std::vector<float> out(vectors.decoded.size());
    dequantize(vectors.format, vectors.blocks.data(), out.data(), vectors.rows * vectors.cols);
    for (std::size_t i = 0; i < out.size(); ++i)
      ASSERT_EQ(std::bit_cast<std::uint32_t>(out[i]), std::bit_cast<std::uint32_t>(vectors.decoded[i]))
          << vectors.name << " at " << i << ": " << out[i] << " for " << vectors.decoded[i];
  }
}

TEST(Dequantize, OfARowAloneIsTheSameAsWithinATensor) {
  for (const auto& vectors : tests::ggml_vectors()) {
    std::vector<float> out(static_cast<std::size_t>(vectors.cols));
    const std::int64_t last = vectors.rows - 1;
    dequantize(vectors.format, vectors.blocks.data() + static_cast<std::size_t>(last) * vectors.row_size(),
               out.data(), vectors.cols);
    EXPECT_EQ(
        0, std::memcmp(out.data(), vectors.decoded.data() + last * vectors.cols, out.size() * sizeof(float)))
        << vectors.name;
  }
}

TEST(Dequantize, OfNothingWritesNothing) {
  for (Format format : tests::kAllFormats) {
    float out = 7.0f;
    std::uint16_t blocks = 0;
    dequantize(format, &blocks, &out, 0);
    EXPECT_EQ(out, 7.0f);
  }
}

// What the 16 bits mean, from the definition of binary16.
double half_value(int bits) {
  const int exponent = bits >> 10 & 31;
  const int fraction = bits & 0x3ff;
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

TEST(Half, DecodesEveryBitPattern) {
  for (int bits = 0; bits < 0x10000; ++bits) {
    const float value = f16_to_f32(static_cast<std::uint16_t>(bits));
    if ((bits & 0x7c00) != 0x7c00) {
      ASSERT_EQ(value, half_value(bits)) << bits;
      ASSERT_EQ(std::signbit(value), (bits & 0x8000) != 0) << bits;
    } else if ((bits & 0x3ff) == 0) {
      ASSERT_EQ(value, (bits & 0x8000) != 0 ? -INFINITY : INFINITY) << bits;
    } else {
      const std::uint32_t expected = static_cast<std::uint32_t>(bits & 0x8000) << 16 | 0x7fc00000u |
                                     static_cast<std::uint32_t>(bits & 0x3ff) << 13;
      ASSERT_EQ(std::bit_cast<std::uint32_t>(value), expected) << bits;
    }
  }
}

TEST(Half, EncodesWhatItDecodes) {
  for (int bits = 0; bits < 0x10000; ++bits) {
    const bool nan = (bits & 0x7fff) > 0x7c00;
    const int expected = nan ? bits | 0x200 : bits;  // a NaN comes back quiet
    ASSERT_EQ(f32_to_f16(f16_to_f32(static_cast<std::uint16_t>(bits))), expected) << bits;
  }
}

TEST(Half, RoundsToNearestAndTiesToEven) {
  for (int bits = 0; bits < 0x7bff; ++bits) {  // each gap between neighbours, subnormal ones too
    const float middle = static_cast<float>((half_value(bits) + half_value(bits + 1)) / 2);
    const int even = bits + (bits & 1);
    ASSERT_EQ(f32_to_f16(middle), even) << bits;
    ASSERT_EQ(f32_to_f16(-middle), even | 0x8000) << bits;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, 0.0f)), bits) << bits;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, INFINITY)), bits + 1) << bits;
  }
}

TEST(Half, OverflowsToInfinityAndUnderflowsToZero) {
  EXPECT_EQ(f32_to_f16(std::nextafter(65520.0f, 0.0f)), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(f32_to_f16(-std::numeric_limits<float>::max()), 0xfc00);
  EXPECT_EQ(f32_to_f16(std::numeric_limits<float>::denorm_min()), 0);
  EXPECT_EQ(f32_to_f16(-0x1p-26f), 0x8000);
}

TEST(Bfloat16, RoundsToNearestAndTiesToEven) {
  for (std::uint32_t bits = 0; bits < 0x7f80u; ++bits) {
    const std::uint32_t exact = bits << 16;
    const std::uint32_t even = bits + (bits & 1);
    ASSERT_EQ(bf16_to_f32(static_cast<std::uint16_t>(bits)), std::bit_cast<float>(exact));
    ASSERT_EQ(f32_to_bf16(std::bit_cast<float>(exact)), bits);
    ASSERT_EQ(f32_to_bf16(std::bit_cast<float>(exact | 0x7fffu)), bits);
    ASSERT_EQ(f32_to_bf16(std::bit_cast<float>(exact | 0x8000u)), even);
    ASSERT_EQ(f32_to_bf16(std::bit_cast<float>(exact | 0x80008000u)), even | 0x8000u);
    ASSERT_EQ(f32_to_bf16(std::bit_cast<float>(exact | 0x8001u)), bits + 1);
  }
}

TEST(Bfloat16, KeepsInfinityAndNaN) {
  EXPECT_EQ(f32_to_bf16(-INFINITY), 0xff80);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x7f800001u)),
            0x7fc0);  // its payload lies in the bits that are cut
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::bit_cast<float>(0xffffffffu)))));
}

}  // namespace
}  // namespace brinkmap::kernels
