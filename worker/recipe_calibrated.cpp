#include "worker/recipe_calibrated.h"

#include <array>

#include "schedule/error.h"
#include "worker/gguf_parse.h"

namespace brinkmap::worker {

std::optional<CalibratedRecipe> as_calibrated(const PackingRecipe& recipe) {
  if (recipe.packing != Packing::kAwq && recipe.packing != Packing::kGptq) return std::nullopt;
  CalibratedRecipe out;
  out.method =
      recipe.packing == Packing::kAwq ? CalibratedRecipe::Method::kAwq : CalibratedRecipe::Method::kGptq;
  out.options.bits = recipe.bits;
  out.options.group = recipe.group;
  out.options.act_order = recipe.has("act");
  out.options.static_groups = recipe.has("static");
  out.options.symmetric = recipe.has("sym");
  return out;
}

std::optional<CalibratedRecipe> parse_calibrated(std::string_view name) {
  const auto recipe = parse_packing(name);
  return recipe ? as_calibrated(*recipe) : std::nullopt;
}

kernels::Format calibrated_format(const Checkpoint& file, const GgufTensor& tensor,
                                  const CalibratedRecipe& recipe) {
  using kernels::Format;
  if (!is_block_linear(tensor.name)) return tensor.format == Format::kF32 ? Format::kF16 : tensor.format;
  const std::int64_t cols = tensor.shape[0], group = stored_group(recipe, cols);
  if (group == 0 || tensor.shape.size() != 2)
    throw InputError(file.path(), "tensor '" + printable(tensor.name) + "'",
                     "expected a matrix with rows of a multiple of " +
                         std::to_string(recipe.options.group > 0 ? recipe.options.group : 32) +
                         " weights, found " + std::to_string(tensor.shape.size()) +
                         " dimensions and rows of " + std::to_string(cols));
  return kernels::affine_format(recipe.options.bits, static_cast<int>(group));
}

std::int64_t stored_group(const CalibratedRecipe& recipe, std::int64_t cols) {
  for (std::int64_t group : {128, 64, 32})
    if (cols % group == 0 && (recipe.options.group == 0 || recipe.options.group == group)) return group;
  return 0;
}

std::uint64_t packed_bytes(const CalibratedRecipe& recipe, std::int64_t rows, std::int64_t cols) {
  const std::int64_t group = recipe.options.group > 0 ? recipe.options.group : cols;
  const std::int64_t groups = rows * (cols / group), bits = recipe.options.bits;
  const std::int64_t order = recipe.method == CalibratedRecipe::Method::kGptq ? 4 * cols : 0;
  return static_cast<std::uint64_t>((rows * cols + groups) * bits / 8 + groups * 2 + order);
}

bool is_block_linear(std::string_view tensor) {
  if (!tensor.starts_with("blk.")) return false;
  tensor.remove_prefix(4);
  const std::size_t dot = tensor.find_first_not_of("0123456789");
  if (dot == 0 || dot == std::string_view::npos || tensor[dot] != '.') return false;
  tensor.remove_prefix(dot + 1);
  constexpr std::array<std::string_view, 8> kLinear = {"attn_q",      "attn_k",   "attn_v", "attn_qkv",
                                                       "attn_output", "ffn_gate", "ffn_up", "ffn_down"};
  for (std::string_view kind : kLinear)
    if (tensor.starts_with(kind) && tensor.substr(kind.size()) == ".weight") return true;
  return false;
}

}  // namespace brinkmap::worker
