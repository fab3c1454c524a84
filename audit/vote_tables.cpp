#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "audit/cascade.h"
#include "audit/cascade_sweep.h"
#include "audit/picture_tables.h"
#include "audit/reduce.h"
#include "audit/row_builder.h"
#include "audit/stats.h"
#include "audit/usable.h"

namespace brinkmap::audit {
namespace {

using schedule::Results;

constexpr std::array<const char*, schedule::kDecisionClasses> kClassNames = {"APPROVE", "REVISE", "VETO"};

// [test item] votes of the heads that have a result; empty when there is no such head.
std::vector<VoteCount> votes_of(const Results& results, std::uint32_t experiment, std::uint32_t row) {
  const auto counts =
      results.at<std::int32_t>(results.plan.job.experiments[experiment].id + "_vote_count", row);
  std::vector<VoteCount> out(counts.size() / schedule::kDecisionClasses);
  for (std::size_t i = 0; i < counts.size(); ++i)
    out[i / schedule::kDecisionClasses][i % schedule::kDecisionClasses] = counts[i];
  const bool voted = std::all_of(out.begin(), out.end(), [](const VoteCount& v) {
    return v[0] >= 0 && v[1] >= 0 && v[2] >= 0 && v[0] + v[1] + v[2] > 0;
  });
  return voted ? out : std::vector<VoteCount>{};
}

// Upper bound of the share of VETO items approved.
Cell bound_cell(std::int64_t approved, std::int64_t veto_n) {
  return percent_cell(veto_n > 0 ? upper_bound(approved, veto_n, kBoundConfidence) : std::nan(""), 1);
}

template <class Do>
void each_row_with_votes(const Results& results, const Do& act) {
  for (std::uint32_t e = 0; e < results.plan.job.experiments.size(); ++e) {
    if (!results.plan.job.experiments[e].judges()) continue;
    const std::vector<std::uint8_t> gold = test_gold(results.plan, e);
    for (std::uint32_t r = 0; r < results.plan.rows.size(); ++r) {
      const std::vector<VoteCount> votes = votes_of(results, e, r);
      if (!votes.empty()) act(results.plan.job.experiments[e], results.plan.rows[r].label, gold, votes);
    }
  }
}

}  // namespace

Table vote_bins_table(const Results& results) {
  Table table{"vote_bins", "Heads that vote for an item's gold class", {}, {}, {}};
  RowBuilder line(table);
  each_row_with_votes(
      results, [&](const schedule::ExperimentSpec& experiment, const std::string& label,
                   const std::vector<std::uint8_t>& gold, const std::vector<VoteCount>& votes) {
        for (std::size_t c = 0; c < kClassNames.size(); ++c) {
          std::array<std::int64_t, kVoteBins> bins{};
          std::int64_t n = 0;
          for (std::size_t i = 0; i < votes.size(); ++i) {
            if (gold.at(i) != c) continue;
            const std::int32_t heads = votes[i][0] + votes[i][1] + votes[i][2];
            ++bins[static_cast<std::size_t>(std::min(kVoteBins - 1, votes[i][c] * kVoteBins / heads))];
            ++n;
          }
          line.start();
          line.add("experiment", "", text_cell(experiment.id), Where::kFiles);
          line.add("row", "", text_cell(label), Where::kFiles);
          line.add("gold", "", text_cell(kClassNames[c]), Where::kFiles);
          line.add("n", "", count_cell(n), Where::kFiles);
          for (int b = 0; b < kVoteBins; ++b)
            line.add("from_" + std::to_string(b * 100 / kVoteBins), "",
                     count_cell(bins[static_cast<std::size_t>(b)]), Where::kFiles);
        }
      });
  table.notes = {
      "from_90 holds 90 to 100 %, each other bin begins at its percentage and ends before the next."};
  return table;
}

Table thresholds_table(const Results& results) {
  Table table{"thresholds", "The cascade at other thresholds", {}, {}, {}};
  RowBuilder line(table);
  each_row_with_votes(
      results, [&](const schedule::ExperimentSpec& experiment, const std::string& label,
                   const std::vector<std::uint8_t>& gold, const std::vector<VoteCount>& votes) {
        const std::int64_t veto_n = std::count(gold.begin(), gold.end(), 2);
        for (int veto = kSweepFrom; veto <= kSweepTo; veto += kSweepStep) {
          std::vector<std::int64_t> right, revised, approved;
          for (int approve = kSweepFrom; approve <= kSweepTo; approve += kSweepStep) {
            right.push_back(0);
            revised.push_back(0);
            approved.push_back(0);
            for (std::size_t i = 0; i < votes.size(); ++i) {
              const auto said = static_cast<std::uint8_t>(cascade(votes[i], {veto / 100.0, approve / 100.0}));
              right.back() += said == gold.at(i) ? 1 : 0;
              revised.back() += said == 1 ? 1 : 0;
              approved.back() += gold[i] == 2 && said == 0 ? 1 : 0;
            }
          }
          line.start();
          line.add("experiment", "", text_cell(experiment.id), Where::kFiles);
          line.add("row", "", text_cell(label), Where::kFiles);
          line.add("veto", "", count_cell(veto), Where::kFiles);
          line.add("n", "", count_cell(static_cast<std::int64_t>(votes.size())), Where::kFiles);
          for (const auto& [key, counts] : {std::pair{"right_", &right}, std::pair{"revised_", &revised},
                                            std::pair{"approved_veto_", &approved}})
            for (std::size_t a = 0; a < counts->size(); ++a)
              line.add(key + std::to_string(kSweepFrom + static_cast<int>(a) * kSweepStep), "",
                       count_cell((*counts)[a]), Where::kFiles);
          line.add("veto_n", "", count_cell(veto_n), Where::kFiles);
          for (std::size_t a = 0; a < approved.size(); ++a)
            line.add("bound_" + std::to_string(kSweepFrom + static_cast<int>(a) * kSweepStep), "",
                     bound_cell(approved[a], veto_n), Where::kFiles);
        }
      });
  table.notes = {
      "right_90: test items decided right when APPROVE takes 90 % of the heads and VETO takes the line's "
      "share; revised_90: items sent to REVISE, approved_veto_90: VETO items approved then, of veto_n; "
      "bound_90: exact upper bound of that share, 95 %. On the test items: to choose thresholds take the "
      "validation items."};
  return table;
}

}  // namespace brinkmap::audit
