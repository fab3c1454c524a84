#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Names of the recipes that pack groups of weights with numbers in their names: mlx-4-g64, nf4-dq,
// gptq-3-g128-act.
namespace brinkmap::worker {

enum class Packing : std::uint8_t { kMlx, kNf4, kAwq, kGptq };

// A family of names: its word, then "-B" if it states bits, "-gG" if it states a group (0: "-row"), then
// options in this order, each at most once. A new family is a row in recipe_grammar.cpp.
struct PackingGrammar {
  Packing packing;
  std::string_view word;
  std::string_view pattern;  // for help and errors
  std::string_view help;     // one line
  std::span<const int> bits;
  std::span<const int> groups;
  std::span<const std::string_view> options;
};

struct PackingRecipe {
  Packing packing{};
  int bits = 4;
  int group = 64;  // 0: the whole row
  std::vector<std::string> options;

  bool has(std::string_view option) const {
    return std::find(options.begin(), options.end(), option) != options.end();
  }
};

std::span<const PackingGrammar> packing_grammars();

// Nothing when `name` fits no family exactly.
std::optional<PackingRecipe> parse_packing(std::string_view name);

}  // namespace brinkmap::worker
