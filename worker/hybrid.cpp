#include "worker/hybrid.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "worker/recipe_grammar.h"
#include "worker/recipe_table.h"

namespace brinkmap::worker {

namespace {

constexpr std::array<std::string_view, 8> kFigures{"alpha",       "slope",     "k90",      "entropy",
                                                   "stable_rank", "nf4_error", "kurtosis", "depth"};
constexpr double kMostMegabytes = 0x1p50 / 1e6;

bool is_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  });
}

// The number before `unit`, which ends `text`.
template <class N>
std::optional<N> take_number(std::string_view text, std::string_view before, std::string_view unit) {
  if (!text.starts_with(before) || !text.ends_with(unit) || text.size() < before.size() + unit.size())
    return std::nullopt;
  text = text.substr(before.size(), text.size() - before.size() - unit.size());
  N value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool read_amount(std::string_view text, HybridSelection& out) {
  if (const auto percent = take_number<double>(text, "", "%")) {
    out.percent = *percent;
    return out.percent >= 0 && out.percent <= 100;
  }
  const auto megabytes = take_number<double>(text, "", "MB");
  if (!megabytes || !(*megabytes >= 1e-6) || *megabytes > kMostMegabytes) return false;
  out.budget = static_cast<std::uint64_t>(std::llround(*megabytes * 1e6));
  return true;
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t comma = text.find(',');
    words.push_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return words;
    text.remove_prefix(comma + 1);
  }
}

std::optional<HybridSelection> parse_selection(const std::vector<std::string_view>& words) {
  HybridSelection out;
  out.by = words[0];
  std::size_t at = 1;
  const auto next = [&] { return at < words.size() ? words[at++] : std::string_view(); };
  if (out.by == "each" || out.by == "type" || out.by == "block") {
    out.of = next();
    const bool known = out.by != "each" || out.of == "module" || out.of == "type" || out.of == "block";
    return known && is_name(out.of) && at == words.size() ? std::optional(out) : std::nullopt;
  }
  const bool random = out.by == "random";
  if (!random) {
    if (std::find(kFigures.begin(), kFigures.end(), out.by) == kFigures.end()) return std::nullopt;
    const std::string_view side = next();
    if (side != "top" && side != "bottom") return std::nullopt;
    out.top = side == "top";
  }
  if (!read_amount(next(), out)) return std::nullopt;
  if (at < words.size() && words[at] == "model") {
    out.within_model = true;
    ++at;
  }
  if (random) {
    const auto draw = take_number<std::uint32_t>(next(), "draw", "");
    if (!draw) return std::nullopt;
    out.draw = *draw;
  }
  return at == words.size() ? std::optional(out) : std::nullopt;
}

// "KEEP(...)" with what is between the parentheses.
std::optional<HybridPart> parse_part(std::string_view text) {
  const std::size_t open = text.find('(');
  if (open == std::string_view::npos || !text.ends_with(')') || !is_name(text.substr(0, open)))
    return std::nullopt;
  HybridPart part;
  part.keep = text.substr(0, open);
  const std::vector<std::string_view> words = split(text.substr(open + 1, text.size() - open - 2));
  if (words[0] == "list") {
    for (std::size_t i = 1; i < words.size(); ++i) {
      if (!is_name(words[i])) return std::nullopt;
      part.modules.emplace_back(words[i]);
    }
    return part;
  }
  part.select = parse_selection(words);
  return part.select ? std::optional(part) : std::nullopt;
}

}  // namespace

std::optional<HybridRecipe> parse_hybrid(std::string_view name) {
  HybridRecipe recipe;
  std::size_t plus = name.find('+');
  recipe.rest = name.substr(0, plus);
  if (plus == std::string_view::npos || !is_name(recipe.rest)) return std::nullopt;
  while (plus != std::string_view::npos) {
    name.remove_prefix(plus + 1);
    plus = name.find('+');
    std::optional<HybridPart> part = parse_part(name.substr(0, plus));
    if (!part) return std::nullopt;
    recipe.parts.push_back(std::move(*part));
  }
  const bool several = recipe.parts.size() > 1;
  for (const HybridPart& part : recipe.parts)
    if (several && part.select) return std::nullopt;
  return recipe;
}

std::string hybrid_pattern() {
  std::string figures;
  for (const std::string_view figure : kFigures)
    figures += (figures.empty() ? "" : ",") + std::string(figure);
  return "REST+KEEP({" + figures + "},{top,bottom},SHARE%), REST+KEEP(random,SHARE%,drawN), " +
         "REST+KEEP({type,block,each,list},...)";
}

bool is_hybrid_side(std::string_view name) {
  if (const RecipeSpec* spec = find_recipe(name)) return spec->format.has_value();
  const auto packing = parse_packing(name);
  return packing && (packing->packing == Packing::kMlx || packing->packing == Packing::kNf4);
}

}  // namespace brinkmap::worker
