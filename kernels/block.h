#pragma once

#include <cstdint>

// Blocks of the quantized weight formats, byte for byte as they lie in a GGUF file (layouts: ggml,
// ggml-common.h and ggml-quants.c of llama.cpp). Scales named d, m, dmin are IEEE binary16 bits
// (kernels/half.h). All members are bytes or 16-bit words, so a block may stand at any even address and no
// struct is padded; mapped tensors are 32-byte aligned. Blocks that exist in memory only begin with f32 and
// stand at multiples of 4 bytes.
//
// "code" below is the stored unsigned number of one weight. Nibble order: low nibble first, in half-block
// pairs.
namespace brinkmap::kernels {

inline constexpr int kBlock = 32;        // weights in a legacy block
inline constexpr int kSuperBlock = 256;  // weights in a K-quant block

// w[i] = d * (code - 8); code[i] = qs[i] & 15 for i < 16, code[i + 16] = qs[i] >> 4.
struct BlockQ4_0 {
  std::uint16_t d;
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockQ4_0) == 18);

// w[i] = d * code + m; codes as Q4_0.
struct BlockQ4_1 {
  std::uint16_t d;
  std::uint16_t m;
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockQ4_1) == 20);

// w[i] = d * (code - 16); low four bits as Q4_0, bit 4 of code[i] is bit i of the little-endian word qh.
struct BlockQ5_0 {
  std::uint16_t d;
  std::uint8_t qh[4];
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockQ5_0) == 22);

// w[i] = d * code + m; codes as Q5_0.
struct BlockQ5_1 {
  std::uint16_t d;
  std::uint16_t m;
  std::uint8_t qh[4];
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockQ5_1) == 24);

// w[i] = d * qs[i].
struct BlockQ8_0 {
  std::uint16_t d;
  std::int8_t qs[32];
};
static_assert(sizeof(BlockQ8_0) == 34);

// 16 groups of 16. w = (d * (scales[g] & 15)) * code - dmin * (scales[g] >> 4).
// Codes: weight 128h + 32s + l (h < 2, s < 4, l < 32) is bits 2s..2s+1 of qs[32h + l].
struct BlockQ2_K {
  std::uint8_t scales[16];
  std::uint8_t qs[64];
  std::uint16_t d;
  std::uint16_t dmin;
};
static_assert(sizeof(BlockQ2_K) == 84);

// 16 groups of 16. w = (d * (scale(g) - 32)) * (code - 4), 3-bit codes.
// Low two bits as Q2_K; bit 2 of weight 32s + l (s < 8) is bit s of hmask[l].
// scale(g), six bits: low four are nibble g/8 of scales[g % 8], high two are bits 2(g/4).. of scales[8 + g %
// 4].
struct BlockQ3_K {
  std::uint8_t hmask[32];
  std::uint8_t qs[64];
  std::uint8_t scales[12];
  std::uint16_t d;
};
static_assert(sizeof(BlockQ3_K) == 110);

// 8 groups of 32. w = (d * scale(g)) * code - dmin * min(g), six-bit scales and mins (scale_min_k4 below).
// Codes: weight 64h + l is the low nibble of qs[32h + l], weight 64h + 32 + l its high nibble (h < 4, l <
// 32).
struct BlockQ4_K {
  std::uint16_t d;
  std::uint16_t dmin;
  std::uint8_t scales[12];
  std::uint8_t qs[128];
};
static_assert(sizeof(BlockQ4_K) == 144);

// As Q4_K, and bit 4 of the code of weight 32g + l is bit g of qh[l].
struct BlockQ5_K {
  std::uint16_t d;
  std::uint16_t dmin;
  std::uint8_t scales[12];
  std::uint8_t qh[32];
  std::uint8_t qs[128];
};
static_assert(sizeof(BlockQ5_K) == 176);

