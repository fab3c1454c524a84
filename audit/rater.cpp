#include "audit/rater.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "audit/usable.h"

namespace brinkmap::audit {
namespace {

using schedule::Meaning;
using schedule::Results;
using schedule::SuiteKind;

constexpr std::size_t kHashBytes = 32;

std::uint8_t code(Meaning meaning) { return static_cast<std::uint8_t>(meaning); }

Rater unrated(const Results& results, std::string name, std::uint32_t suite) {
  Rater out{std::move(name), suite, {}, {}};
  out.meaning.assign(results.plan.rows.size(),
                     std::vector<std::uint8_t>(results.plan.facts.suites.at(suite).ids.size(), kUnrated));
  return out;
}

void give_weights(Rater& rater) {
  for (const auto& row : rater.meaning) rater.weight.emplace_back(row.size(), 1.0);
}

std::uint8_t score_code(double score) {
  return code(score == 1 ? Meaning::kPositive : score == 0 ? Meaning::kNegative : Meaning::kUnclear);
}

}  // namespace

std::string hash_text(std::span<const std::uint8_t> hash) {
  std::string out;
  for (const std::uint8_t b : hash) out += fmt::format("{:02x}", b);
  return out;
}

Rater scorer_of(const Results& results, std::uint32_t suite) {
  Rater out = unrated(results, "scorer", suite);
  const schedule::SuiteSpec& spec = results.plan.job.suites.at(suite);
  if (!schedule::can_be_judged(spec.kind))
    throw Error("suite " + spec.id + " has nothing that a judge labels");
  for (std::uint32_t r = 0; r < out.meaning.size(); ++r) {
    const std::vector<char> usable = usable_prompts(results, suite, r);
    std::span<const std::uint8_t> refusal;
    std::span<const double> score;
    if (spec.kind == SuiteKind::kRefusal)
      refusal = results.at<std::uint8_t>(spec.id + "_refusal", r);
    else
      score = results.at<double>(spec.id + "_score", r);
    for (std::size_t i = 0; i < usable.size(); ++i)
      if (usable[i] != 0)
        out.meaning[r][i] = spec.kind == SuiteKind::kRefusal
                                ? code(refusal[i] != 0 ? Meaning::kPositive : Meaning::kNegative)
                                : score_code(score[i]);
  }
  return out;
}

Rater judge_of(const Results& results, std::uint32_t experiment) {
  const schedule::ExperimentSpec& e = results.plan.job.experiments.at(experiment);
  const std::uint32_t suite = schedule::suite_of(results.plan, experiment);
  const std::vector<Meaning> meanings = schedule::label_meanings(results.plan, experiment);
  Rater out = unrated(results, e.id, suite);
  const bool weighted = e.judge.model.empty();
  if (weighted) give_weights(out);
  for (std::uint32_t r = 0; r < out.meaning.size(); ++r) {
    const std::vector<char> done = usable_parts(results, experiment, r),
                            usable = usable_prompts(results, suite, r);
    const auto label = results.at<std::uint8_t>(e.id + "_label", r);
    const auto outcome = results.at<std::uint8_t>(e.id + "_outcome", r);
    std::span<const double> weight;
    if (weighted) weight = results.at<double>(e.id + "_weight", r);
    for (std::size_t i = 0; i < usable.size(); ++i) {
      if (done[i] == 0 || usable[i] == 0 || outcome[i] != 0 || label[i] >= meanings.size()) continue;
      if (weighted && !(weight[i] > 0 && std::isfinite(weight[i]))) continue;
      out.meaning[r][i] = code(meanings[label[i]]);
      if (weighted) out.weight[r][i] = weight[i];
    }
  }
  return out;
}

std::vector<Rater> judges_of(const Results& results) {
  std::vector<Rater> out;
  for (std::uint32_t e = 0; e < results.plan.job.experiments.size(); ++e)
    if (results.plan.job.experiments[e].kind == schedule::ExperimentKind::kJudge)
      out.push_back(judge_of(results, e));
  return out;
}

Rater outside_rater(const Results& results, std::uint32_t suite,
                    std::span<const schedule::JudgeLabel> allowed,
                    std::span<const schedule::PlacedLabel> placed, const std::string& file) {
  const schedule::Plan& plan = results.plan;
  const schedule::SuiteSpec& spec = plan.job.suites.at(suite);
  Rater out = unrated(results, "labels/" + spec.id, suite);
  give_weights(out);
  std::vector<std::vector<char>> usable;
  for (std::uint32_t r = 0; r < plan.rows.size(); ++r) usable.push_back(usable_prompts(results, suite, r));
  for (const schedule::PlacedLabel& p : placed) {
    const std::string answer = fmt::format("the answer of {} to {}", plan.rows.at(p.row).label,
                                           plan.facts.suites[suite].ids.at(p.prompt));
    const std::string where = fmt::format("line {}", p.line);
    if (usable[p.row][p.prompt] == 0)
      throw InputError(file, where, "expected a label of an answer, but " + answer + " has no result");
    const auto hash =
        results.at<std::uint8_t>(spec.id + "_text_hash", p.row).subspan(p.prompt * kHashBytes, kHashBytes);
    if (!p.text_hash.empty() && p.text_hash != hash_text(hash))
      throw InputError(
          file, where,
          "is a label of another text: its text_hash is not that of " + answer + " in this file");
    const std::optional<Meaning> meaning = schedule::meaning_of(spec.kind, allowed[p.label].says);
    if (!meaning) throw Error("label " + allowed[p.label].word + " means nothing to its suite");
    out.meaning[p.row][p.prompt] = code(*meaning);
    out.weight[p.row][p.prompt] = p.weight;
  }
  return out;
}

std::vector<schedule::JudgeLabel> outside_words(const schedule::Job& job, std::uint32_t suite) {
  std::vector<schedule::JudgeLabel> out;
  for (const schedule::ExperimentSpec& e : job.experiments) {
    if (e.kind != schedule::ExperimentKind::kJudge || e.suite != job.suites.at(suite).id) continue;
    for (const schedule::JudgeLabel& label : e.judge.labels) {
      const auto known =
          std::find_if(out.begin(), out.end(), [&](const auto& other) { return other.word == label.word; });
      if (known == out.end())
        out.push_back(label);
      else if (known->says != label.says)
        throw InputError(job.path, "experiments",
                         "two judges of " + e.suite + " mean different things by " + label.word);
    }
  }
  return out.empty() ? schedule::usual_labels(job.suites.at(suite).kind) : out;
}

bool counts_for_agreement(const schedule::Plan& plan, std::uint32_t suite, std::uint32_t prompt) {
  return plan.job.suites.at(suite).kind != SuiteKind::kRefusal ||
         plan.facts.suites.at(suite).expected.at(prompt) == 1;
}

std::vector<RatedPair> rated_pairs(const Rater& a, const Rater& b, const KeepAnswer& keep) {
  std::vector<RatedPair> out;
  const auto weight = [](const Rater& rater, std::uint32_t row, std::uint32_t prompt) {
    return rater.weight.empty() ? 0 : rater.weight[row][prompt];
  };
  for (std::uint32_t r = 0; r < a.meaning.size(); ++r)
    for (std::uint32_t i = 0; i < a.meaning[r].size(); ++i) {
      if (a.meaning[r][i] == kUnrated || b.meaning.at(r).at(i) == kUnrated || !keep(r, i)) continue;
      const double larger = std::max(weight(a, r, i), weight(b, r, i));
      out.push_back({a.meaning[r][i], b.meaning[r][i], larger > 0 ? larger : 1, i});
    }
  return out;
}

}  // namespace brinkmap::audit
