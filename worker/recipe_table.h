#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "kernels/format.h"

namespace brinkmap::worker {

// One way to quantize a GGUF model. The table drives names, help and the choice of formats; a new llama.cpp
// mixture is a new line in recipe_table.cpp.
struct RecipeSpec {
  std::string_view name;
  std::string_view help;  // one line
  std::optional<kernels::Format> format =
      {};                       // of matrices without a rule of their own; none: keep the file's formats
  std::uint32_t file_type = 0;  // general.file_type (llama.h, enum llama_ftype)
  // Exceptions of the mixture (llama.cpp, src/llama-quant.cpp, llama_tensor_get_type); none: `format`.
  std::optional<kernels::Format> attn_v = {};       // fewer than 4 query heads share a key head
  std::optional<kernels::Format> attn_v_gqa4 = {};  // at least 4 do
  std::optional<kernels::Format> attn_qkv = {};     // fused projection
  std::optional<kernels::Format> attn_output = {};
  std::optional<kernels::Format> ffn_down = {};
  struct First {
    int n = 0;  // 0: none
    kernels::Format format{};
  };
  First attn_v_first = {};                             // the first n value projections
  First ffn_down_first = {};                           // the first 1/n of the layers
  std::optional<kernels::Format> more_bits = {};       // attn_v and ffn_down of the layers that get more bits
  std::optional<kernels::Format> attn_output_8x = {};  // attn_output when there are exactly 8 experts
};

std::span<const RecipeSpec> recipe_table();
const RecipeSpec* find_recipe(std::string_view name);  // null when unknown

}  // namespace brinkmap::worker
