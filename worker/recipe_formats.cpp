#include <algorithm>
#include <map>
#include <set>

#include "schedule/error.h"
#include "worker/gguf_parse.h"
#include "worker/hybrid.h"
#include "worker/matrices.h"
#include "worker/recipe.h"
#include "worker/recipe_calibrated.h"
#include "worker/recipe_packing.h"
#include "worker/recipe_table.h"

// Which tensor gets which format: llama.cpp's choices (src/llama-quant.cpp: llama_model_quantize_impl decides
// which tensors are quantized, llama_tensor_get_type with what), as of February 2025, without importance
// matrix.
namespace brinkmap::worker {

namespace {

using kernels::Format;

bool holds(std::string_view name, std::string_view part) { return name.find(part) != std::string_view::npos; }

// The first and last eighth of the layers, and every third between.
bool use_more_bits(int i, int n) { return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2; }

// What the choice for a tensor depends on besides its name.
struct ModelTraits {
  std::string architecture;
  bool tied_output = false;
  int layers = 0;
  std::int64_t gqa = 1;  // query heads per key head
  std::int64_t experts = 0;
  bool is_70b =
      false;  // 80 layers and fewer key heads than heads: attn_v is small enough to be given more bits
  std::map<int, int> attn_v_rank;  // layer -> how many layers before it have their own value projection
  std::map<int, int> ffn_down_rank;
  int values = 0;  // tensors that hold a value projection, fused ones included
};

std::map<int, int> ranks(const std::set<int>& layers) {
  std::map<int, int> out;
  int rank = 0;
  for (int layer : layers) out.emplace(layer, rank++);
  return out;
}

// A count that may be one number or, in some architectures, one a layer (the first counts).
std::int64_t count_or(const Checkpoint& file, const std::string& key, std::int64_t fallback) {
  if (!file.has(key)) return fallback;
  if (file.metadata().at(key).type != kGgufArray) return file.integer(key);
  const std::vector<std::int64_t> values = file.integers(key);
  return values.empty() ? fallback : values.front();
}

ModelTraits read_traits(const Checkpoint& file) {
  ModelTraits traits;
  traits.architecture = file.text("general.architecture");
  const std::string& arch = traits.architecture;
  traits.tied_output = file.find("output.weight") == nullptr;
  const std::int64_t layers = file.integer_or(arch + ".block_count", 0);
  const std::int64_t heads = count_or(file, arch + ".attention.head_count", 1);
  const std::int64_t key_heads = count_or(file, arch + ".attention.head_count_kv", heads);
  traits.experts = count_or(file, arch + ".expert_count", 0);
  traits.gqa = key_heads > 0 ? heads / key_heads : 0;
  if (layers < 0 || layers > 100000)
    throw InputError(file.path(), "metadata key '" + printable(arch) + ".block_count'",
                     "expected 0 to 100000, found " + std::to_string(layers));
  traits.layers = static_cast<int>(layers);
  traits.is_70b = layers == 80 && (arch == "qwen2" || (arch == "llama" && heads != key_heads));
  std::set<int> with_value, with_down;
  for (const GgufTensor& tensor : file.tensors()) {
    const int layer = layer_of(tensor.name);
    if (holds(tensor.name, "attn_v.weight")) with_value.insert(layer);
    if (holds(tensor.name, "attn_v.weight") || holds(tensor.name, "attn_qkv.weight") ||
        holds(tensor.name, "attn_kv_b.weight"))
      ++traits.values;
    if (holds(tensor.name, "ffn_down")) with_down.insert(layer);
  }
  traits.attn_v_rank = ranks(with_value);
  traits.ffn_down_rank = ranks(with_down);
  return traits;
}

Format choose(const RecipeSpec& recipe, const ModelTraits& model, const GgufTensor& tensor) {
  const Format base = *recipe.format;
  const std::string& name = tensor.name;
  if (name == "output.weight" || (model.tied_output && name == "token_embd.weight")) {
    if (model.architecture == "falcon" || tensor.shape[0] % kernels::format_info(base).block != 0)
      return Format::kQ8_0;
    return base == Format::kQ8_0 ? base : Format::kQ6_K;
  }
  if (name == "token_embd.weight") return base;
  if (holds(name, "attn_v.weight")) {
    Format format = (model.gqa >= 4 ? recipe.attn_v_gqa4 : recipe.attn_v).value_or(base);
    const int rank = model.attn_v_rank.at(layer_of(name));
    if (rank < recipe.attn_v_first.n) format = recipe.attn_v_first.format;
    if (recipe.more_bits && use_more_bits(rank, model.values)) format = *recipe.more_bits;
    if (model.is_70b && (format == Format::kQ3_K || format == Format::kQ4_K)) format = Format::kQ5_K;
    return model.experts == 8 ? Format::kQ8_0 : format;
  }
  if (holds(name, "attn_k.weight")) return model.experts == 8 ? Format::kQ8_0 : base;
  if (holds(name, "ffn_down")) {
    const int layer = model.experts > 1 ? layer_of(name) : model.ffn_down_rank.at(layer_of(name));
    const RecipeSpec::First& first = recipe.ffn_down_first;
    if (first.n != 0 && layer < model.layers / first.n) return first.format;
    if (recipe.more_bits && use_more_bits(layer, model.layers)) return *recipe.more_bits;
    return recipe.ffn_down.value_or(base);
  }
  if (holds(name, "attn_output.weight") && model.architecture != "falcon")
    return (model.experts == 8 ? recipe.attn_output_8x : recipe.attn_output).value_or(base);
  if (holds(name, "attn_qkv.weight")) return recipe.attn_qkv.value_or(base);
  return base;
}

// Rows that are no multiple of the block take a smaller block of at least as many bits.
Format fit_row(const Checkpoint& file, const GgufTensor& tensor, Format format) {
  const std::int64_t cols = tensor.shape[0];
  if (cols % kernels::format_info(format).block == 0) return format;
  Format smaller{};
  switch (format) {
    case Format::kQ4_K:
      smaller = Format::kQ5_0;
      break;
    case Format::kQ5_K:
      smaller = Format::kQ5_1;
      break;
    case Format::kQ6_K:
      smaller = Format::kQ8_0;
      break;
    case Format::kQ2_K:
    case Format::kQ3_K:
    case Format::kIQ4_XS:
      smaller = Format::kIQ4_NL;
      break;
    default:
      throw InputError(file.path(), "tensor '" + printable(tensor.name) + "'",
                       "rows of " + std::to_string(cols) + " weights do not fit " +
                           std::string(kernels::format_info(format).name) +
                           " and there is no smaller block to fall back to");
  }
  return cols % kernels::format_info(smaller).block == 0 ? smaller : Format::kF16;
}

[[noreturn]] void fail(const Checkpoint& file, std::string_view recipe, const std::string& what) {
  throw InputError(file.path(), "recipe '" + printable(recipe) + "'", what);
}

std::vector<TensorChoice> hybrid_choices(const Checkpoint& file, std::string_view name,
                                         const HybridRecipe& recipe) {
  if (!recipe.resolved()) throw Error("recipe " + std::string(name) + " was not resolved");
  std::vector<TensorChoice> choices = tensor_choices(file, recipe.rest);
  std::set<std::string_view> given;
  for (const HybridPart& part : recipe.parts) {
    const std::vector<TensorChoice> kept = tensor_choices(file, part.keep);
    for (const std::string& module : part.modules) {
      if (!given.insert(module).second) fail(file, name, "matrix '" + module + "' is listed twice");
      const GgufTensor* tensor = file.find(module + ".weight");
      if (tensor == nullptr || !is_matrix(*tensor))
        fail(file, name, "the model has no matrix '" + module + "'");
      const auto at = static_cast<std::size_t>(tensor - file.tensors().data());
      choices[at] = kept[at];
    }
  }
  return choices;
}

}  // namespace

std::vector<TensorChoice> tensor_choices(const Checkpoint& file, std::string_view name) {
  if (!is_recipe(name)) {
    std::string known;
    for (const std::string& r : recipe_names()) known += (known.empty() ? "" : ", ") + r;
    fail(file, wrong_part(name), "unknown; expected one of " + known);
  }
  if (const auto hybrid = parse_hybrid(name)) return hybrid_choices(file, name, *hybrid);
  const RecipeSpec* recipe = find_recipe(name);
  const std::optional<PackingRecipe> packing = parse_packing(name);
  std::vector<TensorChoice> choices;
  for (const GgufTensor& tensor : file.tensors()) choices.push_back({tensor.format, packing});
  if (recipe != nullptr && !recipe->format) return choices;

  for (const GgufTensor& tensor : file.tensors())
    if (kernels::format_info(tensor.format).block != 1)
      throw InputError(
          file.path(), "tensor '" + printable(tensor.name) + "'",
          "is already quantized (" + std::string(kernels::format_info(tensor.format).name) +
              "): nothing is quantized twice, so only the recipe as-is can be used, unless requantizing "
              "is allowed (a job's requantize: true, --allow-requantize)");
  // 16-bit recipes have no mixture: every matrix takes the format.
  const bool mixture = !packing && kernels::format_info(*recipe->format).block != 1;
  ModelTraits model;
  if (mixture) model = read_traits(file);
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const GgufTensor& tensor = file.tensors()[i];
    if (!is_matrix(tensor)) continue;
    choices[i].format = packing   ? packed_format(file, tensor, *packing)
                        : mixture ? fit_row(file, tensor, choose(*recipe, model, tensor))
                                  : *recipe->format;
  }
  return choices;
}

