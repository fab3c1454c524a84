#include <immintrin.h>

#include "kernels/head_step_impl.h"

namespace brinkmap::kernels::head {

namespace {

struct Avx512 {
  using V = __m512;
  using U = __m512i;
  static constexpr __mmask16 kAll = 0xffff;  // the unmasked forms of some calls warn in GCC 12
  static constexpr __mmask16 kOdd = 0xaaaa;
  static constexpr int kWidth = 16;
  static constexpr int kRows = 8;
  static constexpr int kColumns = 2;

  BRINKMAP_INLINE V load(const float* p) { return _mm512_load_ps(p); }
  BRINKMAP_INLINE void store(float* p, V v) { _mm512_store_ps(p, v); }
  BRINKMAP_INLINE V set(float x) { return _mm512_set1_ps(x); }
  BRINKMAP_INLINE V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
  BRINKMAP_INLINE V mul(V a, V b) { return _mm512_mul_ps(a, b); }
  BRINKMAP_INLINE V add(V a, V b) { return _mm512_add_ps(a, b); }
  BRINKMAP_INLINE V sub(V a, V b) { return _mm512_sub_ps(a, b); }
  BRINKMAP_INLINE V div(V a, V b) { return _mm512_div_ps(a, b); }
  BRINKMAP_INLINE V sqrt(V a) { return _mm512_maskz_sqrt_ps(kAll, a); }
  BRINKMAP_INLINE V max(V a, V b) { return _mm512_maskz_max_ps(kAll, a, b); }
  BRINKMAP_INLINE V negate_abs(V a) { return _mm512_or_ps(a, _mm512_set1_ps(-0.0f)); }
  BRINKMAP_INLINE V select_negative(V z, V if_negative, V otherwise) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(z, _mm512_setzero_ps(), _CMP_LT_OQ), otherwise,
                                if_negative);
  }
  BRINKMAP_INLINE V scale_pow2(V x, V t) {
    return _mm512_castsi512_ps(
        _mm512_add_epi32(_mm512_castps_si512(x), _mm512_maskz_slli_epi32(kAll, _mm512_castps_si512(t), 23)));
  }

  BRINKMAP_INLINE U load_words(const std::uint32_t* p) { return _mm512_load_si512(p); }
  BRINKMAP_INLINE U set_words(std::uint32_t x) { return _mm512_set1_epi32(static_cast<int>(x)); }
  BRINKMAP_INLINE U exclusive_or(U a, U b) { return _mm512_xor_si512(a, b); }
  BRINKMAP_INLINE void multiply_words(U a, std::uint32_t constant, U& low, U& high) {
    const U c = set_words(constant);
    const U even = _mm512_maskz_mul_epu32(0xff, a, c);
    const U odd = _mm512_maskz_mul_epu32(0xff, _mm512_maskz_srli_epi64(0xff, a, 32), c);
    low = _mm512_mask_blend_epi32(kOdd, even, _mm512_maskz_slli_epi64(0xff, odd, 32));
    high = _mm512_mask_blend_epi32(kOdd, _mm512_maskz_srli_epi64(0xff, even, 32), odd);
  }
  BRINKMAP_INLINE V set_if_at_least(U words, std::uint32_t threshold, float x) {
    return _mm512_maskz_mov_ps(_mm512_cmp_epu32_mask(words, set_words(threshold), _MM_CMPINT_NLT), set(x));
  }
};

}  // namespace

extern const HeadKernels kAvx512VnniKernels;
const HeadKernels kAvx512VnniKernels = Pieces<Avx512>::table();

}  // namespace brinkmap::kernels::head
