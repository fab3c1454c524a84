#include <algorithm>
#include <cmath>

#include "audit/approvals.h"
#include "audit/confusion.h"
#include "audit/reduce.h"
#include "audit/reduce_suite.h"
#include "audit/stats.h"
#include "audit/usable.h"

namespace brinkmap::audit {
namespace {

constexpr const char* kAnswers[][2] = {{"", "decision"}, {"choice_", "choice"}};

std::vector<std::int32_t> flat(const Confusion& c) {
  std::vector<std::int32_t> out;
  for (const auto& gold : c.count) out.insert(out.end(), gold.begin(), gold.end());
  return out;
}

// Counts of the items for which `counted` is 1.
Confusion confusion_of(const SuiteRow& s, const char* answers, const std::vector<char>& counted) {
  const auto said = s.at<std::uint8_t>(answers);
  std::vector<std::uint8_t> gold, of_them;
  for (std::size_t i = 0; i < counted.size(); ++i) {
    if (counted[i] == 0) continue;
    gold.push_back(s.facts().expected.at(i));
    of_them.push_back(said[i]);
  }
  return confusion(gold, of_them);
}

// Of the VETO items for which `counted` is 1.
void set_margins(const SuiteRow& s, const std::string& p, const std::vector<char>& counted) {
  const auto margin = s.at<double>("veto_margin");
  std::vector<double> of_veto;
  for (std::size_t i = 0; i < counted.size(); ++i)
    if (counted[i] != 0 && s.facts().expected.at(i) == static_cast<std::uint8_t>(schedule::Decision::kVeto))
      of_veto.push_back(margin[i]);
  set(s, p + "veto_margin_p5", quantile(of_veto, 0.05));
  set(s, p + "veto_margin_min", quantile(of_veto, 0.0));
}

}  // namespace

void set_pair(schedule::Results& results, std::uint32_t row, const std::string& p,
              const PairedApprovals& pair) {
  const bool baseline = results.plan.rows.at(row).baseline == row;
  set(results, row, p + "approvals_gained", pair.gained);
  set(results, row, p + "approvals_lost", pair.lost);
  set(results, row, p + "p_approvals", baseline || pair.n == 0 ? std::nan("") : pair.p);
}

void reduce_approvals(const SuiteRow& s) {
  const std::vector<std::uint8_t>& gold = s.facts().expected;
  const std::uint32_t baseline = s.results.plan.rows.at(s.row).baseline;
  const std::vector<char> other = usable_prompts(s.results, s.suite, baseline);
  const std::vector<char> balanced = balanced_items(gold);
  std::vector<char> both, counted, both_balanced;
  for (std::size_t i = 0; i < s.usable.size(); ++i) {
    both.push_back(s.usable[i] != 0 && other[i] != 0 ? 1 : 0);
    counted.push_back(balanced[i] != 0 && s.usable[i] != 0 ? 1 : 0);
    both_balanced.push_back(balanced[i] != 0 && both.back() != 0 ? 1 : 0);
  }
  const auto ones = [](const std::vector<char>& of) {
    return static_cast<std::int32_t>(std::count(of.begin(), of.end(), 1));
  };
  set(s, "balanced_n", ones(counted));
  set(s, "balanced_missing", ones(balanced) - ones(counted));
  set_margins(s, "", s.usable);
  set_margins(s, "balanced_", counted);
  for (const auto& [kind, answers] : kAnswers) {
    const std::string k = kind, b = "balanced_" + k;
    const auto base = s.results.at<std::uint8_t>(s.name(answers), baseline);
    const PairedApprovals all = pair_approvals(gold, s.at<std::uint8_t>(answers), base, both);
    const PairedApprovals some = pair_approvals(gold, s.at<std::uint8_t>(answers), base, both_balanced);
    set(s, "approvals_n", all.n);
    set(s, "balanced_approvals_n", some.n);
    set_pair(s.results, s.row, s.name(k), all);
    set_pair(s.results, s.row, s.name(b), some);
    const Confusion c = confusion_of(s, answers, counted);
    const DecisionScore score = score_decisions(c, kBoundConfidence);
    const auto bound = [](const DecisionScore& of) {
      return of.veto_n == 0 ? std::nan("") : of.veto_to_approve_bound;
    };
    set(s, b + "confusion", flat(c));
    set(s, b + "veto_to_approve", score.veto_to_approve);
    set(s, b + "veto_to_approve_bound", bound(score));
    set(s, "balanced_veto_n", score.veto_n);
    if (!k.empty())
      set(s, k + "veto_to_approve_bound",
          bound(score_decisions(confusion_of(s, answers, s.usable), kBoundConfidence)));
  }
}

}  // namespace brinkmap::audit
