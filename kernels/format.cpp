#include "kernels/format.h"

#include <array>

#include "kernels/block.h"

namespace brinkmap::kernels {

namespace {

template <class Block>
constexpr int bytes_of = static_cast<int>(sizeof(Block));

template <int kBits, int kGroup>
constexpr FormatInfo affine(std::string_view name) {
  return {static_cast<Format>(affine_id(kBits, kGroup)), name, kGroup, bytes_of<BlockAffine<kBits, kGroup>>};
}

constexpr std::array kFormats{
    FormatInfo{Format::kF32, "F32", 1, 4},
    FormatInfo{Format::kF16, "F16", 1, 2},
    FormatInfo{Format::kBF16, "BF16", 1, 2},
    FormatInfo{Format::kQ8_0, "Q8_0", kBlock, bytes_of<BlockQ8_0>},
    FormatInfo{Format::kQ4_0, "Q4_0", kBlock, bytes_of<BlockQ4_0>},
    FormatInfo{Format::kQ4_1, "Q4_1", kBlock, bytes_of<BlockQ4_1>},
    FormatInfo{Format::kQ5_0, "Q5_0", kBlock, bytes_of<BlockQ5_0>},
    FormatInfo{Format::kQ5_1, "Q5_1", kBlock, bytes_of<BlockQ5_1>},
    FormatInfo{Format::kQ2_K, "Q2_K", kSuperBlock, bytes_of<BlockQ2_K>},
    FormatInfo{Format::kQ3_K, "Q3_K", kSuperBlock, bytes_of<BlockQ3_K>},
    FormatInfo{Format::kQ4_K, "Q4_K", kSuperBlock, bytes_of<BlockQ4_K>},
    FormatInfo{Format::kQ5_K, "Q5_K", kSuperBlock, bytes_of<BlockQ5_K>},
    FormatInfo{Format::kQ6_K, "Q6_K", kSuperBlock, bytes_of<BlockQ6_K>},
    FormatInfo{Format::kIQ4_NL, "IQ4_NL", kBlock, bytes_of<BlockIQ4_NL>},
    FormatInfo{Format::kIQ4_XS, "IQ4_XS", kSuperBlock, bytes_of<BlockIQ4_XS>},
    affine<2, 32>("AFFINE2_32"),
    affine<2, 64>("AFFINE2_64"),
    affine<2, 128>("AFFINE2_128"),
    affine<4, 32>("AFFINE4_32"),
    affine<4, 64>("AFFINE4_64"),
    affine<4, 128>("AFFINE4_128"),
    affine<8, 32>("AFFINE8_32"),
    affine<8, 64>("AFFINE8_64"),
    affine<8, 128>("AFFINE8_128"),
    FormatInfo{Format::kNF4, "NF4", kNF4Block, bytes_of<BlockNF4>},
};

}  // namespace

const FormatInfo* find_format(std::uint32_t id) noexcept {
  for (const FormatInfo& info : kFormats)
    if (static_cast<std::uint32_t>(info.format) == id && is_gguf(info.format)) return &info;
  return nullptr;
}

const FormatInfo* find_format(std::string_view name) noexcept {
  for (const FormatInfo& info : kFormats)
    if (info.name == name) return &info;
  return nullptr;
}

std::span<const FormatInfo> formats() noexcept { return kFormats; }

const FormatInfo& format_info(Format format) noexcept {
  const FormatInfo* found = kFormats.data();
  while (found->format != format) ++found;
  return *found;
}

}  // namespace brinkmap::kernels
