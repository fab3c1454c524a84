#pragma once

#include <cstdint>
#include <span>

#include "kernels/isa.h"
#include "worker/engine.h"

namespace brinkmap::worker {

// The distribution that `logits`, all finite and at least one, give to the next token. `largest`: the lowest
// index of the largest logit. Exponentials in f32, all sums in f64 in the order of the vocabulary, so the
// same bits on every instruction set.
FirstToken first_token(std::span<const float> logits, std::int32_t largest, kernels::Isa isa);

}  // namespace brinkmap::worker
