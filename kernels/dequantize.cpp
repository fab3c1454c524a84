#include <cstring>

#include "kernels/block.h"
#include "kernels/format.h"
#include "kernels/half.h"

// Each decode() keeps ggml's order of operations (one f32 product d * scale first, then the code, then the
// minimum), because the results are compared bit for bit.
namespace brinkmap::kernels {

namespace {

void decode(const BlockQ4_0& block, float* out) noexcept {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>((block.qs[i] & 15) - 8) * d;
    out[i + 16] = static_cast<float>((block.qs[i] >> 4) - 8) * d;
  }
}

void decode(const BlockQ4_1& block, float* out) noexcept {
  const float d = f16_to_f32(block.d);
  const float m = f16_to_f32(block.m);
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>(block.qs[i] & 15) * d + m;
    out[i + 16] = static_cast<float>(block.qs[i] >> 4) * d + m;
  }
}

// The 32 five-bit codes of a Q5_0 or Q5_1 block.
template <class Block>
void five_bit_codes(const Block& block, int* codes) noexcept {
  const std::uint32_t high = block.qh[0] | static_cast<std::uint32_t>(block.qh[1]) << 8 |
                             static_cast<std::uint32_t>(block.qh[2]) << 16 |
                             static_cast<std::uint32_t>(block.qh[3]) << 24;
  for (int i = 0; i < 16; ++i) {
    codes[i] = static_cast<int>((block.qs[i] & 15u) | ((high >> i) & 1u) << 4);
    codes[i + 16] = static_cast<int>((block.qs[i] >> 4) | ((high >> (i + 16)) & 1u) << 4);
  }
}

void decode(const BlockQ5_0& block, float* out) noexcept {
  const float d = f16_to_f32(block.d);
  int codes[kBlock];
  five_bit_codes(block, codes);
  for (int i = 0; i < kBlock; ++i) out[i] = static_cast<float>(codes[i] - 16) * d;
}

void decode(const BlockQ5_1& block, float* out) noexcept {
  const float d = f16_to_f32(block.d);
  const float m = f16_to_f32(block.m);
  int codes[kBlock];
  five_bit_codes(block, codes);
  for (int i = 0; i < kBlock; ++i) out[i] = static_cast<float>(codes[i]) * d + m;
}

void decode(const BlockQ8_0& block, float* out) noexcept {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < kBlock; ++i) out[i] = static_cast<float>(block.qs[i]) * d;
}

void decode(const BlockQ2_K& block, float* out) noexcept {
  const float d = f16_to_f32(block.d);
  const float dmin = f16_to_f32(block.dmin);
  for (int g = 0; g < 16; ++g) {
    const float scale = d * static_cast<float>(block.scales[g] & 15);
    const float min = dmin * static_cast<float>(block.scales[g] >> 4);
    const std::uint8_t* qs = block.qs + 32 * (g / 8) + 16 * (g % 2);
    const int shift = 2 * (g % 8 / 2);
    for (int i = 0; i < 16; ++i) out[16 * g + i] = scale * static_cast<float>((qs[i] >> shift) & 3) - min;
  }
}

void decode(const BlockQ3_K& block, float* out) noexcept {
  const float d = f16_to_f32(block.d);
  for (int g = 0; g < 16; ++g) {
    const float scale = d * static_cast<float>(scale_q3_k(block.scales, g));
    const std::uint8_t* qs = block.qs + 32 * (g / 8) + 16 * (g % 2);
    const std::uint8_t* high = block.hmask + 16 * (g % 2);
    const int shift = 2 * (g % 8 / 2);
    const int bit = g / 2;
    for (int i = 0; i < 16; ++i) {
      const int code = ((qs[i] >> shift) & 3) | ((high[i] >> bit) & 1) << 2;
      out[16 * g + i] = scale * static_cast<float>(code - 4);
    }
  }
}

void decode(const BlockQ4_K& block, float* out) noexcept {
  const float d = f16_to_f32(block.d);
  const float dmin = f16_to_f32(block.dmin);
  for (int g = 0; g < 8; ++g) {
    const ScaleMin group = scale_min_k4(block.scales, g);
    const float scale = d * static_cast<float>(group.scale);
    const float min = dmin * static_cast<float>(group.min);
    const std::uint8_t* qs = block.qs + 32 * (g / 2);
    const int shift = 4 * (g % 2);
    for (int i = 0; i < 32; ++i) out[32 * g + i] = scale * static_cast<float>((qs[i] >> shift) & 15) - min;
  }
}

void decode(const BlockQ5_K& block, float* out) noexcept {
  const float d = f16_to_f32(block.d);
  const float dmin = f16_to_f32(block.dmin);
  for (int g = 0; g < 8; ++g) {
    const ScaleMin group = scale_min_k4(block.scales, g);
    const float scale = d * static_cast<float>(group.scale);
    const float min = dmin * static_cast<float>(group.min);
    const std::uint8_t* qs = block.qs + 32 * (g / 2);
    const int shift = 4 * (g % 2);
    for (int i = 0; i < 32; ++i) {
      const int code = ((qs[i] >> shift) & 15) | ((block.qh[i] >> g) & 1) << 4;
      out[32 * g + i] = scale * static_cast<float>(code) - min;
    }
  }
}

