#include "kernels/quantize.h"
#include "kernels/quantize_k.h"

namespace brinkmap::kernels {

void quantize_k_avx2(Format format, const float* in, void* blocks, std::int64_t n) noexcept {
  KQuantizer<8>::quantize(format, in, blocks, n);
}

}  // namespace brinkmap::kernels
