#include "worker/recipe_grammar.h"

#include <array>

namespace brinkmap::worker {

namespace {

constexpr std::array kMlxBits{2, 3, 4, 6, 8};
constexpr std::array kMlxGroups{32, 64, 128};
constexpr std::array<std::string_view, 1> kMlxOptions{"e16"};
constexpr std::array<std::string_view, 1> kNf4Options{"dq"};

constexpr std::array kAwqBits{4};
constexpr std::array kGptqBits{2, 3, 4, 8};
constexpr std::array kGptqGroups{32, 64, 128, 0};
constexpr std::array<std::string_view, 3> kGptqOptions{"act", "static", "sym"};

constexpr std::array kGrammars{
    PackingGrammar{Packing::kMlx, "mlx", "mlx-{2,3,4,6,8}-g{32,64,128}[-e16]",
                   "MLX affine groups in every matrix; -e16: embedding and head stay at 16 bits", kMlxBits,
                   kMlxGroups, kMlxOptions},
    PackingGrammar{Packing::kNf4,
                   "nf4",
                   "nf4[-dq]",
                   "bitsandbytes NF4, blocks of 64, embedding and head as they are; -dq: 8-bit scales",
                   {},
                   {},
                   kNf4Options},
    PackingGrammar{Packing::kAwq,
                   "awq",
                   "awq-4-g{32,64,128}",
                   "AutoAWQ: scaled and clipped by calibration text, embedding and head at 16 bits",
                   kAwqBits,
                   kMlxGroups,
                   {}},
    PackingGrammar{Packing::kGptq, "gptq", "gptq-{2,3,4,8}-{g32,g64,g128,row}[-act][-static][-sym]",
                   "GPTQ by calibration text, embedding and head at 16 bits; -act: activation order",
                   kGptqBits, kGptqGroups, kGptqOptions},
};

// Takes "-PREFIX" and one of `values` off the front of `rest`.
std::optional<int> take_number(std::string_view& rest, std::string_view prefix, std::span<const int> values) {
  for (int value : values) {
    const std::string part = value == 0 ? "-row" : "-" + std::string(prefix) + std::to_string(value);
    if (!rest.starts_with(part)) continue;
    const std::string_view after = rest.substr(part.size());
    if (!after.empty() && after.front() != '-') continue;
    rest = after;
    return value;
  }
  return std::nullopt;
}

std::optional<PackingRecipe> parse(const PackingGrammar& grammar, std::string_view name) {
  if (!name.starts_with(grammar.word)) return std::nullopt;
  std::string_view rest = name.substr(grammar.word.size());
  PackingRecipe recipe;
  recipe.packing = grammar.packing;
  if (!grammar.bits.empty()) {
    const std::optional<int> bits = take_number(rest, "", grammar.bits);
    if (!bits) return std::nullopt;
    recipe.bits = *bits;
  }
  if (!grammar.groups.empty()) {
    const std::optional<int> group = take_number(rest, "g", grammar.groups);
    if (!group) return std::nullopt;
    recipe.group = *group;
  }
  for (std::string_view option : grammar.options) {
    const std::string part = "-" + std::string(option);
    if (!rest.starts_with(part)) continue;
    rest.remove_prefix(part.size());
    recipe.options.emplace_back(option);
  }
  return rest.empty() ? std::optional(recipe) : std::nullopt;
}

}  // namespace

std::span<const PackingGrammar> packing_grammars() { return kGrammars; }

std::optional<PackingRecipe> parse_packing(std::string_view name) {
  for (const PackingGrammar& grammar : kGrammars)
    if (std::optional<PackingRecipe> recipe = parse(grammar, name)) return recipe;
  return std::nullopt;
}

}  // namespace brinkmap::worker
