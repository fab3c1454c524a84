#include <immintrin.h>

#include "kernels/head_step_impl.h"

namespace brinkmap::kernels::head {

namespace {

struct Avx2 {
  using V = __m256;
  using U = __m256i;
  static constexpr int kWidth = 8;
  static constexpr int kRows = 4;
  static constexpr int kColumns = 2;

  BRINKMAP_INLINE V load(const float* p) { return _mm256_load_ps(p); }
  BRINKMAP_INLINE void store(float* p, V v) { _mm256_store_ps(p, v); }
  BRINKMAP_INLINE V set(float x) { return _mm256_set1_ps(x); }
  BRINKMAP_INLINE V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
  BRINKMAP_INLINE V mul(V a, V b) { return _mm256_mul_ps(a, b); }
  BRINKMAP_INLINE V add(V a, V b) { return _mm256_add_ps(a, b); }
  BRINKMAP_INLINE V sub(V a, V b) { return _mm256_sub_ps(a, b); }
  BRINKMAP_INLINE V div(V a, V b) { return _mm256_div_ps(a, b); }
  BRINKMAP_INLINE V sqrt(V a) { return _mm256_sqrt_ps(a); }
  BRINKMAP_INLINE V max(V a, V b) { return _mm256_max_ps(a, b); }
  BRINKMAP_INLINE V negate_abs(V a) { return _mm256_or_ps(a, _mm256_set1_ps(-0.0f)); }
  BRINKMAP_INLINE V select_negative(V z, V if_negative, V otherwise) {
    return _mm256_blendv_ps(otherwise, if_negative, _mm256_cmp_ps(z, _mm256_setzero_ps(), _CMP_LT_OQ));
  }
  BRINKMAP_INLINE V scale_pow2(V x, V t) {
    return _mm256_castsi256_ps(
        _mm256_add_epi32(_mm256_castps_si256(x), _mm256_slli_epi32(_mm256_castps_si256(t), 23)));
  }

  BRINKMAP_INLINE U load_words(const std::uint32_t* p) {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
  }
  BRINKMAP_INLINE U set_words(std::uint32_t x) { return _mm256_set1_epi32(static_cast<int>(x)); }
  BRINKMAP_INLINE U exclusive_or(U a, U b) { return _mm256_xor_si256(a, b); }
  BRINKMAP_INLINE void multiply_words(U a, std::uint32_t constant, U& low, U& high) {
    const U c = set_words(constant);
    const U even = _mm256_mul_epu32(a, c);
    const U odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), c);
    low = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
    high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
  }
  BRINKMAP_INLINE V set_if_at_least(U words, std::uint32_t threshold, float x) {
    const U at_least = _mm256_cmpeq_epi32(_mm256_max_epu32(words, set_words(threshold)), words);
    return _mm256_and_ps(_mm256_castsi256_ps(at_least), set(x));
  }
};

}  // namespace

extern const HeadKernels kAvx2Kernels;
const HeadKernels kAvx2Kernels = Pieces<Avx2>::table();

}  // namespace brinkmap::kernels::head