// 16 groups of 16. w = (d * scales[g]) * (code - 32), 6-bit codes.
// For half h < 2 and l < 32, with a = ql[64h + l], b = ql[64h + 32 + l], c = qh[32h + l]:
// weight 128h + l = a & 15 | bits 0-1 of c << 4;  + 32: b & 15 | bits 2-3;  + 64: a >> 4 | bits 4-5;  + 96: b
// >> 4 | bits 6-7.
struct BlockQ6_K {
  std::uint8_t ql[128];
  std::uint8_t qh[64];
  std::int8_t scales[16];
  std::uint16_t d;
};
static_assert(sizeof(BlockQ6_K) == 210);

// The sixteen levels of the IQ4 formats.
inline constexpr std::int8_t kIQ4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                               1,    13,   25,  38,  53,  69,  89,  113};

// w[i] = d * kIQ4Values[code]; codes as Q4_0.
struct BlockIQ4_NL {
  std::uint16_t d;
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockIQ4_NL) == 18);

// 8 groups of 32. w = (d * (scale(g) - 32)) * kIQ4Values[code]; the codes of group g are the 16 bytes from
// qs[16g] on, as Q4_0. scale(g), six bits: low four are nibble g % 2 of scales_l[g / 2], high two are bits
// 2g.. of the little-endian word scales_h.
struct BlockIQ4_XS {
  std::uint16_t d;
  std::uint16_t scales_h;
  std::uint8_t scales_l[4];
  std::uint8_t qs[128];
};
static_assert(sizeof(BlockIQ4_XS) == 136);

// In memory only. w[i] = scale * code + min; code i is bits kBits * i .. of the bytes, low bits first.
template <int kBits, int kGroup>
struct BlockAffine {
  float scale;
  float min;
  std::uint8_t codes[kGroup * kBits / 8];
};
static_assert(sizeof(BlockAffine<2, 32>) == 16 && sizeof(BlockAffine<8, 128>) == 136);

inline constexpr int kNF4Block = 64;

// The sixteen levels of NF4 (bitsandbytes functional.py, create_normal_map; Dettmers et al. 2023, appendix
// E).
inline constexpr float kNF4Levels[16] = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};

// In memory only. w[i] = kNF4Levels[code] * absmax; code[2j] is the low, code[2j + 1] the high nibble of
// qs[j].
struct BlockNF4 {
  float absmax;
  std::uint8_t qs[32];
};
static_assert(sizeof(BlockNF4) == 36);

struct ScaleMin {
  std::uint8_t scale;
  std::uint8_t min;
};

// The six-bit scale and min of group g of Q4_K and Q5_K. Bytes 0-3 hold scales 0-3 and bytes 4-7 mins 0-3 in
// their low six bits; bytes 8-11 hold the low nibbles of scale (low) and min (high) 4-7, whose top two bits
// are bits 6-7 of bytes 0-3 (scales) and 4-7 (mins).
[[gnu::always_inline]] inline ScaleMin scale_min_k4(const std::uint8_t* s, int g) noexcept {
  if (g < 4) return {static_cast<std::uint8_t>(s[g] & 63), static_cast<std::uint8_t>(s[g + 4] & 63)};
  return {static_cast<std::uint8_t>((s[g + 4] & 15) | ((s[g - 4] >> 6) << 4)),
          static_cast<std::uint8_t>((s[g + 4] >> 4) | ((s[g] >> 6) << 4))};
}

// The signed scale of group g of IQ4_XS, -32..31.
[[gnu::always_inline]] inline int scale_iq4_xs(const BlockIQ4_XS& b, int g) noexcept {
  return ((b.scales_l[g / 2] >> (4 * (g % 2)) & 15) | ((b.scales_h >> (2 * g)) & 3) << 4) - 32;
}

// The signed scale of group g of Q3_K, -32..31.
[[gnu::always_inline]] inline int scale_q3_k(const std::uint8_t* s, int g) noexcept {
  const int low = g < 8 ? s[g] & 15 : s[g - 8] >> 4;
  return (low | (((s[8 + g % 4] >> (2 * (g / 4))) & 3) << 4)) - 32;
}

}  // namespace brinkmap::kernels
