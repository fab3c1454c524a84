#include <cstring>

#include "kernels/block.h"
#include "kernels/gemm_panel.h"
#include "kernels/half.h"

// The plain unpackers: one row at a time, as kernels/block.h states the formats. The SIMD versions
// (unpack_simd.h) must give the same bytes.
namespace brinkmap::kernels {

namespace {

// One row's unpacked weights, before they are interleaved with the strip's other rows.
struct Row {
  std::uint8_t codes[kChunk];
  float scales[kChunk / 16];
  float mins[kChunk / 16];
};

int nibble(const std::uint8_t* qs, int i) noexcept { return i < 16 ? qs[i] & 15 : qs[i - 16] >> 4; }
int bit(const std::uint8_t* bits, int i) noexcept { return bits[i / 8] >> (i % 8) & 1; }
std::uint8_t byte(int value) noexcept { return static_cast<std::uint8_t>(value); }

void unpack_block(const BlockQ8_0& b, std::uint8_t* codes, float* scales, float*) noexcept {
  for (int i = 0; i < 32; ++i) codes[i] = byte(b.qs[i] + 128);
  scales[0] = f16_to_f32(b.d);
}

void unpack_block(const BlockQ4_0& b, std::uint8_t* codes, float* scales, float*) noexcept {
  for (int i = 0; i < 32; ++i) codes[i] = byte(nibble(b.qs, i));
  scales[0] = f16_to_f32(b.d);
}

void unpack_block(const BlockQ4_1& b, std::uint8_t* codes, float* scales, float* mins) noexcept {
  for (int i = 0; i < 32; ++i) codes[i] = byte(nibble(b.qs, i));
  scales[0] = f16_to_f32(b.d);
  mins[0] = f16_to_f32(b.m);
}

void unpack_block(const BlockQ5_0& b, std::uint8_t* codes, float* scales, float*) noexcept {
  for (int i = 0; i < 32; ++i) codes[i] = byte(nibble(b.qs, i) | bit(b.qh, i) << 4);
  scales[0] = f16_to_f32(b.d);
}

void unpack_block(const BlockQ5_1& b, std::uint8_t* codes, float* scales, float* mins) noexcept {
  for (int i = 0; i < 32; ++i) codes[i] = byte(nibble(b.qs, i) | bit(b.qh, i) << 4);
  scales[0] = f16_to_f32(b.d);
  mins[0] = f16_to_f32(b.m);
}

// The 4-bit group scale times the 2-bit code fits a byte, so the scale is folded in.
void unpack_block(const BlockQ2_K& b, std::uint8_t* codes, float* scales, float* mins) noexcept {
  for (int i = 0; i < 256; ++i) {
    const int code = b.qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    codes[i] = byte(code * (b.scales[i / 16] & 15));
  }
  scales[0] = f16_to_f32(b.d);
  for (int g = 0; g < 16; ++g) mins[g] = -(f16_to_f32(b.dmin) * static_cast<float>(b.scales[g] >> 4));
}

// (scale - 32) * (code - 4) is within [-124, 128]: folded in, moved up by 124.
void unpack_block(const BlockQ3_K& b, std::uint8_t* codes, float* scales, float*) noexcept {
  for (int i = 0; i < 256; ++i) {
    const int low = b.qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    const int code = low | (b.hmask[i % 32] >> (i / 32) & 1) << 2;
    codes[i] = byte(scale_q3_k(b.scales, i / 16) * (code - 4) + 124);
  }
  scales[0] = f16_to_f32(b.d);
}

template <class Block>
void unpack_scales_k4(const Block& b, float* scales, float* mins) noexcept {
  for (int g = 0; g < 8; ++g) {
    const ScaleMin sm = scale_min_k4(b.scales, g);
    scales[g] = f16_to_f32(b.d) * static_cast<float>(sm.scale);
    mins[g] = -(f16_to_f32(b.dmin) * static_cast<float>(sm.min));
  }
}

int code_k4(const std::uint8_t* qs, int i) noexcept {
  return qs[i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15;
}

void unpack_block(const BlockQ4_K& b, std::uint8_t* codes, float* scales, float* mins) noexcept {
  for (int i = 0; i < 256; ++i) codes[i] = byte(code_k4(b.qs, i));
  unpack_scales_k4(b, scales, mins);
}

void unpack_block(const BlockQ5_K& b, std::uint8_t* codes, float* scales, float* mins) noexcept {
  for (int i = 0; i < 256; ++i) codes[i] = byte(code_k4(b.qs, i) | (b.qh[i % 32] >> (i / 32) & 1) << 4);
  unpack_scales_k4(b, scales, mins);
}

void unpack_block(const BlockQ6_K& b, std::uint8_t* codes, float* scales, float*) noexcept {
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, quarter = i % 128 / 32, l = i % 32;
    const int low = b.ql[64 * half + quarter % 2 * 32 + l] >> (quarter / 2 * 4) & 15;
    codes[i] = byte(low | (b.qh[32 * half + l] >> (2 * quarter) & 3) << 4);
  }
  for (int g = 0; g < 16; ++g) scales[g] = f16_to_f32(b.d) * static_cast<float>(b.scales[g]);
}

void unpack_block(const BlockIQ4_NL& b, std::uint8_t* codes, float* scales, float*) noexcept {
  for (int i = 0; i < 32; ++i) codes[i] = byte(kIQ4Values[nibble(b.qs, i)] + 128);
  scales[0] = f16_to_f32(b.d);
}

void unpack_block(const BlockIQ4_XS& b, std::uint8_t* codes, float* scales, float*) noexcept {
  for (int i = 0; i < 256; ++i) codes[i] = byte(kIQ4Values[nibble(b.qs + i / 32 * 16, i % 32)] + 128);
  for (int g = 0; g < 8; ++g) scales[g] = f16_to_f32(b.d) * static_cast<float>(scale_iq4_xs(b, g));
}

// Whatever the group, the panel has a scale and a min for each activation block of 32.
template <int kBits, int kGroup>
void unpack_block(const BlockAffine<kBits, kGroup>& b, std::uint8_t* codes, float* scales,
                  float* mins) noexcept {
  constexpr int kEach = 8 / kBits;
  for (int i = 0; i < kGroup; ++i)
    codes[i] = byte(b.codes[i / kEach] >> (i % kEach * kBits) & ((1 << kBits) - 1));
  for (int g = 0; g < kGroup / 32; ++g) {
    scales[g] = b.scale;
    mins[g] = b.min;
  }
}

template <class Block>
void unpack_strip(Format format, const std::byte* rows, std::ptrdiff_t stride, int k,
                  const Panel& panel) noexcept {
  const CodeLayout& layout = *code_layout(format);
  const int block = format_info(format).block;
  for (int r = 0; r < kStripRows; ++r) {
    Row row;
    for (int at = 0; at < k; at += block) {
      Block b;
      std::memcpy(&b, rows + r * stride + at / block * static_cast<int>(sizeof(Block)), sizeof(Block));
      unpack_block(b, row.codes + at, row.scales + at / layout.group,
                   row.mins + (layout.min_group == 0 ? 0 : at / layout.min_group));
    }
    for (int i = 0; i < k; ++i) panel.codes[(i / 4 * kStripRows + r) * 4 + i % 4] = row.codes[i];
    for (int g = 0; g < k / layout.group; ++g) panel.scales[g * kStripRows + r] = row.scales[g];
    if (layout.min_group == 0) continue;
    for (int g = 0; g < k / layout.min_group; ++g) panel.mins[g * kStripRows + r] = row.mins[g];
  }
}

}  // namespace

const CodeLayout* code_layout(Format format) noexcept {
  // block, group, min_group, offset, max_code
  static constexpr CodeLayout kQ8_0{32, 32, 0, 128, 255};
  static constexpr CodeLayout kQ4_0{32, 32, 0, 8, 15};
  static constexpr CodeLayout kQ4_1{32, 32, 32, 0, 15};
  static constexpr CodeLayout kQ5_0{32, 32, 0, 16, 31};
  static constexpr CodeLayout kQ5_1{32, 32, 32, 0, 31};
  static constexpr CodeLayout kQ2_K{256, 256, 16, 0, 45};
  static constexpr CodeLayout kQ3_K{256, 256, 0, 124, 252};
  static constexpr CodeLayout kQ4_K{256, 32, 32, 0, 15};
  static constexpr CodeLayout kQ5_K{256, 32, 32, 0, 31};
  static constexpr CodeLayout kQ6_K{256, 16, 0, 32, 63};
  // The IQ4 levels are between -127 and 113; codes are level + 128.
  static constexpr CodeLayout kIQ4_NL{32, 32, 0, 128, 241};
  static constexpr CodeLayout kIQ4_XS{256, 32, 0, 128, 241};
  static constexpr CodeLayout kAffine2{32, 32, 32, 0, 3};
  static constexpr CodeLayout kAffine4{32, 32, 32, 0, 15};
  static constexpr CodeLayout kAffine8{32, 32, 32, 0, 255};
  switch (format) {
    case Format::kQ8_0:
      return &kQ8_0;
    case Format::kQ4_0:
      return &kQ4_0;
    case Format::kQ4_1:
      return &kQ4_1;
    case Format::kQ5_0:
      return &kQ5_0;
    case Format::kQ5_1:
      return &kQ5_1;
    case Format::kQ2_K:
      return &kQ2_K;
    case Format::kQ3_K:
      return &kQ3_K;
    case Format::kQ4_K:
      return &kQ4_K;
    case Format::kQ5_K:
      return &kQ5_K;
    case Format::kQ6_K:
      return &kQ6_K;
    case Format::kIQ4_NL:
      return &kIQ4_NL;
    case Format::kIQ4_XS:
      return &kIQ4_XS;
    case Format::kAffine2_32:
    case Format::kAffine2_64:
    case Format::kAffine2_128:
      return &kAffine2;
    case Format::kAffine4_32:
    case Format::kAffine4_64:
    case Format::kAffine4_128:
      return &kAffine4;
    case Format::kAffine8_32:
    case Format::kAffine8_64:
    case Format::kAffine8_128:
      return &kAffine8;
    case Format::kF32:
    case Format::kF16:
    case Format::kBF16:
    case Format::kNF4:
      break;
  }
  return nullptr;
}

void unpack_scalar(Format format, const std::byte* rows, std::ptrdiff_t stride, int k,
                   const Panel& panel) noexcept {
  switch (format) {
    case Format::kQ8_0:
      return unpack_strip<BlockQ8_0>(format, rows, stride, k, panel);
    case Format::kQ4_0:
      return unpack_strip<BlockQ4_0>(format, rows, stride, k, panel);
    case Format::kQ4_1:
      return unpack_strip<BlockQ4_1>(format, rows, stride, k, panel);
    case Format::kQ5_0:
      return unpack_strip<BlockQ5_0>(format, rows, stride, k, panel);
    case Format::kQ5_1:
      return unpack_strip<BlockQ5_1>(format, rows, stride, k, panel);
    case Format::kQ2_K:
      return unpack_strip<BlockQ2_K>(format, rows, stride, k, panel);
    case Format::kQ3_K:
      return unpack_strip<BlockQ3_K>(format, rows, stride, k, panel);
    case Format::kQ4_K:
      return unpack_strip<BlockQ4_K>(format, rows, stride, k, panel);
    case Format::kQ5_K:
      return unpack_strip<BlockQ5_K>(format, rows, stride, k, panel);
    case Format::kQ6_K:
      return unpack_strip<BlockQ6_K>(format, rows, stride, k, panel);
    case Format::kIQ4_NL:
      return unpack_strip<BlockIQ4_NL>(format, rows, stride, k, panel);
    case Format::kIQ4_XS:
      return unpack_strip<BlockIQ4_XS>(format, rows, stride, k, panel);
    case Format::kAffine2_32:
      return unpack_strip<BlockAffine<2, 32>>(format, rows, stride, k, panel);
    case Format::kAffine2_64:
      return unpack_strip<BlockAffine<2, 64>>(format, rows, stride, k, panel);
    case Format::kAffine2_128:
      return unpack_strip<BlockAffine<2, 128>>(format, rows, stride, k, panel);
    case Format::kAffine4_32:
      return unpack_strip<BlockAffine<4, 32>>(format, rows, stride, k, panel);
    case Format::kAffine4_64:
      return unpack_strip<BlockAffine<4, 64>>(format, rows, stride, k, panel);
    case Format::kAffine4_128:
      return unpack_strip<BlockAffine<4, 128>>(format, rows, stride, k, panel);
    case Format::kAffine8_32:
      return unpack_strip<BlockAffine<8, 32>>(format, rows, stride, k, panel);
    case Format::kAffine8_64:
      return unpack_strip<BlockAffine<8, 64>>(format, rows, stride, k, panel);
    case Format::kAffine8_128:
      return unpack_strip<BlockAffine<8, 128>>(format, rows, stride, k, panel);
    case Format::kF32:
    case Format::kF16:
    case Format::kBF16:
    case Format::kNF4:
      return;
  }
}

void unpack_float_scalar(Format format, const std::byte* rows, std::ptrdiff_t stride, int k,
                         float* out) noexcept {
  for (int r = 0; r < kStripRows; ++r) {
    float row[kChunk];
    dequantize(format, rows + r * stride, row, k);
    for (int i = 0; i < k; ++i) out[i * kStripRows + r] = row[i];
  }
}

}  // namespace brinkmap::kernels
