#pragma once

#include "kernels/format.h"

namespace brinkmap::tests {

inline constexpr kernels::Format kAllFormats[] = {
    kernels::Format::kF32,        kernels::Format::kF16,        kernels::Format::kBF16,
    kernels::Format::kQ8_0,       kernels::Format::kQ4_0,       kernels::Format::kQ4_1,
    kernels::Format::kQ5_0,       kernels::Format::kQ5_1,       kernels::Format::kQ2_K,
    kernels::Format::kQ3_K,       kernels::Format::kQ4_K,       kernels::Format::kQ5_K,
    kernels::Format::kQ6_K,       kernels::Format::kIQ4_NL,     kernels::Format::kIQ4_XS,
    kernels::Format::kAffine2_32, kernels::Format::kAffine2_64, kernels::Format::kAffine2_128,
    kernels::Format::kAffine4_32, kernels::Format::kAffine4_64, kernels::Format::kAffine4_128,
    kernels::Format::kAffine8_32, kernels::Format::kAffine8_64, kernels::Format::kAffine8_128,
    kernels::Format::kNF4,
};

}  // namespace brinkmap::tests
