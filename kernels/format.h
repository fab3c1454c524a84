#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

// Weight formats: block layouts of ggml (GGUF specification, ggml-quants), little-endian, IEEE half scales.
namespace brinkmap::kernels {

// The numbers are GGUF tensor type ids.
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
  kBF16 = 30,
};

struct FormatInfo {
  Format format;
  std::string_view name;  // as GGUF tools print it: "Q4_K"
  int block;              // weights a block; a row must be a multiple
  int bytes;              // bytes a block
};

// Null when `id` is no format this build knows.
const FormatInfo* find_format(std::uint32_t id) noexcept;
const FormatInfo* find_format(std::string_view name) noexcept;
const FormatInfo& format_info(Format format) noexcept;

// Bytes of `n` weights; n must be a multiple of the block.
inline std::size_t row_bytes(Format format, std::int64_t n) noexcept {
  const FormatInfo& info = format_info(format);
  return static_cast<std::size_t>(n / info.block) * static_cast<std::size_t>(info.bytes);
}

// Decodes n weights (a multiple of the block) exactly as ggml's scalar code does: bit for bit.
void dequantize(Format format, const void* blocks, float* out, std::int64_t n) noexcept;

// Encodes n weights (a multiple of the block), no importance matrix. Legacy formats equal ggml byte for byte.
// The K-quant search rounds the same on every machine. Non-finite input gives unspecified finite-or-not codes
// but never reads or writes out of bounds.
void quantize(Format format, const float* in, void* blocks, std::int64_t n) noexcept;

}  // namespace brinkmap::kernels
