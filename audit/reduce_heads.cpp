#include <algorithm>
#include <cmath>

#include "audit/cascade.h"
#include "audit/confusion.h"
#include "audit/reduce.h"
#include "audit/reduce_experiment.h"
#include "audit/reduce_suite.h"
#include "audit/usable.h"

namespace brinkmap::audit {
namespace {

using schedule::Results;

void set_share(Results& results, std::uint32_t row, const std::string& name, std::int64_t k, std::int64_t n) {
  set(results, row, name, share(k, n));
}

constexpr auto kApprove = static_cast<std::uint8_t>(schedule::Decision::kApprove);
constexpr auto kRevise = static_cast<std::uint8_t>(schedule::Decision::kRevise);
constexpr auto kVeto = static_cast<std::uint8_t>(schedule::Decision::kVeto);

// Figures of the single heads.
struct HeadSums {
  std::int64_t heads = 0, right = 0, revised = 0, approved = 0, approving_heads = 0;
  std::int64_t fewest_right = 0, most_right = 0, most_approved = 0;
};

// [test item] votes of the heads that have a result.
std::vector<VoteCount> votes_of(const Results& results, std::uint32_t experiment, std::uint32_t row,
                                const std::vector<char>& usable, std::size_t tests) {
  const auto prediction =
      results.at<std::uint8_t>(results.plan.job.experiments[experiment].id + "_prediction", row);
  std::vector<VoteCount> votes(tests);
  for (std::size_t s = 0; s < usable.size(); ++s)
    for (std::size_t t = 0; t < tests && usable[s] != 0; ++t) ++votes[t][prediction[s * tests + t]];
  return votes;
}

// [test item] what the cascade decides; empty where a head is missing, for it is a vote of all of them.
std::vector<std::uint8_t> decide(const std::vector<VoteCount>& votes, const std::vector<char>& usable,
                                 const schedule::VoteSpec& thresholds) {
  if (std::count(usable.begin(), usable.end(), 0) > 0) return {};
  std::vector<std::uint8_t> out;
  for (const VoteCount& v : votes) out.push_back(static_cast<std::uint8_t>(cascade(v, thresholds)));
  return out;
}

void reduce_cascade(Results& results, std::uint32_t row, const std::string& p,
                    const std::vector<std::uint8_t>& gold, const std::vector<std::uint8_t>& vote) {
  if (vote.empty()) {
    set(results, row, p + "vote", std::vector<std::uint8_t>(gold.size(), 255));
    return;
  }
  const Confusion table = confusion(gold, vote);
  const DecisionScore score = score_decisions(table, kBoundConfidence);
  std::vector<std::int32_t> counts;
  for (const auto& of_gold : table.count)
    counts.insert(counts.end(), of_gold.begin(), of_gold.begin() + schedule::kDecisionClasses);
  set(results, row, p + "vote", vote);
  set(results, row, p + "cascade_confusion", counts);
  set(results, row, p + "cascade_accuracy", score.accuracy);
  set(results, row, p + "cascade_veto_to_approve", score.veto_to_approve);
  set(results, row, p + "cascade_veto_n", score.veto_n);
  set(results, row, p + "cascade_bound", score.veto_n > 0 ? score.veto_to_approve_bound : std::nan(""));
  set(results, row, p + "cascade_revise_rate", score.revise_rate);
}

// The cascades of a row and its baseline, on the same test items.
void compare_cascades(Results& results, std::uint32_t row, const std::string& p,
                      const std::vector<std::uint8_t>& gold, const std::vector<std::uint8_t>& vote,
                      const std::vector<std::uint8_t>& baseline) {
  if (vote.empty() || baseline.empty()) return;
  set(results, row, p + "cascade_profile_distance",
      error_profile_distance(confusion(gold, vote), confusion(gold, baseline)));
  set_pair(results, row, p + "cascade_",
           pair_approvals(gold, vote, baseline, std::vector<char>(gold.size(), 1)));
}

}  // namespace

void reduce_heads(Results& results, std::uint32_t experiment, std::uint32_t row,
                  const std::vector<char>& usable) {
  const std::string p = results.plan.job.experiments[experiment].id + "_";
  const std::vector<std::uint8_t> gold = test_gold(results.plan, experiment);
  const std::size_t tests = gold.size();
  const auto prediction = results.at<std::uint8_t>(p + "prediction", row);
  HeadSums sums;
  for (std::size_t s = 0; s < usable.size(); ++s) {
    if (usable[s] == 0) continue;
    std::int64_t right = 0, approved = 0;
    for (std::size_t t = 0; t < tests; ++t) {
      const std::uint8_t said = prediction[s * tests + t];
      if (said == gold[t]) ++right;
      if (said == kRevise) ++sums.revised;
      if (gold[t] == kVeto && said == kApprove) ++approved;
    }
    sums.fewest_right = sums.heads == 0 ? right : std::min(sums.fewest_right, right);
    sums.most_right = std::max(sums.most_right, right);
    sums.most_approved = std::max(sums.most_approved, approved);
    ++sums.heads;
    sums.right += right;
    sums.approved += approved;
    if (approved > 0) ++sums.approving_heads;
  }
  const auto items = static_cast<std::int64_t>(tests);
  const std::vector<VoteCount> votes = votes_of(results, experiment, row, usable, tests);
  std::vector<std::int32_t> counts;
  for (const VoteCount& v : votes) counts.insert(counts.end(), v.begin(), v.end());
  set(results, row, p + "vote_count", counts);
  set_share(results, row, p + "head_accuracy_mean", sums.right, items * sums.heads);
  set_share(results, row, p + "head_accuracy_min", sums.fewest_right, sums.heads == 0 ? 0 : items);
  set_share(results, row, p + "head_accuracy_max", sums.most_right, sums.heads == 0 ? 0 : items);
  set_share(results, row, p + "head_revise_rate_mean", sums.revised, items * sums.heads);
  set_share(results, row, p + "head_veto_to_approve_mean", sums.approved, sums.heads);
  set(results, row, p + "head_veto_to_approve_max",
      sums.heads == 0 ? std::int32_t{-1} : static_cast<std::int32_t>(sums.most_approved));
  set_share(results, row, p + "head_veto_to_approve_share", sums.approving_heads, sums.heads);

  const schedule::VoteSpec& thresholds = results.plan.job.vote;
  const std::uint32_t baseline = results.plan.rows.at(row).baseline;
  const std::vector<char> base = usable_parts(results, experiment, baseline);
  const std::vector<std::uint8_t> vote = decide(votes, usable, thresholds);
  reduce_cascade(results, row, p, gold, vote);
  compare_cascades(results, row, p, gold, vote,
                   decide(votes_of(results, experiment, baseline, base, tests), base, thresholds));
}

}  // namespace brinkmap::audit
