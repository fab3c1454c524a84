#if defined(__x86_64__)
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 warns about its own headers (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "kernels/gemm_panel.h"
#include "kernels/gemm_simd.h"
#include "kernels/unpack_simd.h"

// Sixteen rows a register; vpdpbusd adds four u8 x s8 products of each row straight into 32 bits.
namespace brinkmap::kernels {

namespace {

struct Lanes {
  using Reg = __m512i;
  using Float = __m512;
  static constexpr int kLanes = 16;
  static constexpr int kQ8Columns = 6;
  static constexpr int kF32Columns = 12;
  static constexpr int sums(int) noexcept { return 1; }  // no 16-bit sums anywhere

  static Reg piece(const std::uint8_t* p, std::ptrdiff_t stride) noexcept {
    const auto row = [&](int r) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 4 * r * stride));
    };
    Reg v = _mm512_castsi128_si512(row(0));
    v = _mm512_inserti32x4(v, row(1), 1);
    v = _mm512_inserti32x4(v, row(2), 2);
    return _mm512_inserti32x4(v, row(3), 3);
  }

  // Rows r, r + 4, r + 8, r + 12 are loaded into the four quarters of a register, so that a 4x4 transposition
  // inside the quarters leaves the rows in order.
  static void load4(const std::uint8_t* p, std::ptrdiff_t stride, Reg (&out)[4]) noexcept {
    const Reg a = piece(p, stride), b = piece(p + stride, stride), c = piece(p + 2 * stride, stride),
              d = piece(p + 3 * stride, stride);
    const Reg ab_low = _mm512_unpacklo_epi32(a, b), ab_high = _mm512_unpackhi_epi32(a, b);
    const Reg cd_low = _mm512_unpacklo_epi32(c, d), cd_high = _mm512_unpackhi_epi32(c, d);
    out[0] = _mm512_unpacklo_epi64(ab_low, cd_low);
    out[1] = _mm512_unpackhi_epi64(ab_low, cd_low);
    out[2] = _mm512_unpacklo_epi64(ab_high, cd_high);
    out[3] = _mm512_unpackhi_epi64(ab_high, cd_high);
  }
  static Reg gather(const std::uint8_t* p, std::ptrdiff_t stride) noexcept {
    const Reg index =
        _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                           _mm512_set1_epi32(static_cast<int>(stride)));
    return _mm512_i32gather_epi32(index, p, 1);
  }
  static Reg load_codes(const std::uint8_t* p) noexcept { return _mm512_load_si512(p); }
  static void store_codes(std::uint8_t* p, Reg v) noexcept { _mm512_store_si512(p, v); }

  static Reg word(std::uint32_t w) noexcept { return _mm512_set1_epi32(static_cast<int>(w)); }
  static Reg bit_and(Reg v, std::uint32_t mask) noexcept { return _mm512_and_si512(v, word(mask)); }
  static Reg bit_xor(Reg v, std::uint32_t mask) noexcept { return _mm512_xor_si512(v, word(mask)); }
  static Reg bit_or(Reg a, Reg b) noexcept { return _mm512_or_si512(a, b); }
  static Reg shl(Reg v, int n) noexcept { return _mm512_sllv_epi32(v, _mm512_set1_epi32(n)); }
  static Reg shr(Reg v, int n) noexcept { return _mm512_srlv_epi32(v, _mm512_set1_epi32(n)); }
  static Reg add16(Reg v, int n) noexcept {
    return _mm512_and_si512(_mm512_add_epi16(v, _mm512_set1_epi16(static_cast<short>(n))), word(0x00ff00ffu));
  }
  static Reg sub16(Reg v, int n) noexcept {
    return _mm512_sub_epi16(v, _mm512_set1_epi16(static_cast<short>(n)));
  }
  static Reg mul16(Reg a, Reg b) noexcept { return _mm512_mullo_epi16(a, b); }
  // Byte j of every word, to all four bytes or to the low byte of both 16-bit halves.
  static Reg dup_byte(Reg v, int j) noexcept {
    const Reg base = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c));
    return _mm512_shuffle_epi8(v, _mm512_add_epi32(base, _mm512_set1_epi32(0x01010101 * j)));
  }
  static Reg wide_byte(Reg v, int j) noexcept { return bit_and(dup_byte(v, j), 0x00ff00ffu); }
  static Reg sixteen_where(Reg v, std::uint32_t bits) noexcept {
    return _mm512_maskz_mov_epi8(_mm512_test_epi8_mask(v, word(bits)), _mm512_set1_epi8(16));
  }

  // Bytes j, j, j + 1, j + 1 of every word.
  static Reg pair_bytes(Reg v, int j) noexcept {
    const Reg base = _mm512_broadcast_i32x4(_mm_setr_epi32(0x01010000, 0x05050404, 0x09090808, 0x0d0d0c0c));
    return _mm512_shuffle_epi8(v, _mm512_add_epi32(base, _mm512_set1_epi32(0x01010101 * j)));
  }
  // The IQ4 level + 128 that each byte (0 to 15) stands for.
  static Reg iq4(Reg v) noexcept {
    const __m128i values = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kIQ4Values));
    return bit_xor(_mm512_shuffle_epi8(_mm512_broadcast_i32x4(values), v), 0x80808080u);
  }
  // The NF4 level of the low four bits of every word.
  static Float nf4(Reg v) noexcept { return _mm512_permutexvar_ps(v, _mm512_loadu_ps(kNF4Levels)); }

  static Float half(Reg v) noexcept { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v)); }
  static Float byte(Reg v, int j) noexcept {
    return _mm512_cvtepi32_ps(_mm512_and_si512(shr(v, 8 * j), _mm512_set1_epi32(255)));
  }
  static Float signed_byte(Reg v, int j) noexcept {
    return _mm512_cvtepi32_ps(_mm512_srai_epi32(shl(v, 24 - 8 * j), 24));
  }
  static Float as_float(Reg v) noexcept { return _mm512_castsi512_ps(v); }
  static Float set(float x) noexcept { return _mm512_set1_ps(x); }
  static Float load(const float* p) noexcept { return _mm512_load_ps(p); }
  static void store(float* p, Float v) noexcept { _mm512_store_ps(p, v); }
  static Float mul(Float a, Float b) noexcept { return _mm512_mul_ps(a, b); }
  static Float add(Float a, Float b) noexcept { return _mm512_add_ps(a, b); }
  static Float sub(Float a, Float b) noexcept { return _mm512_sub_ps(a, b); }
  static Float fma(Float a, Float b, Float c) noexcept { return _mm512_fmadd_ps(a, b, c); }
  static Float neg(Float v) noexcept {
    return _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(v), word(0x80000000u)));
  }

  static Reg zero() noexcept { return _mm512_setzero_si512(); }
  static Reg set_int(std::int32_t x) noexcept { return _mm512_set1_epi32(x); }
  static Float to_float(Reg v) noexcept { return _mm512_cvtepi32_ps(v); }

  static Reg load_bits(const float* p) noexcept { return _mm512_loadu_si512(p); }
  static Reg max(Reg a, Reg b) noexcept { return _mm512_max_epu32(a, b); }
  static std::uint32_t max_lane(Reg v) noexcept { return _mm512_reduce_max_epu32(v); }
  static std::uint32_t equal_lanes(Reg v, std::uint32_t w) noexcept {
    return _mm512_cmpeq_epi32_mask(v, word(w));
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
    for (int i = 0; i < 32; i += 16) {
      const Reg rounded = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + i), scale));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + i), _mm512_cvtsepi32_epi8(rounded));
    }
  }

  // dots += kQuads * 4 products; codes step by a strip, x by a tile.
  template <int kQuads, int kSums, int kColumns>
  [[gnu::always_inline]] static void dot(Reg (&dots)[2][kColumns], const std::uint8_t* codes,
                                         const std::uint32_t* x) noexcept {
    BRINKMAP_UNROLL
    for (int q = 0; q < kQuads; ++q) {
      const Reg w0 = load_codes(codes + q * kStripRows * 4), w1 = load_codes(codes + q * kStripRows * 4 + 64);
      BRINKMAP_UNROLL
      for (int c = 0; c < kColumns; ++c) {
        const Reg value = word(x[q * kQ8Tile + c]);
        dots[0][c] = _mm512_dpbusd_epi32(dots[0][c], w0, value);
        dots[1][c] = _mm512_dpbusd_epi32(dots[1][c], w1, value);
      }
    }
  }
};

}  // namespace

const GemmKernels& gemm_kernels_avx512vnni() noexcept {
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
      .centers_wide_codes = false,
  };
  return kKernels;
}

}  // namespace brinkmap::kernels
#endif
