#include <fmt/core.h>

#include <cmath>
#include <set>
#include <utility>

#include "audit/cascade_sweep.h"
#include "audit/evaluator_tables.h"
#include "audit/reduce.h"
#include "audit/row_builder.h"
#include "audit/row_totals.h"
#include "audit/stats.h"
#include "audit/study.h"

namespace brinkmap::audit {

using schedule::ExperimentSpec;
using schedule::Results;

Table sweep_table(const Results& results) {
  const schedule::Plan& plan = results.plan;
  Table table{"sweep", "Cascade thresholds chosen on validation, judged on test", {}, {}, {}};
  RowBuilder row(table);
  for (const ExperimentSpec& e : plan.job.experiments)
    for (std::uint32_t r = 0; e.kind == schedule::ExperimentKind::kDecisionHeads && r < plan.rows.size();
         ++r) {
      const RowOf of{results, e.id, r};
      if (of.count("_best_veto") < 0) continue;
      const std::int32_t approved = of.count("_best_veto_to_approve"), n = of.count("_cascade_veto_n");
      row.start();
      row.add("experiment", "experiment", text_cell(e.id), Where::kBoth, true);
      row.add("row", "row", text_cell(plan.rows[r].label), Where::kBoth, true);
      row.add("n", "n", test_items_cell(results, e, r));
      row.add("best_veto", "VETO\nat, %", count_cell(of.count("_best_veto")));
      row.add("best_approve", "APPROVE\nat, %", count_cell(of.count("_best_approve")));
      row.add("accuracy", "\nright", percent_cell(of.number("_best_accuracy"), 1));
      row.add("revise_rate", "\nREVISE", percent_cell(of.number("_best_revise_rate"), 1));
      row.add("approvals", "VETO→\nAPPROVE", ratio_cell(approved, n), Where::kText);
      const bool known = approved >= 0 && n > 0;
      row.add("bound", "\nup to",
              percent_cell(known ? upper_bound(approved, n, kBoundConfidence) : std::nan(""), 1));
      row.add("veto_to_approve", "", count_cell(approved), Where::kFiles);
      row.add("veto_n", "", count_cell(n), Where::kFiles);
    }
  table.notes = wrapped(
      "Of 50, 55, ..., 100 % each, the pair with fewest VETO→APPROVE on validation, then most right. up to: "
      "exact upper bound of that share, 95 %. The result file has every pair on test. " +
      few_note());
  return table;
}

Table subsamples_table(const Results& results) {
  const schedule::Plan& plan = results.plan;
  Table table{"subsamples", "Votes of fewer heads", {}, {}, {}};
  RowBuilder row(table);
  std::set<std::int32_t> veto_items;
  constexpr std::size_t kSizes = std::size(kSubsampleSizes);
  // In the order of kVoteRules.
  constexpr std::pair<const char*, const char*> kRules[] = {
      {"cascade_", "cascade"}, {"majority_", "majority"}, {"softmax_", "softmax"}};
  for (const ExperimentSpec& e : plan.job.experiments)
    for (std::uint32_t r = 0; has_study(plan.job) && e.judges() && r < plan.rows.size(); ++r)
      for (std::size_t size = 0; size < kSizes; ++size) {
        if (kSubsampleSizes[size] > e.seeds) continue;
        const auto at = [&](const char* what, VoteRule rule) {
          return results.at<double>(e.id + "_subsample_" + what,
                                    r)[static_cast<std::size_t>(rule) * kSizes + size];
        };
        row.start();
        row.add("experiment", "", text_cell(e.id), Where::kFiles);
        row.add("row", "row", text_cell(plan.rows[r].label), Where::kBoth, true);
        row.add("heads", "heads", count_cell(kSubsampleSizes[size]));
        row.add("n", "n", test_items_cell(results, e, r));
        const std::int32_t veto_n = results.value<std::int32_t>(e.id + "_cascade_veto_n", r);
        row.add("veto_n", "", count_cell(veto_n), Where::kFiles);
        if (veto_n >= 0) veto_items.insert(veto_n);
        for (const VoteRule rule : kVoteRules) {
          const auto& [key, title] = kRules[static_cast<std::size_t>(rule)];
          const std::string k = key;
          row.add(k + "right", std::string(title) + "\nright", number_cell(at("accuracy", rule), 3));
          row.add(k + "low", "", number_cell(at("accuracy_low", rule), 4), Where::kFiles);
          row.add(k + "high", "", number_cell(at("accuracy_high", rule), 4), Where::kFiles);
          row.add(k + "revise_rate", "\nREV.", number_cell(at("revise_rate", rule), 3));
          row.add(k + "veto_to_approve", "\nV→A", number_cell(at("veto_to_approve", rule), 2));
          row.add(k + "share_with_approve", "", number_cell(at("share_with_approve", rule), 4),
                  Where::kFiles);
        }
      }
  std::string of;
  for (const std::int32_t n : veto_items) of += (of.empty() ? ", of " : " or ") + std::to_string(n);
  table.notes = wrapped(fmt::format(
      "Means over {} draws of so many heads (one of all): share right, share sent to REVISE (REV.), "
      "VETO items approved (V→A{}). The cascade at the job's thresholds; softmax: the largest mean "
      "probability.",
      kSubsamples, of));
  return table;
}

}  // namespace brinkmap::audit
