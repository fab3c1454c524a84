#include "schedule/search_plan.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "schedule/error.h"

namespace brinkmap::schedule {
namespace {

bool measures_damage(SuiteKind kind) {
  return kind == SuiteKind::kRefusal || kind == SuiteKind::kDecision || kind == SuiteKind::kPerplexity;
}

// The map with another value for a key. Nothing is assigned in place: an alias elsewhere shares the node.
template <class Value>
YAML::Node with(const YAML::Node& map, const std::string& key, const Value& value) {
  YAML::Node out(YAML::NodeType::Map);
  for (const auto& entry : map) {
    const std::string name = entry.first.Scalar();
    if (name == key)
      out[name] = value;
    else
      out[name] = YAML::Clone(entry.second);
  }
  if (!map[key]) out[key] = value;
  return out;
}

YAML::Node stage_suites(const Job& job, const YAML::Node& suites, const Stage& stage) {
  YAML::Node out(YAML::NodeType::Sequence);
  for (std::size_t i = 0; i < job.suites.size(); ++i) {
    const SuiteSpec& spec = job.suites[i];
    if (stage.damage_only && !measures_damage(spec.kind)) continue;
    YAML::Node suite = with(suites[i], "half", stage.half == Half::kFirst ? "first" : "second");
    if (spec.kind == SuiteKind::kRefusal && spec.baseline_tokens == 0)
      suite = with(suite, "baseline_tokens", kSearchBaselineTokens);
    if (stage.damage_only && spec.kind == SuiteKind::kDecision) suite = with(suite, "max_new_tokens", 1);
    out.push_back(suite);
  }
  return out;
}

YAML::Node stage_models(const YAML::Node& models, const Stage& stage) {
  YAML::Node out(YAML::NodeType::Sequence);
  for (std::size_t m = 0; m < models.size(); ++m)
    out.push_back(with(models[m], "recipes", stage.recipes.at(m)));
  return out;
}

}  // namespace

std::string recipe_string(const MixedRecipe& recipe) {
  std::string out = recipe.rest;
  for (const auto& [format, modules] : recipe.lists) {
    out += "+" + format + "(list";
    for (const std::string& module : modules) out += "," + module;
    out += ")";
  }
  return out;
}

std::string recipe_file(std::string_view recipe) {
  constexpr std::string_view kList = "(list";
  if (recipe.find(kList) == std::string_view::npos) return std::string(recipe) + "\n";
  std::size_t plus = recipe.find('+');
  std::string out = "hybrid:\n  rest: " + std::string(recipe.substr(0, plus)) + "\n  lists:\n";
  while (plus != std::string_view::npos) {
    recipe.remove_prefix(plus + 1);
    plus = recipe.find('+');
    const std::string_view part = recipe.substr(0, plus);
    const std::size_t open = part.find(kList);
    if (open == std::string_view::npos || !part.ends_with(')'))
      throw Error("a recipe of lists has a part that is none: " + std::string(part));
    out += "    - keep: " + std::string(part.substr(0, open)) + "\n      modules:\n";
    std::string_view modules = part.substr(open + kList.size(), part.size() - open - kList.size() - 1);
    while (!modules.empty()) {
      modules.remove_prefix(1);  // the comma
      const std::size_t comma = modules.find(',');
      out += "        - " + std::string(modules.substr(0, comma)) + "\n";
      modules.remove_prefix(comma == std::string_view::npos ? modules.size() : comma);
    }
  }
  return out;
}

std::vector<std::uint64_t> first_budgets(std::uint64_t least, std::uint64_t most, int n) {
  if (least >= most || n < 2) return {most};
  const double ratio = static_cast<double>(most) / static_cast<double>(std::max<std::uint64_t>(least, 1));
  std::vector<std::uint64_t> out;
  for (int i = 0; i < n; ++i) {
    const double share = static_cast<double>(i) / (n - 1);
    const auto budget = static_cast<std::uint64_t>(
        std::llround(static_cast<double>(least) * std::exp(share * std::log(ratio))));
    out.push_back(i == 0 ? least : i == n - 1 ? most : std::clamp(budget, least, most));
  }
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

std::vector<std::uint64_t> next_budgets(std::span<const Judged> judged, int n) {
  std::optional<std::uint64_t> pass, fail;
  for (const Judged& j : judged)
    if (j.passes && (!pass || j.bytes < *pass)) pass = j.bytes;
  if (!pass) return {};
  for (const Judged& j : judged)
    if (!j.passes && j.allocated && j.bytes < *pass && (!fail || j.bytes > *fail)) fail = j.bytes;
  if (!fail) return {};
  std::vector<std::uint64_t> out;
  const double step = static_cast<double>(*pass - *fail) / (n + 1);
  for (int i = 1; i <= n; ++i) {
    const std::uint64_t budget = *fail + static_cast<std::uint64_t>(step * i);
    if (budget > *fail && budget < *pass && (out.empty() || out.back() != budget)) out.push_back(budget);
  }
  return out;
}

void check_search(const Job& job) {
  for (std::size_t i = 0; i < job.suites.size(); ++i)
    if (job.suites[i].half != Half::kAll)
      throw InputError(job.path, "suites[" + std::to_string(i) + "].half",
                       "a search takes both halves itself; leave the key out");
  if (std::none_of(job.suites.begin(), job.suites.end(),
                   [](const SuiteSpec& s) { return measures_damage(s.kind); }))
    throw InputError(job.path, "suites",
                     "a search needs a suite of kind refusal, decision or perplexity to measure damage on");
  for (std::size_t i = 0; i < job.experiments.size(); ++i)
    if (!job.experiments[i].judge.labels_file.empty())
      throw InputError(
          job.path, "experiments[" + std::to_string(i) + "].labels_file",
          "a search makes rows and answers that no file has labels of; give the judge a 'model'");
}

std::string stage_text(const Job& job, const Stage& stage) {
  YAML::Node root = with(YAML::Load(job.text), "name", job.name + ", " + stage.name);
  root.remove("search");
  if (stage.damage_only) {
    root.remove("experiments");
    root.remove("encoder");
  }
  root = with(root, "models", stage_models(root["models"], stage));
  root = with(root, "suites", stage_suites(job, root["suites"], stage));
  YAML::Emitter out;
  out << root;
  return std::string(out.c_str()) + "\n";
}

}  // namespace brinkmap::schedule
