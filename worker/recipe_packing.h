#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/format.h"
#include "kernels/quantize_group.h"
#include "worker/checkpoint.h"
#include "worker/recipe_grammar.h"

// What the packing recipes (recipe_grammar.h) make of a tensor: MLX's and bitsandbytes' choices.
namespace brinkmap::worker {

// 8-bit scales of NF4 blocks as bitsandbytes stores them (kernels/quantize_group.h).
struct NestedScales {
  float offset = 0;
  std::vector<std::uint8_t> codes;  // one a block of 64 weights
  std::vector<float> scales;        // one for each 256 blocks
};

// The in-memory format of a matrix under `recipe`, or its own format where the recipe leaves it. Throws
// InputError naming the tensor when a group does not divide its rows.
kernels::Format packed_format(const Checkpoint& file, const GgufTensor& tensor, const PackingRecipe& recipe);

// The type MLX stores the scales of a tensor as: that of its weights.
kernels::ScaleType scale_type(kernels::Format weights);

// Bytes of a tensor of `format` in the original tool's own packing, without what does not grow with it.
std::uint64_t packed_bytes(const GgufTensor& tensor, kernels::Format format, const PackingRecipe& recipe);

}  // namespace brinkmap::worker
