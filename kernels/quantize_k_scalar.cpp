#include "kernels/quantize.h"
#include "kernels/quantize_k.h"

namespace brinkmap::kernels {

void quantize_k_scalar(Format format, const float* in, void* blocks, std::int64_t n) noexcept {
  KQuantizer<4>::quantize(format, in, blocks, n);
}

}  // namespace brinkmap::kernels
