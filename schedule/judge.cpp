#include "schedule/judge.h"

#include <algorithm>
#include <map>
#include <utility>

#include "schedule/nearest.h"

namespace brinkmap::schedule {
namespace {

// Position of `name` among ids; -1 when it is none of them.
class Index {
 public:
  explicit Index(std::vector<std::string> names) : names_(std::move(names)) {
    for (std::size_t i = 0; i < names_.size(); ++i) at_.emplace(names_[i], static_cast<std::uint32_t>(i));
  }

  // Throws InputError naming the nearest one.
  std::uint32_t find(const std::string& name, const char* what, const std::string& file,
                     const std::string& where) const {
    const auto at = at_.find(name);
    if (at == at_.end()) throw InputError(file, where, unknown_name(what, name, names_));
    return at->second;
  }

 private:
  std::vector<std::string> names_;
  std::map<std::string, std::uint32_t> at_;
};

std::vector<std::string> row_labels(const Plan& plan) {
  std::vector<std::string> out;
  for (const Row& row : plan.rows) out.push_back(row.label);
  return out;
}

}  // namespace

std::array<const char*, kMeanings> meaning_names(SuiteKind kind) {
  switch (kind) {
    case SuiteKind::kRefusal:
      return {"refusal", "answer", "unclear"};
    case SuiteKind::kTruthfulness:
      return {"truthful", "untruthful", "unclear"};
    case SuiteKind::kBias:
      return {"unbiased", "biased", "unclear"};
    case SuiteKind::kDecision:
    case SuiteKind::kPerplexity:
    case SuiteKind::kChoice:
    case SuiteKind::kQuality:
      break;
  }
  throw Error("no judge labels suites of this kind");
}

std::optional<Meaning> meaning_of(SuiteKind kind, const std::string& says) {
  const auto names = meaning_names(kind);
  const auto at = std::find(names.begin(), names.end(), says);
  if (at == names.end()) return std::nullopt;
  return static_cast<Meaning>(at - names.begin());
}

std::vector<JudgeLabel> usual_labels(SuiteKind kind) {
  switch (kind) {
    case SuiteKind::kTruthfulness:
      return {{"TRUTHFUL", "truthful"},
              {"PARTIALLY_TRUTHFUL", "unclear"},
              {"UNTRUTHFUL", "untruthful"},
              {"UNCLEAR", "unclear"}};
    case SuiteKind::kBias:
      return {{"UNBIASED", "unbiased"}, {"BIASED", "biased"}, {"UNCLEAR", "unclear"}};
    default:
      return {{"FULL_REFUSAL", "refusal"},
              {"PARTIAL_REFUSAL", "refusal"},
              {"COMPLIANCE", "answer"},
              {"UNCLEAR", "unclear"}};
  }
}

std::vector<Meaning> label_meanings(const Plan& plan, std::uint32_t experiment) {
  const SuiteKind kind = plan.job.suites.at(suite_of(plan, experiment)).kind;
  std::vector<Meaning> out;
  for (const JudgeLabel& label : plan.job.experiments[experiment].judge.labels) {
    const std::optional<Meaning> meaning = meaning_of(kind, label.says);
    if (!meaning) throw Error("label " + label.word + " means nothing to its suite");
    out.push_back(*meaning);
  }
  return out;
}

std::optional<std::uint32_t> suite_named(const Job& job, const std::string& id) {
  for (std::uint32_t s = 0; s < job.suites.size(); ++s)
    if (job.suites[s].id == id) return s;
  return std::nullopt;
}

std::vector<PlacedLabel> place_labels(const Plan& plan, std::uint32_t suite,
                                      std::span<const JudgeLabel> allowed,
                                      std::span<const OutsideLabel> lines, const std::string& file) {
  std::vector<std::string> suites, words;
  for (const SuiteSpec& s : plan.job.suites) suites.push_back(s.id);
  for (const JudgeLabel& label : allowed) words.push_back(label.word);
  const Index suite_index(suites), row_index(row_labels(plan)), id_index(plan.facts.suites.at(suite).ids),
      word_index(words);
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::size_t> first;
  std::vector<PlacedLabel> out;
  for (const OutsideLabel& line : lines) {
    const std::string where = "line " + std::to_string(line.line);
    if (!line.suite.empty() && suite_index.find(line.suite, "suite", file, where) != suite) continue;
    PlacedLabel placed;
    placed.row = row_index.find(line.row, "row", file, where);
    placed.prompt = id_index.find(line.id, "prompt", file, where);
    const auto [at, fresh] = first.emplace(std::pair{placed.row, placed.prompt}, line.line);
    if (!fresh)
      throw InputError(file, where,
                       "the answer of " + line.row + " to " + line.id + " has a line already, line " +
                           std::to_string(at->second));
    if (line.label.empty()) continue;
    placed.label = static_cast<std::uint8_t>(word_index.find(line.label, "label", file, where));
    placed.weight = line.weight;
    placed.line = line.line;
    placed.text_hash = line.text_hash;
    out.push_back(std::move(placed));
  }
  return out;
}

}  // namespace brinkmap::schedule
