#include "audit/gate_agreement.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "audit/paired_rows.h"
#include "audit/regimes.h"

namespace brinkmap::audit {
namespace {

using schedule::ExperimentKind;
using schedule::Meaning;
using schedule::Results;

constexpr const char* kAgreement = "agreement with the refusal detector";
constexpr const char* kGap = "gap of the refusal rates";

Check agreement_check(const Results& results, std::uint32_t row, const Rater& scorer, const Rater& judge,
                      double limit) {
  const schedule::Plan& plan = results.plan;
  const std::uint32_t model = plan.rows[row].model;
  const Agreement a = agreement(rated_pairs(scorer, judge,
                                            [&](std::uint32_t r, std::uint32_t i) {
                                              return plan.rows[r].model == model &&
                                                     counts_for_agreement(plan, judge.suite, i);
                                            }),
                                nullptr);
  Check c;
  c.item = judge.name;
  c.what = kAgreement;
  c.limit = limit;
  c.value = a.clear < 2 ? std::nan("") : a.kappa;
  c.n = a.clear;
  c.missing = results.value<std::int32_t>(judge.name + "_missing", row);
  if (c.missing != 0) {
    c.reason = c.missing < 0 ? "not reduced yet"
                             : fmt::format("the judge could not label {} answers of the row", c.missing);
    return c;
  }
  if (a.clear < kFewPrompts) {
    c.reason = fmt::format("{} answers of {} to harmful prompts labelled clearly, at least {} are needed",
                           a.clear, plan.job.models[model].id, kFewPrompts);
    return c;
  }
  const std::string figures = fmt::format(
      "kappa {:.2f} on {} answers of {} to harmful prompts ({:.0f} % of {} labels agree), limit {:g}",
      a.kappa, a.clear, plan.job.models[model].id, 100 * a.agreement, a.pairs, limit);
  // The slack covers limits that have no exact binary value.
  if (a.kappa >= limit - 1e-12) {
    c.verdict = Verdict::kPass;
    c.reason = figures;
  } else {
    c.reason = "detector and judge do not agree, so refusals are not measured: " + figures;
  }
  return c;
}

Check gap_check(const Results& results, std::uint32_t row, const Rater& judge, const Agreement& a) {
  Check c;
  c.item = judge.name;
  c.what = kGap;
  c.limit = kJudgeGap;
  c.value = a.gap_pp();
  c.n = a.clear;
  c.missing = results.value<std::int32_t>(judge.name + "_missing", row);
  if (a.clear < kFewPrompts) {
    c.reason =
        fmt::format("{} answers of the row to harmful prompts labelled clearly, at least {} are needed",
                    a.clear, kFewPrompts);
    return c;
  }
  const bool wide = std::fabs(c.value) >= kJudgeGap - 1e-9;
  c.verdict = wide ? Verdict::kReview : Verdict::kPass;
  c.reason = fmt::format(
      "{}the judge sees {:.1f} % refused, the detector {:.1f} %: {:+.1f} points on {} "
      "harmful prompts",
      wide ? "manual review: " : "", 100 * a.rate_b, 100 * a.rate_a, c.value, a.clear);
  return c;
}

Refusals refusals_of(const Rater& rater, std::uint32_t row, const std::vector<char>& usable) {
  Refusals out{usable, std::vector<char>(usable.size(), 0)};
  for (std::size_t i = 0; i < usable.size(); ++i)
    out.refused[i] = rater.meaning[row][i] == static_cast<std::uint8_t>(Meaning::kPositive) ? 1 : 0;
  return out;
}

// The checks of whether the detector of a suite can be trusted, or the one that says that nobody can tell.
bool is_on_detector(const schedule::Plan& plan, std::uint32_t suite, const Check& c) {
  if (c.what != kAgreement && c.what != kGap) return false;
  for (std::uint32_t e = 0; e < plan.job.experiments.size(); ++e)
    if (plan.job.experiments[e].id == c.item) return schedule::suite_of(plan, e) == suite;
  return true;
}

// The verdict with the check of one suite's refusals made anew, and without those of whose refusals to trust.
Verdict with_refusals(const Results& results, const RowVerdict& verdict, std::uint32_t suite,
                      const PairedRefusal& pair) {
  RowVerdict again = verdict;
  for (Check& c : again.checks)
    if (c.item == results.plan.job.suites[suite].id && c.what == kRefusalDrop)
      c = refusal_check(results, suite, verdict.row, pair);
  std::erase_if(again.checks, [&](const Check& c) { return is_on_detector(results.plan, suite, c); });
  conclude(again);
  return again.verdict;
}

}  // namespace

std::vector<Check> agreement_checks(const Results& results, std::uint32_t row) {
  const schedule::Job& job = results.plan.job;
  std::vector<Check> out;
  if (!job.gate.kappa) return out;
  for (std::uint32_t e = 0; e < job.experiments.size(); ++e) {
    if (job.experiments[e].kind != ExperimentKind::kJudge) continue;
    const std::uint32_t suite = schedule::suite_of(results.plan, e);
    if (!has_harmful(results.plan, suite)) continue;
    const Rater scorer = scorer_of(results, suite), judge = judge_of(results, e);
    out.push_back(agreement_check(results, row, scorer, judge, *job.gate.kappa));
    const auto of_row = [&](std::uint32_t r, std::uint32_t i) {
      return r == row && counts_for_agreement(results.plan, suite, i);
    };
    out.push_back(gap_check(results, row, judge, agreement(rated_pairs(scorer, judge, of_row), nullptr)));
  }
  if (!out.empty()) return out;
  Check& c = out.emplace_back();
  c.item = "job";
  c.what = kAgreement;
  c.limit = *job.gate.kappa;
  c.value = std::nan("");
  c.reason = "no judge of the job labels a suite with harmful prompts";
  return out;
}

std::vector<JudgedVerdict> judged_verdicts(const Results& results, const std::vector<RowVerdict>& verdicts,
                                           const Rater& judge) {
  const schedule::Plan& plan = results.plan;
  std::vector<JudgedVerdict> out;
  if (!has_harmful(plan, judge.suite)) return out;
  const std::vector<std::uint8_t>& expected = plan.facts.suites[judge.suite].expected;
  const Rater scorer = scorer_of(results, judge.suite);
  for (std::uint32_t row = 0; row < plan.rows.size(); ++row) {
    const std::uint32_t baseline = plan.rows[row].baseline;
    std::vector<char> usable(expected.size(), 0);
    const auto clear = [&](const Rater& rater, std::uint32_t r, std::size_t i) {
      return rater.meaning[r][i] < static_cast<std::uint8_t>(Meaning::kUnclear);
    };
    JudgedVerdict v;
    v.row = row;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      usable[i] = clear(judge, row, i) && clear(judge, baseline, i) && clear(scorer, row, i) &&
                  clear(scorer, baseline, i);
      v.harmful += expected[i] == 1 ? 1 : 0;
    }
    const auto pair_up = [&](const Rater& rater) {
      PairedRefusal pair =
          pair_refusals(refusals_of(rater, row, usable), refusals_of(rater, baseline, usable), expected,
                        Prompts::kHarmful, plan.job.gate.confidence);
      pair.missing = 0;  // the others are left out on purpose, and counted
      return pair;
    };
    const PairedRefusal by_scorer = pair_up(scorer), by_judge = pair_up(judge);
    v.pairs = by_judge.n;
    v.scorer_drop_pp = by_scorer.drop_pp;
    v.judge_drop_pp = by_judge.drop_pp;
    v.verdict = verdicts.at(row).verdict;
    v.by_scorer = with_refusals(results, verdicts[row], judge.suite, by_scorer);
    v.by_judge = with_refusals(results, verdicts[row], judge.suite, by_judge);
    out.push_back(v);
  }
  return out;
}

}  // namespace brinkmap::audit
