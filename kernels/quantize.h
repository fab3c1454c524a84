#pragma once

#include <cstdint>

#include "kernels/format.h"
#include "kernels/isa.h"

// The encoders behind kernels::quantize (format.h). `n` is a multiple of the format's block everywhere. A
// value whose scale exceeds binary16 (|w| above about 5e5 at four bits) encodes to an infinite scale, as in
// ggml.
namespace brinkmap::kernels {

// As quantize(), with a stated instruction set, which must be in supported_isas(). The bytes do not depend on
// it.
void quantize(Format format, const float* in, void* blocks, std::int64_t n, Isa isa) noexcept;

// F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1.
void quantize_legacy(Format format, const float* in, void* blocks, std::int64_t n) noexcept;

// The formats with a search, Q2_K to Q6_K, IQ4_NL and IQ4_XS: one entry an instruction set
// (kernels/quantize_k.h has the body that all share).
void quantize_k_scalar(Format format, const float* in, void* blocks, std::int64_t n) noexcept;
void quantize_k_avx2(Format format, const float* in, void* blocks, std::int64_t n) noexcept;
void quantize_k_avx512vnni(Format format, const float* in, void* blocks, std::int64_t n) noexcept;

}  // namespace brinkmap::kernels
