#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/block.h"
#include "kernels/format.h"
#include "kernels/half.h"
#include "tests/kernels/all_formats.h"

namespace brinkmap::tests {

// Where the scale and the min of a block stand (-1: none), and whether as f32 or as binary16.
struct ScalePlaces {
  int scale = -1;
  int min = -1;
  bool f32 = false;
};

inline ScalePlaces scale_places(kernels::Format format) {
  using kernels::Format;
  switch (format) {
    case Format::kQ8_0:
    case Format::kQ4_0:
    case Format::kQ5_0:
    case Format::kIQ4_NL:
    case Format::kIQ4_XS:
      return {0, -1};
    case Format::kQ4_1:
    case Format::kQ5_1:
    case Format::kQ4_K:
    case Format::kQ5_K:
      return {0, 2};
    case Format::kQ2_K:
      return {80, 82};
    case Format::kQ3_K:
      return {108, -1};
    case Format::kQ6_K:
      return {208, -1};
    case Format::kNF4:
      return {0, -1, true};
    default:
      return kernels::affine_shape(format).bits != 0 ? ScalePlaces{0, 4, true} : ScalePlaces{};
  }
}

inline void put_scale(const ScalePlaces& places, std::byte* block, int at, float value) {
  if (at < 0) return;
  const std::uint16_t half = kernels::f32_to_f16(value);
  if (places.f32)
    std::memcpy(block + at, &value, sizeof value);
  else
    std::memcpy(block + at, &half, sizeof half);
}

inline float min_of(const ScalePlaces& places, const std::byte* block) {
  float value = 0;
  std::uint16_t half = 0;
  if (places.min < 0) return 0;
  if (places.f32)
    std::memcpy(&value, block + places.min, sizeof value);
  else
    std::memcpy(&half, block + places.min, sizeof half);
  return places.f32 ? value : kernels::f16_to_f32(half);
}

// Rows of random bit patterns, so that every code, sub-scale and sign occurs; scales are finite and small.
inline std::vector<std::byte> random_blocks(kernels::Format format, std::int64_t rows, std::int64_t cols,
                                            std::uint32_t seed) {
  const kernels::FormatInfo& info = kernels::format_info(format);
  std::vector<std::byte> bytes(static_cast<std::size_t>(rows) * kernels::row_bytes(format, cols));
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 0.05f);
  const ScalePlaces places = scale_places(format);
  for (std::size_t at = 0; at < bytes.size(); at += static_cast<std::size_t>(info.bytes)) {
    std::byte* block = bytes.data() + at;
    if (info.block == 1) {
      const float value = normal(random);
      const std::uint16_t half =
          format == kernels::Format::kF16 ? kernels::f32_to_f16(value) : kernels::f32_to_bf16(value);
      if (info.bytes == 4)
        std::memcpy(block, &value, 4);
      else
        std::memcpy(block, &half, 2);
      continue;
    }
    for (int i = 0; i < info.bytes; ++i) block[i] = static_cast<std::byte>(random() & 255u);
    for (int at : {places.scale, places.min}) put_scale(places, block, at, normal(random));
  }
  return bytes;
}

}  // namespace brinkmap::tests
