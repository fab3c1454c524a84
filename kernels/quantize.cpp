#include "kernels/quantize.h"

#include <bit>
#include <cstring>

#include "kernels/block.h"
#include "kernels/half.h"
#include "kernels/quantize_group.h"

// The formats without a search. Rounding and tie rules are those of ggml-quants (llama.cpp), which the bytes
// must equal.
namespace brinkmap::kernels {

namespace {

// Truncates to an integer in [0, limit]; NaN gives 0. Clamping first keeps the conversion defined for any
// input.
std::uint8_t code_of(float value, float limit) noexcept {
  const float low = value > 0.0f ? value : 0.0f;
  return static_cast<std::uint8_t>(static_cast<int>(low < limit ? low : limit));
}

float reciprocal(float d) noexcept { return d != 0.0f ? 1.0f / d : 0.0f; }

// Bits of the largest magnitude in a block. Magnitudes order as their bits do, and an integer maximum
// vectorises.
std::uint32_t largest_bits(const float* in) noexcept {
  std::uint32_t largest = 0;
  for (int i = 0; i < kBlock; ++i) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(in[i]) & 0x7fffffffu;
    largest = bits > largest ? bits : largest;
  }
  return largest;
}

// The first value of largest magnitude, with its sign: it gets the code 0, whose magnitude is the largest
// there is.
float largest_signed(const float* in) noexcept {
  const std::uint32_t largest = largest_bits(in);
  for (int i = 0; i < kBlock; ++i)
    if ((std::bit_cast<std::uint32_t>(in[i]) & 0x7fffffffu) == largest) return in[i];
  return 0.0f;
}

struct Range {
  float min;
  float max;
};

Range range_of(const float* in) noexcept {
  Range range{in[0], in[0]};
  for (int i = 1; i < kBlock; ++i) {
    range.min = in[i] < range.min ? in[i] : range.min;
    range.max = in[i] > range.max ? in[i] : range.max;
  }
  return range;
}

void pack_nibbles(const std::uint8_t* codes, std::uint8_t* qs) noexcept {
  for (int i = 0; i < 16; ++i) qs[i] = static_cast<std::uint8_t>((codes[i] & 15) | (codes[i + 16] & 15) << 4);
}

void pack_fifth_bits(const std::uint8_t* codes, std::uint8_t* qh) noexcept {
  for (int byte = 0; byte < 4; ++byte) {
    int bits = 0;
    for (int i = 0; i < 8; ++i) bits |= (codes[8 * byte + i] >> 4) << i;
    qh[byte] = static_cast<std::uint8_t>(bits);
  }
}

// Codes around a zero point of `half` (8 or 16): scale = largest / -half.
float symmetric_codes(const float* in, float half, std::uint8_t* codes) noexcept {
  const float d = largest_signed(in) / -half;
  const float inverse = reciprocal(d);
  for (int i = 0; i < kBlock; ++i) codes[i] = code_of(in[i] * inverse + (half + 0.5f), 2.0f * half - 1.0f);
  return d;
}

struct ScaleAndMin {
  float d;
  float m;
};

// Codes from the minimum up: scale = range / limit (15 or 31).
ScaleAndMin ranged_codes(const float* in, float limit, std::uint8_t* codes) noexcept {
  const Range range = range_of(in);
  const float d = (range.max - range.min) / limit;
  const float inverse = reciprocal(d);
  for (int i = 0; i < kBlock; ++i) codes[i] = code_of((in[i] - range.min) * inverse + 0.5f, limit);
  return {d, range.min};
}

void encode(const float* in, BlockQ4_0& block) noexcept {
  std::uint8_t codes[kBlock];
  block.d = f32_to_f16(symmetric_codes(in, 8.0f, codes));
  pack_nibbles(codes, block.qs);
}

void encode(const float* in, BlockQ5_0& block) noexcept {
  std::uint8_t codes[kBlock];
  block.d = f32_to_f16(symmetric_codes(in, 16.0f, codes));
  pack_nibbles(codes, block.qs);
  pack_fifth_bits(codes, block.qh);
}

void encode(const float* in, BlockQ4_1& block) noexcept {
  std::uint8_t codes[kBlock];
  const ScaleAndMin fit = ranged_codes(in, 15.0f, codes);
  block.d = f32_to_f16(fit.d);
  block.m = f32_to_f16(fit.m);
  pack_nibbles(codes, block.qs);
}

void encode(const float* in, BlockQ5_1& block) noexcept {
  std::uint8_t codes[kBlock];
  const ScaleAndMin fit = ranged_codes(in, 31.0f, codes);
  block.d = f32_to_f16(fit.d);
  block.m = f32_to_f16(fit.m);
  pack_nibbles(codes, block.qs);
  pack_fifth_bits(codes, block.qh);
}

void encode(const float* in, BlockQ8_0& block) noexcept {
  const float d = std::bit_cast<float>(largest_bits(in)) / 127.0f;
  const float inverse = reciprocal(d);
  for (int i = 0; i < kBlock; ++i) {
    const float scaled = in[i] * inverse;
    const float low = scaled > -127.0f ? scaled : -127.0f;
    const float value = low < 127.0f ? low : 127.0f;
    // Rounds halves away from zero. The remainder is exact, unlike value + 0.5f just below a half.
    const int whole = static_cast<int>(value);
    const float rest = value - static_cast<float>(whole);
    block.qs[i] = static_cast<std::int8_t>(whole + (rest >= 0.5f ? 1 : 0) - (rest <= -0.5f ? 1 : 0));
  }
  block.d = f32_to_f16(d);
}

template <class Block>
void encode_row(const float* in, void* blocks, std::int64_t n) noexcept {
  Block* block = static_cast<Block*>(blocks);
  for (std::int64_t i = 0; i < n / kBlock; ++i) encode(in + i * kBlock, block[i]);
}

}  // namespace

