#if defined(__x86_64__)
#include <immintrin.h>

#include "kernels/gemm_panel.h"
#include "kernels/gemm_simd.h"
#include "kernels/unpack_simd.h"

// Eight rows a register. vpmaddubsw adds two u8 x s8 products in 16 bits, saturating; activations are within
// +-127, so:
// - codes up to 127 never saturate, and 32767 / (2 * 127 * max_code) such results can be added before they
// are widened;
// - wider codes are centred (code - 128), and the sign moves to the activation: |code - 128| * 127 * 2 <=
// 32512.
namespace brinkmap::kernels {

namespace {

struct Lanes {
  using Reg = __m256i;
  using Float = __m256;
  static constexpr int kLanes = 8;
  static constexpr int kQ8Columns = 3;
  static constexpr int kF32Columns = 6;
  // A power of two, so that it divides the quads of a group.
  static constexpr int sums(int max_code) noexcept {
    if (max_code > 127) return 0;
    const int fit = 32767 / (2 * 127 * max_code);
    return fit >= 8 ? 8 : fit >= 4 ? 4 : fit >= 2 ? 2 : 1;
  }

  static Reg piece(const std::uint8_t* p, std::ptrdiff_t stride) noexcept {
    const auto row = [&](int r) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 4 * r * stride));
    };
    return _mm256_inserti128_si256(_mm256_castsi128_si256(row(0)), row(1), 1);
  }
  // Rows r and r + 4 share a register: see gemm_avx512vnni.cpp.
  static void load4(const std::uint8_t* p, std::ptrdiff_t stride, Reg (&out)[4]) noexcept {
    const Reg a = piece(p, stride), b = piece(p + stride, stride), c = piece(p + 2 * stride, stride),
              d = piece(p + 3 * stride, stride);
    const Reg ab_low = _mm256_unpacklo_epi32(a, b), ab_high = _mm256_unpackhi_epi32(a, b);
    const Reg cd_low = _mm256_unpacklo_epi32(c, d), cd_high = _mm256_unpackhi_epi32(c, d);
    out[0] = _mm256_unpacklo_epi64(ab_low, cd_low);
    out[1] = _mm256_unpackhi_epi64(ab_low, cd_low);
    out[2] = _mm256_unpacklo_epi64(ab_high, cd_high);
    out[3] = _mm256_unpackhi_epi64(ab_high, cd_high);
  }
  static Reg gather(const std::uint8_t* p, std::ptrdiff_t stride) noexcept {
    const Reg index = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                                         _mm256_set1_epi32(static_cast<int>(stride)));
    return _mm256_i32gather_epi32(reinterpret_cast<const int*>(p), index, 1);
  }
  static Reg load_codes(const std::uint8_t* p) noexcept {
    return _mm256_load_si256(reinterpret_cast<const Reg*>(p));
  }
  static void store_codes(std::uint8_t* p, Reg v) noexcept {
    _mm256_store_si256(reinterpret_cast<Reg*>(p), v);
  }

  static Reg word(std::uint32_t w) noexcept { return _mm256_set1_epi32(static_cast<int>(w)); }
  static Reg bit_and(Reg v, std::uint32_t mask) noexcept { return _mm256_and_si256(v, word(mask)); }
  static Reg bit_xor(Reg v, std::uint32_t mask) noexcept { return _mm256_xor_si256(v, word(mask)); }
  static Reg bit_or(Reg a, Reg b) noexcept { return _mm256_or_si256(a, b); }
  static Reg shl(Reg v, int n) noexcept { return _mm256_sllv_epi32(v, _mm256_set1_epi32(n)); }
  static Reg shr(Reg v, int n) noexcept { return _mm256_srlv_epi32(v, _mm256_set1_epi32(n)); }
  static Reg add16(Reg v, int n) noexcept {
    return _mm256_and_si256(_mm256_add_epi16(v, _mm256_set1_epi16(static_cast<short>(n))), word(0x00ff00ffu));
  }
  static Reg sub16(Reg v, int n) noexcept {
    return _mm256_sub_epi16(v, _mm256_set1_epi16(static_cast<short>(n)));
  }
  static Reg mul16(Reg a, Reg b) noexcept { return _mm256_mullo_epi16(a, b); }
  static Reg dup_byte(Reg v, int j) noexcept {
    const Reg base =
        _mm256_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c, 0, 0x04040404, 0x08080808, 0x0c0c0c0c);
    return _mm256_shuffle_epi8(v, _mm256_add_epi32(base, _mm256_set1_epi32(0x01010101 * j)));
  }
  static Reg wide_byte(Reg v, int j) noexcept { return bit_and(dup_byte(v, j), 0x00ff00ffu); }
  static Reg sixteen_where(Reg v, std::uint32_t bits) noexcept {
    return bit_and(_mm256_cmpeq_epi8(bit_and(v, bits), word(bits)), 0x10101010u);
  }

  // Bytes j, j, j + 1, j + 1 of every word.
  static Reg pair_bytes(Reg v, int j) noexcept {
    const Reg base = _mm256_setr_epi32(0x01010000, 0x05050404, 0x09090808, 0x0d0d0c0c, 0x01010000, 0x05050404,
                                       0x09090808, 0x0d0d0c0c);
    return _mm256_shuffle_epi8(v, _mm256_add_epi32(base, _mm256_set1_epi32(0x01010101 * j)));
  }
  // The IQ4 level + 128 that each byte (0 to 15) stands for.
  static Reg iq4(Reg v) noexcept {
    const __m128i values = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kIQ4Values));
    return bit_xor(_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(values), v), 0x80808080u);
  }
  // The NF4 level of the low four bits of every word.
  static Float nf4(Reg v) noexcept {
    const Float low = _mm256_permutevar8x32_ps(_mm256_loadu_ps(kNF4Levels), v);
    const Float high = _mm256_permutevar8x32_ps(_mm256_loadu_ps(kNF4Levels + 8), v);
    return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(v, 28)));
  }

  static Float half(Reg v) noexcept {
    const Reg low = bit_and(v, 0xffffu);
    const Reg packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 0x08);
    return _mm256_cvtph_ps(_mm256_castsi256_si128(packed));
  }
  static Float byte(Reg v, int j) noexcept { return _mm256_cvtepi32_ps(bit_and(shr(v, 8 * j), 255u)); }
  static Float signed_byte(Reg v, int j) noexcept {
    return _mm256_cvtepi32_ps(_mm256_srai_epi32(shl(v, 24 - 8 * j), 24));
  }
  static Float as_float(Reg v) noexcept { return _mm256_castsi256_ps(v); }
  static Float set(float x) noexcept { return _mm256_set1_ps(x); }
  static Float load(const float* p) noexcept { return _mm256_load_ps(p); }
  static void store(float* p, Float v) noexcept { _mm256_store_ps(p, v); }
  static Float mul(Float a, Float b) noexcept { return _mm256_mul_ps(a, b); }
  static Float add(Float a, Float b) noexcept { return _mm256_add_ps(a, b); }
  static Float sub(Float a, Float b) noexcept { return _mm256_sub_ps(a, b); }
  static Float fma(Float a, Float b, Float c) noexcept { return _mm256_fmadd_ps(a, b, c); }
  static Float neg(Float v) noexcept { return _mm256_xor_ps(v, _mm256_set1_ps(-0.0f)); }

  static Reg zero() noexcept { return _mm256_setzero_si256(); }
  static Reg set_int(std::int32_t x) noexcept { return _mm256_set1_epi32(x); }
  static Float to_float(Reg v) noexcept { return _mm256_cvtepi32_ps(v); }

  static Reg load_bits(const float* p) noexcept {
    return _mm256_loadu_si256(reinterpret_cast<const Reg*>(p));
  }
  static Reg max(Reg a, Reg b) noexcept { return _mm256_max_epu32(a, b); }
  static std::uint32_t max_lane(Reg v) noexcept {
    __m128i m = _mm_max_epu32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0x4e));
    m = _mm_max_epu32(m, _mm_shuffle_epi32(m, 0xb1));
    return static_cast<std::uint32_t>(_mm_cvtsi128_si32(m));
  }
  static std::uint32_t equal_lanes(Reg v, std::uint32_t w) noexcept {
    return static_cast<std::uint32_t>(
        _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(v, word(w)))));
  }
  // The sums of 16 and 16 codes.
  static void sum_codes(const std::int8_t* codes, std::int32_t* sums) noexcept {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes));
    __m256i sum = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), v), _mm256_set1_epi16(1));
    sum = _mm256_add_epi32(sum, _mm256_shuffle_epi32(sum, 0x4e));
    sum = _mm256_add_epi32(sum, _mm256_shuffle_epi32(sum, 0xb1));
    sums[0] = _mm256_extract_epi32(sum, 0);
    sums[1] = _mm256_extract_epi32(sum, 4);
  }
  static void store_rounded(const float* x, Float scale, std::int8_t* codes) noexcept {
    const auto words = [&](int i) {
      return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), scale));
    };
    // Both packs work in halves: dwords come out as 0 2 4 6 1 3 5 7.
    const Reg packed =
        _mm256_packs_epi16(_mm256_packs_epi32(words(0), words(8)), _mm256_packs_epi32(words(16), words(24)));
    _mm256_storeu_si256(reinterpret_cast<Reg*>(codes),
                        _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
  }

  template <int kQuads, int kSums, int kColumns>
  [[gnu::always_inline]] static void dot(Reg (&dots)[2][kColumns], const std::uint8_t* codes,
                                         const std::uint32_t* x) noexcept {
    const Reg ones = _mm256_set1_epi16(1);
    if constexpr (kSums == 0) {
      BRINKMAP_UNROLL
      for (int q = 0; q < kQuads; ++q) BRINKMAP_UNROLL
      for (int v = 0; v < 2; ++v) {
        const Reg w = bit_xor(load_codes(codes + q * kStripRows * 4 + 32 * v), 0x80808080u);
        const Reg size = _mm256_abs_epi8(w);
        BRINKMAP_UNROLL
        for (int c = 0; c < kColumns; ++c) {
          const Reg pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(word(x[q * kQ8Tile + c]), w));
          dots[v][c] = _mm256_add_epi32(dots[v][c], _mm256_madd_epi16(pairs, ones));
        }
      }
    } else {
      constexpr int kWide = kSums < kQuads ? kSums : kQuads;
      BRINKMAP_UNROLL
      for (int first = 0; first < kQuads; first += kWide) {
        Reg pairs[2][kColumns];
        BRINKMAP_UNROLL
        for (int q = first; q < first + kWide; ++q) {
          const Reg w0 = load_codes(codes + q * kStripRows * 4),
                    w1 = load_codes(codes + q * kStripRows * 4 + 32);
          BRINKMAP_UNROLL
          for (int c = 0; c < kColumns; ++c) {
            const Reg value = word(x[q * kQ8Tile + c]);
            const Reg p0 = _mm256_maddubs_epi16(w0, value), p1 = _mm256_maddubs_epi16(w1, value);
            pairs[0][c] = q == first ? p0 : _mm256_add_epi16(pairs[0][c], p0);
            pairs[1][c] = q == first ? p1 : _mm256_add_epi16(pairs[1][c], p1);
          }
        }
        BRINKMAP_UNROLL
        for (int v = 0; v < 2; ++v) BRINKMAP_UNROLL
        for (int c = 0; c < kColumns; ++c)
          dots[v][c] = _mm256_add_epi32(dots[v][c], _mm256_madd_epi16(pairs[v][c], ones));
      }
    }
  }
};

}  // namespace

const GemmKernels& gemm_kernels_avx2() noexcept {
  static constexpr GemmKernels kKernels{
      .unpack = unpack_simd<Lanes>,
      .unpack_float = unpack_float_simd<Lanes>,
      .expand = expand_simd<Lanes>,
      .multiply_q8 = multiply_q8_simd<Lanes>,
      .multiply_f32 = multiply_f32_simd<Lanes>,
      .largest_magnitude = largest_magnitude_simd<Lanes>,
      .find_magnitude = find_magnitude_simd<Lanes>,
      .sum_codes = sum_codes_simd<Lanes>,
      .round_codes = round_codes_simd<Lanes>,
      .centers_wide_codes = true,
  };
  return kKernels;
}

}  // namespace brinkmap::kernels
#endif
