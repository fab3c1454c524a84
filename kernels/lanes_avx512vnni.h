#pragma once

// Sixteen f32 lanes as one 512-bit register; meanings in kernels/lanes_scalar.h. Empty unless the source that
// includes it is built for AVX-512.
#if defined(__AVX512F__) && defined(__AVX512DQ__)
// GCC 12 takes the "undefined" operands of its own unmasked intrinsics for uninitialized variables.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop

#include <cstdint>

namespace brinkmap::kernels {

struct Avx512Lanes {
  static constexpr int kTileRows = 4;  // 4 x 4 sums, 4 operands, 1 broadcast: 21 of 32 registers
  static constexpr int kTileVectors = 4;

  struct V {
    __m512 v;
  };
  struct Sum {
    __m512d a, b;
  };

  static V set(float x) { return {_mm512_set1_ps(x)}; }
  static V load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static V load(const std::uint16_t* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static V load_part(const float* p, int n) { return {_mm512_maskz_loadu_ps(mask(n), p)}; }
  static void store(float* p, V x) { _mm512_storeu_ps(p, x.v); }
  static void store(std::uint16_t* p, V x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(x.v, _MM_FROUND_TO_NEAREST_INT));
  }
  static void store_part(float* p, V x, int n) { _mm512_mask_storeu_ps(p, mask(n), x.v); }
  static V add(V x, V y) { return {_mm512_add_ps(x.v, y.v)}; }
  static V sub(V x, V y) { return {_mm512_sub_ps(x.v, y.v)}; }
  static V mul(V x, V y) { return {_mm512_mul_ps(x.v, y.v)}; }
  static V div(V x, V y) { return {_mm512_div_ps(x.v, y.v)}; }
  static V fma(V x, V y, V z) { return {_mm512_fmadd_ps(x.v, y.v, z.v)}; }
  static V max(V x, V y) { return {_mm512_max_ps(x.v, y.v)}; }
  static V min(V x, V y) { return {_mm512_min_ps(x.v, y.v)}; }
  static V scale_by_power(V v, V t) {
    return {_mm512_scalef_ps(v.v, _mm512_sub_ps(t.v, _mm512_set1_ps(0x1.8p23f)))};
  }
  static float total(V x) {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x.v), _mm512_extractf32x8_ps(x.v, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  static float largest(V x) {
    const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(x.v), _mm512_extractf32x8_ps(x.v, 1));
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }
  static Sum zero_sum() { return {_mm512_setzero_pd(), _mm512_setzero_pd()}; }
  static Sum add(Sum s, V x) {
    return {_mm512_add_pd(s.a, _mm512_cvtps_pd(_mm512_castps512_ps256(x.v))),
            _mm512_add_pd(s.b, _mm512_cvtps_pd(_mm512_extractf32x8_ps(x.v, 1)))};
  }
  static void store(double* p, Sum s) {
    _mm512_storeu_pd(p, s.a);
    _mm512_storeu_pd(p + 8, s.b);
  }

 private:
  static __mmask16 mask(int n) { return static_cast<__mmask16>((1u << n) - 1u); }
};

}  // namespace brinkmap::kernels
#endif