void decode(const BlockQ6_K& block, float* out) noexcept {
  const float d = f16_to_f32(block.d);
  for (int g = 0; g < 16; ++g) {
    const float scale = d * static_cast<float>(block.scales[g]);
    const int half = g / 8;
    const int quarter = g % 8 / 2;
    const std::uint8_t* low = block.ql + 64 * half + 32 * (quarter % 2) + 16 * (g % 2);
    const std::uint8_t* high = block.qh + 32 * half + 16 * (g % 2);
    const int low_shift = 4 * (quarter / 2);
    const int high_shift = 2 * quarter;
    for (int i = 0; i < 16; ++i) {
      const int code = ((low[i] >> low_shift) & 15) | ((high[i] >> high_shift) & 3) << 4;
      out[16 * g + i] = scale * static_cast<float>(code - 32);
    }
  }
}

void decode(const BlockIQ4_NL& block, float* out) noexcept {
  const float d = f16_to_f32(block.d);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(kIQ4Values[block.qs[i] & 15]);
    out[i + 16] = d * static_cast<float>(kIQ4Values[block.qs[i] >> 4]);
  }
}

void decode(const BlockIQ4_XS& block, float* out) noexcept {
  const float d = f16_to_f32(block.d);
  for (int g = 0; g < 8; ++g) {
    const float scale = d * static_cast<float>(scale_iq4_xs(block, g));
    for (int i = 0; i < 16; ++i) {
      const int codes = block.qs[16 * g + i];
      out[32 * g + i] = scale * static_cast<float>(kIQ4Values[codes & 15]);
      out[32 * g + i + 16] = scale * static_cast<float>(kIQ4Values[codes >> 4]);
    }
  }
}

template <int kBits, int kGroup>
void decode(const BlockAffine<kBits, kGroup>& block, float* out) noexcept {
  constexpr int kEach = 8 / kBits;
  for (int i = 0; i < kGroup; ++i) {
    const int code = block.codes[i / kEach] >> (i % kEach * kBits) & ((1 << kBits) - 1);
    out[i] = block.scale * static_cast<float>(code) + block.min;
  }
}

void decode(const BlockNF4& block, float* out) noexcept {
  for (int i = 0; i < 32; ++i) {
    out[2 * i] = kNF4Levels[block.qs[i] & 15] * block.absmax;
    out[2 * i + 1] = kNF4Levels[block.qs[i] >> 4] * block.absmax;
  }
}

template <class Block, int kWeights>
void decode_row(const void* blocks, float* out, std::int64_t n) noexcept {
  const Block* block = static_cast<const Block*>(blocks);
  for (std::int64_t i = 0; i < n / kWeights; ++i) decode(block[i], out + i * kWeights);
}

}  // namespace

void dequantize(Format format, const void* blocks, float* out, std::int64_t n) noexcept {
  const std::uint16_t* halves = static_cast<const std::uint16_t*>(blocks);
  switch (format) {
    case Format::kF32:
      if (n > 0) std::memcpy(out, blocks, static_cast<std::size_t>(n) * sizeof(float));
      return;
    case Format::kF16:
      for (std::int64_t i = 0; i < n; ++i) out[i] = f16_to_f32(halves[i]);
      return;
    case Format::kBF16:
      for (std::int64_t i = 0; i < n; ++i) out[i] = bf16_to_f32(halves[i]);
      return;
    case Format::kQ4_0:
      return decode_row<BlockQ4_0, kBlock>(blocks, out, n);
    case Format::kQ4_1:
      return decode_row<BlockQ4_1, kBlock>(blocks, out, n);
    case Format::kQ5_0:
      return decode_row<BlockQ5_0, kBlock>(blocks, out, n);
    case Format::kQ5_1:
      return decode_row<BlockQ5_1, kBlock>(blocks, out, n);
    case Format::kQ8_0:
      return decode_row<BlockQ8_0, kBlock>(blocks, out, n);
    case Format::kQ2_K:
      return decode_row<BlockQ2_K, kSuperBlock>(blocks, out, n);
    case Format::kQ3_K:
      return decode_row<BlockQ3_K, kSuperBlock>(blocks, out, n);
    case Format::kQ4_K:
      return decode_row<BlockQ4_K, kSuperBlock>(blocks, out, n);
    case Format::kQ5_K:
      return decode_row<BlockQ5_K, kSuperBlock>(blocks, out, n);
    case Format::kQ6_K:
      return decode_row<BlockQ6_K, kSuperBlock>(blocks, out, n);
    case Format::kIQ4_NL:
      return decode_row<BlockIQ4_NL, kBlock>(blocks, out, n);
    case Format::kIQ4_XS:
      return decode_row<BlockIQ4_XS, kSuperBlock>(blocks, out, n);
    case Format::kAffine2_32:
      return decode_row<BlockAffine<2, 32>, 32>(blocks, out, n);
    case Format::kAffine2_64:
      return decode_row<BlockAffine<2, 64>, 64>(blocks, out, n);
    case Format::kAffine2_128:
      return decode_row<BlockAffine<2, 128>, 128>(blocks, out, n);
    case Format::kAffine4_32:
      return decode_row<BlockAffine<4, 32>, 32>(blocks, out, n);
    case Format::kAffine4_64:
      return decode_row<BlockAffine<4, 64>, 64>(blocks, out, n);
    case Format::kAffine4_128:
      return decode_row<BlockAffine<4, 128>, 128>(blocks, out, n);
    case Format::kAffine8_32:
      return decode_row<BlockAffine<8, 32>, 32>(blocks, out, n);
    case Format::kAffine8_64:
      return decode_row<BlockAffine<8, 64>, 64>(blocks, out, n);
    case Format::kAffine8_128:
      return decode_row<BlockAffine<8, 128>, 128>(blocks, out, n);
    case Format::kNF4:
      return decode_row<BlockNF4, kNF4Block>(blocks, out, n);
  }
}

}  // namespace brinkmap::kernels
