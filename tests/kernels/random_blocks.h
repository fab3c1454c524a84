#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/block.h"
#include "kernels/format.h"
#include "kernels/half.h"

namespace brinkmap::tests {

inline constexpr kernels::Format kAllFormats[] = {
    kernels::Format::kF32,  kernels::Format::kF16,  kernels::Format::kBF16, kernels::Format::kQ8_0,
    kernels::Format::kQ4_0, kernels::Format::kQ4_1, kernels::Format::kQ5_0, kernels::Format::kQ5_1,
    kernels::Format::kQ2_K, kernels::Format::kQ3_K, kernels::Format::kQ4_K, kernels::Format::kQ5_K,
    kernels::Format::kQ6_K};

// Where the binary16 scales of a block stand; -1: none.
inline std::pair<int, int> scale_offsets(kernels::Format format) {
  using kernels::Format;
  switch (format) {
    case Format::kQ8_0:
    case Format::kQ4_0:
    case Format::kQ5_0:
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
    default:
      return {-1, -1};
  }
}

// Rows of random bit patterns, so that every code, sub-scale and sign occurs; scales are finite and small.
inline std::vector<std::byte> random_blocks(kernels::Format format, std::int64_t rows, std::int64_t cols,
                                            std::uint32_t seed) {
  const kernels::FormatInfo& info = kernels::format_info(format);
  std::vector<std::byte> bytes(static_cast<std::size_t>(rows) * kernels::row_bytes(format, cols));
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 0.05f);
  const auto [first, second] = scale_offsets(format);
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
    for (int offset : {first, second}) {
      const std::uint16_t half = kernels::f32_to_f16(normal(random));
      if (offset >= 0) std::memcpy(block + offset, &half, 2);
    }
  }
  return bytes;
}

}  // namespace brinkmap::tests
