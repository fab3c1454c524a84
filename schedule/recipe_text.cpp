#include "schedule/recipe_text.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

namespace brinkmap::schedule {
namespace {

constexpr std::size_t kMostModules = 4096;
constexpr std::size_t kMostLists = 16;
constexpr std::size_t kMostFormats = 16;
constexpr std::size_t kLongestHybrid = std::size_t{1} << 19;
constexpr std::int64_t kMostBudget = std::int64_t{1} << 50;  // up to here its text in MB is exact

struct Selection {
  std::string by;
  std::string side;
  double fraction = 0;
  std::int64_t budget = 0;  // bytes of the whole row
  std::string within = "type";
  int draw = 0;
  std::vector<std::string> modules;
};

struct List {
  std::string keep;
  std::vector<std::string> modules;
};

struct Hybrid {
  std::string keep, rest;
  Selection select;
  std::vector<List> lists;
};

// One row for each module, type or block of a model: that one in a format of `to`, everything else in `rest`.
struct Each {
  std::string of, rest;
  std::vector<std::string> to;
};

struct RecipeMap {
  Hybrid hybrid;
  Each each;
};

template <class T>
Key<T> word_key(std::string name, std::string T::*member, const std::vector<std::string>& words,
                std::string meaning) {
  std::vector<std::pair<std::string, std::string>> choices;
  for (const std::string& word : words) choices.emplace_back(word, word);
  return choice_key(std::move(name), member, std::move(choices), std::move(meaning));
}

Key<Selection> without_default(Key<Selection> key) {
  key.show = [](const Selection&) { return std::string(); };
  return key;
}

template <class T>
Key<T> modules_key() {
  return {"modules",
          Need::kOptional,
          Role::kValue,
          "list of matrices, e.g. blk.0.attn_q",
          "matrices that are kept",
          [](const Place& p, const YAML::Node& n, T& out) {
            if (!n.IsSequence()) p.fail(n, "expected a list of matrices, found " + quoted(n));
            if (n.size() > kMostModules)
              p.fail(n, "expected at most " + std::to_string(kMostModules) + " matrices, found " +
                            std::to_string(n.size()));
            std::set<std::string> seen;
            for (std::size_t i = 0; i < n.size(); ++i) {
              out.modules.push_back(read_id(p.item(i), n[i]));
              if (!seen.insert(out.modules.back()).second)
                p.fail(n[i], "matrix '" + out.modules.back() + "' is given twice");
            }
          },
          [](const T&) { return std::string(); }};
}

Key<Selection> budget_key(std::string name, double unit, std::string meaning) {
  const std::string accepts = "positive number";
  return {std::move(name),
          Need::kOptional,
          Role::kValue,
          accepts,
          std::move(meaning),
          [=](const Place& p, const YAML::Node& n, Selection& out) {
            if (out.budget != 0) p.fail(n, "expected one budget, found budget_bytes and budget_gb");
            const double most = static_cast<double>(kMostBudget) / unit;
            out.budget = std::llround(read_number(p, n, 1 / unit, most, accepts) * unit);
          },
          [](const Selection&) { return std::string(); }};
}

const std::vector<Key<Selection>>& selection_keys() {
  static const std::vector<Key<Selection>> keys{
      word_key("by", &Selection::by,
               {"alpha", "slope", "k90", "entropy", "stable_rank", "nf4_error", "kurtosis", "depth", "random",
                "list"},
               "what ranks the matrices of the blocks; list: `modules` names them")
          .required(),
      word_key("side", &Selection::side, {"top", "bottom"},
               "keep those with the largest or the smallest values"),
      without_default(
          number_key("fraction", &Selection::fraction, 0, 1, "share of the matrices that is kept")),
      budget_key("budget_bytes", 1, "bytes that the whole row may take: the first that fit are kept"),
      budget_key("budget_gb", 1e9, "the same in 10^9 bytes"),
      word_key("within", &Selection::within, {"type", "model"},
               "type: matrices are compared with those of their kind in other blocks; model: with all"),
      without_default(integer_key("draw", &Selection::draw, 0, 1000000,
                                  "by: random: number of the draw, keyed by the job's seed")),
      modules_key<Selection>(),
  };
  return keys;
}

const std::vector<Key<List>>& list_keys() {
  static const std::vector<Key<List>> keys{
      id_key("keep", &List::keep, "recipe of the matrices").required(),
      modules_key<List>(),
  };
  return keys;
}

const std::vector<Key<Hybrid>>& hybrid_keys() {
  static const std::vector<Key<Hybrid>> keys{
      id_key("keep", &Hybrid::keep, "recipe of the matrices that are selected"),
      id_key("rest", &Hybrid::rest, "recipe of everything else").required(),
      map_key("select", &Hybrid::select, selection_keys(), "which matrices are kept"),
      list_key("lists", &Hybrid::lists, list_keys(), kMostLists,
               "instead of keep and select: several recipes, each with its matrices"),
  };
  return keys;
}

Key<Each> to_key() {
  return {"to",
          Need::kRequired,
          Role::kValue,
          "list of recipes",
          "recipes that the matrices of a row take, one row for each",
          [](const Place& p, const YAML::Node& n, Each& out) {
            if (!n.IsSequence() || n.size() == 0 || n.size() > kMostFormats)
              p.fail(n, "expected a list of 1.." + std::to_string(kMostFormats) + " recipes, found " +
                            (n.IsSequence() ? std::to_string(n.size()) : quoted(n)));
            for (std::size_t i = 0; i < n.size(); ++i) {
              const std::string format = read_id(p.item(i), n[i]);
              if (std::find(out.to.begin(), out.to.end(), format) != out.to.end())
                p.fail(n[i], "recipe '" + format + "' is given twice");
              out.to.push_back(format);
            }
          },
          [](const Each&) { return std::string(); }};
}

const std::vector<Key<Each>>& each_keys() {
  static const std::vector<Key<Each>> keys{
      word_key("of", &Each::of, {"module", "type", "block"},
               "what changes in a row: a matrix of the blocks, all of a kind, or all of a block")
          .required(),
      id_key("rest", &Each::rest, "recipe of everything else").required(),
      to_key(),
  };
  return keys;
}

const std::vector<Key<RecipeMap>>& recipe_keys() {
  static const std::vector<Key<RecipeMap>> keys{
      map_key("hybrid", &RecipeMap::hybrid, hybrid_keys(), "two recipes, one for selected matrices"),
      map_key("each", &RecipeMap::each, each_keys(), "rows that change one part of the model each"),
  };
  return keys;
}

std::string joined(const List& list) {
  std::string text = "+" + list.keep + "(list";
  for (const std::string& module : list.modules) text += "," + module;
  return text + ")";
}

std::string amount(const Selection& s) {
  if (s.budget != 0) return show_number(static_cast<double>(s.budget) / 1e6) + "MB";
  return show_number(std::round(s.fraction * 1e6) / 1e4) + "%";
}

std::string text_of(const Place& place, const YAML::Node& node, const Hybrid& h) {
  const Place at = place.inside("select");
  const YAML::Node select = node["select"];
  if (!h.lists.empty()) {
    if (!h.keep.empty() || select) place.fail(node, "expected keep and select, or lists; found both");
    std::string text = h.rest;
    for (const List& list : h.lists) text += joined(list);
    return text;
  }
  if (h.keep.empty()) place.fail(node, "key 'keep' is missing (recipe of the matrices that are selected)");
  if (!select) place.fail(node, "key 'select' is missing (which matrices are kept)");
  const Selection& s = h.select;
  const bool list = s.by == "list", random = s.by == "random", ranked = !list && !random;
  const auto only = [&](bool given, bool wanted, const char* key, const char* kinds) {
    if (given && !wanted) at.inside(key).fail(select[key], std::string("goes with by: ") + kinds + " only");
    if (!given && wanted)
      at.fail(select, "key '" + std::string(key) + "' is missing: by: " + s.by + " needs it");
  };
  only(select["modules"].IsDefined(), list, "modules", "list");
  only(select["side"].IsDefined(), ranked, "side", "a figure of the matrices");
  only(select["draw"].IsDefined(), random, "draw", "random");
  if (list) {
    for (const char* key : {"fraction", "budget_bytes", "budget_gb", "within"})
      only(select[key].IsDefined(), false, key, "a figure of the matrices, or random");
    return h.rest + joined({h.keep, s.modules});
  }
  if (select["fraction"].IsDefined() == (s.budget != 0))
    at.fail(select, std::string("expected fraction or a budget, found ") + (s.budget != 0 ? "both" : "none"));
  return h.rest + "+" + h.keep + "(" + s.by + "," + (random ? "" : s.side + ",") + amount(s) +
         (s.within == "model" ? ",model" : "") + (random ? ",draw" + std::to_string(s.draw) : "") + ")";
}

// FNV-1a, 32 bits: only to tell lists of modules apart in a label.
std::string short_hash(std::string_view text) {
  std::uint32_t hash = 2166136261u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  char digits[9];
  std::snprintf(digits, sizeof digits, "%08x", hash);
  return digits;
}

}  // namespace

std::vector<std::string> read_recipes(const Place& place, const YAML::Node& node) {
  if (node.IsMap()) {
    RecipeMap map;
    read_map(place, node, recipe_keys(), map);
    if (node.size() != 1)
      place.fail(node, "expected one of the keys hybrid and each, found " + std::to_string(node.size()));
    if (node["hybrid"]) return {text_of(place.inside("hybrid"), node["hybrid"], map.hybrid)};
    std::vector<std::string> recipes;
    for (const std::string& format : map.each.to)
      recipes.push_back(map.each.rest + "+" + format + "(each," + map.each.of + ")");
    return recipes;
  }
  if (!node.IsScalar() || node.Scalar().find('(') == std::string::npos) return {read_id(place, node)};
  const std::string text = read_text(place, node, kLongestHybrid);
  for (const char c : text)
    if (std::string_view(" \"'\\").find(c) != std::string_view::npos || static_cast<unsigned char>(c) < 0x21)
      place.fail(node, "expected a recipe without spaces and quotes, found " + quoted(node));
  return {text};
}

std::string recipe_label(std::string_view recipe) {
  constexpr std::string_view kList = "(list";
  std::string out;
  while (true) {
    const std::size_t at = recipe.find(kList);
    const std::size_t end = at == std::string_view::npos ? at : recipe.find(')', at);
    if (end == std::string_view::npos) return out + std::string(recipe);
    const std::string_view modules = recipe.substr(at + kList.size(), end - at - kList.size());
    const auto count = std::count(modules.begin(), modules.end(), ',');
    out += std::string(recipe.substr(0, at)) + "(" +
           (count == 1 ? std::string(modules.substr(1))
                       : std::to_string(count) + " listed," + short_hash(modules)) +
           ")";
    recipe.remove_prefix(end + 1);
  }
}

std::string describe_recipe_keys() {
  std::string out;
  describe_keys(out, "recipes[].hybrid", hybrid_keys());
  describe_keys(out, "recipes[].hybrid.select", selection_keys());
  describe_keys(out, "recipes[].hybrid.lists[]", list_keys());
  describe_keys(out, "recipes[].each", each_keys());
  return out;
}

}  // namespace brinkmap::schedule
