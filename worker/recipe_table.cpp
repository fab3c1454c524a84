#include "worker/recipe_table.h"

#include <array>

namespace brinkmap::worker {

namespace {

using kernels::Format;

constexpr std::array kRecipes{
    RecipeSpec{.name = "bf16", .help = "bfloat16, 16 bits", .format = Format::kBF16, .file_type = 32},
    RecipeSpec{.name = "f16", .help = "IEEE half, 16 bits", .format = Format::kF16, .file_type = 1},
    RecipeSpec{.name = "q8_0", .help = "blocks of 32, 8.5 bits", .format = Format::kQ8_0, .file_type = 7},
    RecipeSpec{.name = "q6_k", .help = "6.6 bits", .format = Format::kQ6_K, .file_type = 18},
    RecipeSpec{.name = "q5_k_m",
               .help = "5.5 bits, sensitive matrices at 6.6",
               .format = Format::kQ5_K,
               .file_type = 17,
               .attn_qkv = Format::kQ6_K,
               .more_bits = Format::kQ6_K},
    RecipeSpec{.name = "q5_k_s", .help = "5.5 bits", .format = Format::kQ5_K, .file_type = 16},
    RecipeSpec{.name = "q4_k_m",
               .help = "4.5 bits, sensitive matrices at 6.6",
               .format = Format::kQ4_K,
               .file_type = 15,
               .attn_qkv = Format::kQ5_K,
               .more_bits = Format::kQ6_K,
               .attn_output_8x = Format::kQ5_K},
    RecipeSpec{.name = "q4_k_s",
               .help = "4.5 bits, first values and down projections at 5.5",
               .format = Format::kQ4_K,
               .file_type = 14,
               .attn_v_first = {4, Format::kQ5_K},
               .ffn_down_first = {8, Format::kQ5_K},
               .attn_output_8x = Format::kQ5_K},
    RecipeSpec{.name = "iq4_nl",
               .help = "uneven levels in blocks of 32, 4.5 bits",
               .format = Format::kIQ4_NL,
               .file_type = 25,
               .attn_v_gqa4 = Format::kQ5_K,
               .ffn_down_first = {8, Format::kQ5_K},
               .attn_output_8x = Format::kQ5_K},
    RecipeSpec{.name = "iq4_xs",
               .help = "uneven levels, 4.25 bits",
               .format = Format::kIQ4_XS,
               .file_type = 30,
               .attn_v_gqa4 = Format::kQ5_K,
               .ffn_down_first = {8, Format::kQ5_K},
               .attn_output_8x = Format::kQ5_K},
    RecipeSpec{.name = "q3_k_m",
               .help = "3.4 bits, sensitive matrices at 4.5 or 5.5",
               .format = Format::kQ3_K,
               .file_type = 12,
               .attn_v = Format::kQ4_K,
               .attn_v_gqa4 = Format::kQ4_K,
               .attn_qkv = Format::kQ4_K,
               .attn_output = Format::kQ4_K,
               .ffn_down = Format::kQ4_K,
               .attn_v_first = {2, Format::kQ5_K},
               .ffn_down_first = {16, Format::kQ5_K},
               .attn_output_8x = Format::kQ5_K},
    RecipeSpec{.name = "q3_k_s",
               .help = "3.4 bits",
               .format = Format::kQ3_K,
               .file_type = 11,
               .attn_output_8x = Format::kQ5_K},
    RecipeSpec{.name = "q2_k",
               .help = "2.6 bits, sensitive matrices at 3.4 or 4.5",
               .format = Format::kQ2_K,
               .file_type = 10,
               .attn_v = Format::kQ3_K,
               .attn_v_gqa4 = Format::kQ4_K,
               .attn_output = Format::kQ3_K,
               .ffn_down = Format::kQ3_K,
               .attn_output_8x = Format::kQ5_K},
    RecipeSpec{.name = "as-is", .help = "the file's own formats, unchanged"},
};

}  // namespace

std::span<const RecipeSpec> recipe_table() { return kRecipes; }

const RecipeSpec* find_recipe(std::string_view name) {
  for (const RecipeSpec& recipe : kRecipes)
    if (recipe.name == name) return &recipe;
  return nullptr;
}

}  // namespace brinkmap::worker
