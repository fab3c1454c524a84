#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

// Weight formats: block layouts of ggml (GGUF specification, ggml-quants), little-endian, IEEE half scales,
// and the layouts that the packings of other tools are turned into when they are read.
namespace brinkmap::kernels {

// Id of a group-wise affine format; bits is 2, 4 or 8, group 32, 64 or 128.
constexpr std::uint32_t affine_id(int bits, int group) noexcept {
  return 0x10000u | static_cast<std::uint32_t>(bits) << 8 | static_cast<std::uint32_t>(group);
}

// The numbers below 0x10000 are GGUF tensor type ids; the others exist in memory only.
enum class Format : std::uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ4_NL = 20,
  kIQ4_XS = 23,
  kBF16 = 30,
  // w = scale * code + min for each group of a row: MLX, AWQ and GPTQ tensors. Codes of 3 bits stand in 4, of
  // 5 and 6 bits in 8.
  kAffine2_32 = affine_id(2, 32),
  kAffine2_64 = affine_id(2, 64),
  kAffine2_128 = affine_id(2, 128),
  kAffine4_32 = affine_id(4, 32),
  kAffine4_64 = affine_id(4, 64),
  kAffine4_128 = affine_id(4, 128),
  kAffine8_32 = affine_id(8, 32),
  kAffine8_64 = affine_id(8, 64),
  kAffine8_128 = affine_id(8, 128),
  kNF4 = 0x20000,  // bitsandbytes' sixteen levels, times the largest magnitude of each 64 weights
};

// Whether a GGUF file can hold the format.
constexpr bool is_gguf(Format format) noexcept { return static_cast<std::uint32_t>(format) < 0x10000u; }

struct AffineShape {
  int bits;   // of a stored code; 0: the format is not affine
  int group;  // weights that share a scale and a min
};

constexpr AffineShape affine_shape(Format format) noexcept {
  const auto id = static_cast<std::uint32_t>(format);
  if (id >> 16 != 1) return {0, 0};
  return {static_cast<int>(id >> 8 & 15u), static_cast<int>(id & 255u)};
}

// The smallest affine format whose codes hold `bits` (1 to 8) in groups of 32, 64 or 128.
constexpr Format affine_format(int bits, int group) noexcept {
  return static_cast<Format>(affine_id(bits <= 2 ? 2 : bits <= 4 ? 4 : 8, group));
}

struct FormatInfo {
  Format format;
  std::string_view name;  // as GGUF tools print it: "Q4_K"
  int block;              // weights a block; a row must be a multiple
  int bytes;              // bytes a block
};

// Null when `id` is no GGUF tensor type this build knows (an in-memory format is none).
const FormatInfo* find_format(std::uint32_t id) noexcept;
// By name, in-memory formats too.
const FormatInfo* find_format(std::string_view name) noexcept;
const FormatInfo& format_info(Format format) noexcept;
// Every format, in-memory ones last.
std::span<const FormatInfo> formats() noexcept;

// Bytes of `n` weights; n must be a multiple of the block.
inline std::size_t row_bytes(Format format, std::int64_t n) noexcept {
  const FormatInfo& info = format_info(format);
  return static_cast<std::size_t>(n / info.block) * static_cast<std::size_t>(info.bytes);
}

// Decodes n weights (a multiple of the block) exactly as ggml's scalar code does: bit for bit. Affine: scale
// * code rounded to f32, plus min; NF4: level * absmax. Both read f32 at multiples of 4 bytes.
void dequantize(Format format, const void* blocks, float* out, std::int64_t n) noexcept;

// Encodes n weights (a multiple of the block), no importance matrix. Legacy formats equal ggml byte for byte.
// The searches round the same on every machine. Affine codes are MLX's with f32 scales, for as many bits as
// the format stores (kernels/quantize_group.h has the variants). Non-finite input gives unspecified
// finite-or-not codes but never reads or writes out of bounds.
void quantize(Format format, const float* in, void* blocks, std::int64_t n) noexcept;

}  // namespace brinkmap::kernels
