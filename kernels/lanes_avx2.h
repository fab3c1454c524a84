#pragma once

// Sixteen f32 lanes as two 256-bit registers; meanings in kernels/lanes_scalar.h. Empty unless the source
// that includes it is built for AVX2, FMA and F16C.
#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include <immintrin.h>

#include <cstdint>

namespace brinkmap::kernels {

struct Avx2Lanes {
  static constexpr int kTileRows = 4;
  static constexpr int kTileVectors = 1;

  struct V {
    __m256 a, b;
  };
  struct Sum {
    __m256d a, b, c, d;
  };

  static V set(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static V load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static V load(const std::uint16_t* p) {
    return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
            _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8)))};
  }
  static V load_part(const float* p, int n) {
    return {_mm256_maskload_ps(p, mask(n)),
            n > 8 ? _mm256_maskload_ps(p + 8, mask(n - 8)) : _mm256_setzero_ps()};
  }
  static void store(float* p, V v) {
    _mm256_storeu_ps(p, v.a);
    _mm256_storeu_ps(p + 8, v.b);
  }
  static void store(std::uint16_t* p, V v) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(v.a, _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8), _mm256_cvtps_ph(v.b, _MM_FROUND_TO_NEAREST_INT));
  }
  static void store_part(float* p, V v, int n) {
    _mm256_maskstore_ps(p, mask(n), v.a);
    if (n > 8) _mm256_maskstore_ps(p + 8, mask(n - 8), v.b);
  }
  static V add(V x, V y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
  static V sub(V x, V y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
  static V mul(V x, V y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
  static V div(V x, V y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
  static V fma(V x, V y, V z) { return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)}; }
  static V max(V x, V y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
  static V min(V x, V y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
  static V scale_by_power(V v, V t) { return {scale(v.a, t.a), scale(v.b, t.b)}; }
  static float total(V v) {
    const __m256 eight = _mm256_add_ps(v.a, v.b);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  static float largest(V v) {
    const __m256 eight = _mm256_max_ps(v.a, v.b);
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }
  static Sum zero_sum() {
    return {_mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd()};
  }
  static Sum add(Sum s, V v) {
    return {_mm256_add_pd(s.a, _mm256_cvtps_pd(_mm256_castps256_ps128(v.a))),
            _mm256_add_pd(s.b, _mm256_cvtps_pd(_mm256_extractf128_ps(v.a, 1))),
            _mm256_add_pd(s.c, _mm256_cvtps_pd(_mm256_castps256_ps128(v.b))),
            _mm256_add_pd(s.d, _mm256_cvtps_pd(_mm256_extractf128_ps(v.b, 1)))};
  }
  static void store(double* p, Sum s) {
    _mm256_storeu_pd(p, s.a);
    _mm256_storeu_pd(p + 4, s.b);
    _mm256_storeu_pd(p + 8, s.c);
    _mm256_storeu_pd(p + 12, s.d);
  }

 private:
  static __m256i mask(int n) {  // the first n of 8 lanes; all when n >= 8
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static __m256 scale(__m256 v, __m256 t) {
    const __m256i n = _mm256_sub_epi32(_mm256_castps_si256(t), _mm256_set1_epi32(0x4b400000));
    const __m256i half = _mm256_srai_epi32(n, 1);
    const __m256i bias = _mm256_set1_epi32(127);
    const __m256i first = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    const __m256i second = _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(n, half), bias), 23);
    return _mm256_mul_ps(_mm256_mul_ps(v, _mm256_castsi256_ps(first)), _mm256_castsi256_ps(second));
  }
};

}  // namespace brinkmap::kernels
#endif