std::vector<Format> tensor_formats(const Checkpoint& file, std::string_view recipe) {
  std::vector<Format> formats;
  for (const TensorChoice& choice : tensor_choices(file, recipe)) formats.push_back(choice.format);
  return formats;
}

std::vector<std::string> recipe_names() {
  std::vector<std::string> names;
  for (const RecipeSpec& recipe : recipe_table()) names.emplace_back(recipe.name);
  for (const PackingGrammar& grammar : packing_grammars()) names.emplace_back(grammar.pattern);
  names.push_back(hybrid_pattern());
  return names;
}

bool is_recipe(std::string_view name) {
  if (find_recipe(name) != nullptr || parse_packing(name)) return true;
  return parse_hybrid(name) && wrong_part(name) == name;
}

std::string wrong_part(std::string_view name) {
  if (const auto hybrid = parse_hybrid(name)) {
    if (!is_hybrid_side(hybrid->rest)) return hybrid->rest;
    for (const HybridPart& part : hybrid->parts)
      if (!is_hybrid_side(part.keep)) return part.keep;
  }
  return std::string(name);
}

bool needs_calibration(std::string_view name) { return parse_calibrated(name).has_value(); }

std::uint64_t choice_bytes(const GgufTensor& tensor, const TensorChoice& choice) {
  if (choice.format == tensor.format)
    return tensor.stored_bytes != 0 ? tensor.stored_bytes : tensor.data.size();
  return choice.packing ? packed_bytes(tensor, choice.format, *choice.packing)
                        : kernels::row_bytes(choice.format, tensor.elements());
}

std::uint64_t recipe_bytes(const Checkpoint& file, std::string_view recipe) {
  const std::vector<TensorChoice> choices = tensor_choices(file, recipe);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < choices.size(); ++i) bytes += choice_bytes(file.tensors()[i], choices[i]);
  return bytes;
}

}  // namespace brinkmap::worker