void quantize_legacy(Format format, const float* in, void* blocks, std::int64_t n) noexcept {
  std::uint16_t* halves = static_cast<std::uint16_t*>(blocks);
  switch (format) {
    case Format::kF32:
      if (n > 0) std::memcpy(blocks, in, static_cast<std::size_t>(n) * sizeof(float));
      return;
    case Format::kF16:
      for (std::int64_t i = 0; i < n; ++i) halves[i] = f32_to_f16(in[i]);
      return;
    case Format::kBF16:
      for (std::int64_t i = 0; i < n; ++i) halves[i] = f32_to_bf16(in[i]);
      return;
    case Format::kQ8_0:
      return encode_row<BlockQ8_0>(in, blocks, n);
    case Format::kQ4_0:
      return encode_row<BlockQ4_0>(in, blocks, n);
    case Format::kQ4_1:
      return encode_row<BlockQ4_1>(in, blocks, n);
    case Format::kQ5_0:
      return encode_row<BlockQ5_0>(in, blocks, n);
    case Format::kQ5_1:
      return encode_row<BlockQ5_1>(in, blocks, n);
    default:
      return;  // quantize() below sends the others elsewhere
  }
}

void quantize(Format format, const float* in, void* blocks, std::int64_t n, Isa isa) noexcept {
  const AffineShape affine = affine_shape(format);
  if (affine.bits != 0) return quantize_mlx(in, blocks, n, affine.bits, affine.group, ScaleType::kF32);
  if (format == Format::kNF4) return quantize_nf4(in, blocks, n);
  const bool searches = format_info(format).block == kSuperBlock || format == Format::kIQ4_NL;
  if (!searches) return quantize_legacy(format, in, blocks, n);
#if defined(__x86_64__)
  if (isa == Isa::kAvx512Vnni) return quantize_k_avx512vnni(format, in, blocks, n);
  if (isa == Isa::kAvx2) return quantize_k_avx2(format, in, blocks, n);
#endif
  (void)isa;
  quantize_k_scalar(format, in, blocks, n);
}

void quantize(Format format, const float* in, void* blocks, std::int64_t n) noexcept {
  quantize(format, in, blocks, n, active_isa());
}

}  // namespace brinkmap::kernels
