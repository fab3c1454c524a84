#include "worker/recipe_packing.h"

#include <string>

#include "kernels/block.h"
#include "schedule/error.h"
#include "worker/gguf_parse.h"
#include "worker/recipe_calibrated.h"

namespace brinkmap::worker {

namespace {

using kernels::Format;

bool is_embedding_or_head(const GgufTensor& tensor) {
  return tensor.name == "token_embd.weight" || tensor.name == "output.weight";
}

}  // namespace

Format packed_format(const Checkpoint& file, const GgufTensor& tensor, const PackingRecipe& recipe) {
  if (const auto calibrated = as_calibrated(recipe)) return calibrated_format(file, tensor, *calibrated);
  const bool mlx = recipe.packing == Packing::kMlx;
  if (is_embedding_or_head(tensor)) {
    if (!mlx) return tensor.format;
    if (recipe.has("e16")) return tensor.format == Format::kF32 ? Format::kBF16 : tensor.format;
  }
  const Format format = mlx ? kernels::affine_format(recipe.bits, recipe.group) : Format::kNF4;
  const int block = kernels::format_info(format).block;
  if (tensor.shape[0] % block != 0)
    throw InputError(file.path(), "tensor '" + printable(tensor.name) + "'",
                     "rows of " + std::to_string(tensor.shape[0]) + " weights are no whole groups of " +
                         std::to_string(block));
  return format;
}

kernels::ScaleType scale_type(Format weights) {
  if (weights == Format::kBF16) return kernels::ScaleType::kBF16;
  return weights == Format::kF16 ? kernels::ScaleType::kF16 : kernels::ScaleType::kF32;
}

std::uint64_t packed_bytes(const GgufTensor& tensor, Format format, const PackingRecipe& recipe) {
  const auto n = static_cast<std::uint64_t>(tensor.elements());
  if (kernels::affine_shape(format).bits != 0) {
    if (const auto calibrated = as_calibrated(recipe))
      return packed_bytes(*calibrated, tensor.shape[1], tensor.shape[0]);
    const std::uint64_t scale = scale_type(tensor.format) == kernels::ScaleType::kF32 ? 4 : 2;
    return n * static_cast<std::uint64_t>(recipe.bits) / 8 +
           n / static_cast<std::uint64_t>(recipe.group) * 2 * scale;
  }
  if (format != Format::kNF4) return kernels::row_bytes(format, tensor.elements());
  const std::uint64_t blocks = n / kernels::kNF4Block;
  return n / 2 + (recipe.has("dq") ? blocks + (blocks + 255) / 256 * 4 : blocks * 4);
}

}  // namespace brinkmap::worker
