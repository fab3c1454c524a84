#include "kernels/head_step.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "kernels/head_step_impl.h"

namespace brinkmap::kernels {

namespace head {

namespace {

struct Scalar {
  using V = float;
  using U = std::uint32_t;
  static constexpr int kWidth = 1;
  static constexpr int kRows = 2;
  static constexpr int kColumns = 4;

  BRINKMAP_INLINE V load(const float* p) { return *p; }
  BRINKMAP_INLINE void store(float* p, V v) { *p = v; }
  BRINKMAP_INLINE V set(float x) { return x; }
  BRINKMAP_INLINE V fma(V a, V b, V c) { return std::fma(a, b, c); }
  BRINKMAP_INLINE V mul(V a, V b) { return a * b; }
  BRINKMAP_INLINE V add(V a, V b) { return a + b; }
  BRINKMAP_INLINE V sub(V a, V b) { return a - b; }
  BRINKMAP_INLINE V div(V a, V b) { return a / b; }
  BRINKMAP_INLINE V sqrt(V a) { return std::sqrt(a); }
  BRINKMAP_INLINE V max(V a, V b) { return a > b ? a : b; }  // b for a NaN, as the vector instructions give
  BRINKMAP_INLINE V negate_abs(V a) { return -std::fabs(a); }
  BRINKMAP_INLINE V select_negative(V z, V if_negative, V otherwise) {
    return z < 0 ? if_negative : otherwise;
  }
  BRINKMAP_INLINE V scale_pow2(V x, V t) {
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) + (std::bit_cast<std::uint32_t>(t) << 23));
  }

  BRINKMAP_INLINE U load_words(const std::uint32_t* p) { return *p; }
  BRINKMAP_INLINE U set_words(std::uint32_t x) { return x; }
  BRINKMAP_INLINE U exclusive_or(U a, U b) { return a ^ b; }
  BRINKMAP_INLINE void multiply_words(U a, std::uint32_t constant, U& low, U& high) {
    const std::uint64_t product = static_cast<std::uint64_t>(constant) * a;
    low = static_cast<std::uint32_t>(product);
    high = static_cast<std::uint32_t>(product >> 32);
  }
  BRINKMAP_INLINE V set_if_at_least(U words, std::uint32_t threshold, float x) {
    return words >= threshold ? x : 0.0f;
  }
};

const HeadKernels kScalarKernels = Pieces<Scalar>::table();

}  // namespace

#if defined(__x86_64__)
extern const HeadKernels kAvx2Kernels;
extern const HeadKernels kAvx512VnniKernels;
#endif

}  // namespace head

const HeadKernels& head_kernels(Isa isa) noexcept {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512Vnni) return head::kAvx512VnniKernels;
  if (isa == Isa::kAvx2) return head::kAvx2Kernels;
#endif
  static_cast<void>(isa);
  return head::kScalarKernels;
}

void pack_head_batch(const float* const* rows, std::int64_t n, std::int64_t inputs, float* x) noexcept {
  const std::int64_t padded = head_rows(n);
  for (std::int64_t k = 0; k < inputs; k += 16) {  // a cache line of every row at a time
    float* first = x + k / 8 * padded * 8;
    float* second = first + padded * 8;
    for (std::int64_t t = 0; t < n; ++t) {
      std::memcpy(first + t * 8, rows[t] + k, 8 * sizeof(float));
      std::memcpy(second + t * 8, rows[t] + k + 8, 8 * sizeof(float));
    }
    const auto rest = static_cast<std::size_t>(padded - n) * 8 * sizeof(float);
    std::memset(first + n * 8, 0, rest);
    std::memset(second + n * 8, 0, rest);
  }
}

}  // namespace brinkmap::kernels
