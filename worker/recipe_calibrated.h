#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "worker/checkpoint.h"
#include "worker/gptq.h"
#include "worker/recipe_grammar.h"

// Recipes that choose codes by what flows through the model: awq-*, gptq-* (recipe_grammar.h).
namespace brinkmap::worker {

struct CalibratedRecipe {
  enum class Method { kAwq, kGptq };
  Method method{};
  GptqOptions options;  // AWQ: only bits and group count
};

// Nothing when it is none of these.
std::optional<CalibratedRecipe> as_calibrated(const PackingRecipe& recipe);
std::optional<CalibratedRecipe> parse_calibrated(std::string_view name);

// The in-memory format of a matrix: linear layers in groups, others in 16 bits. Throws InputError naming the
// tensor when a group does not divide its rows.
kernels::Format calibrated_format(const Checkpoint& file, const GgufTensor& tensor,
                                  const CalibratedRecipe& recipe);

// Columns that share a scale and a min in memory: the recipe's group, or of one that is the whole row the
// longest group of 128, 64 or 32 that divides it. 0 when the recipe does not fit rows of `cols`.
std::int64_t stored_group(const CalibratedRecipe& recipe, std::int64_t cols);

// Bytes of a matrix in the packing of AutoAWQ's and AutoGPTQ's files: codes and zeros bit by bit, binary16
// scales, and for GPTQ the group of each column.
std::uint64_t packed_bytes(const CalibratedRecipe& recipe, std::int64_t rows, std::int64_t cols);

// Whether these recipes quantize the tensor: the linear layers of the blocks. Embedding, head, norms and
// biases keep 16 bits or more.
bool is_block_linear(std::string_view tensor);

}  // namespace brinkmap::worker
