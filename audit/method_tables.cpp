#include <algorithm>
#include <cmath>
#include <vector>

#include "audit/evaluator_tables.h"
#include "audit/method_comparison.h"
#include "audit/row_builder.h"
#include "audit/stats.h"
#include "audit/study.h"

namespace brinkmap::audit {
namespace {

using schedule::ExperimentSpec;
using schedule::Results;

constexpr const char* kNoOp = "no-op";

// What every line of both tables begins with. A no-op is named in the column of its figures.
bool begin(RowBuilder& row, const Results& results, const ExperimentSpec& e, std::uint32_t r) {
  const bool no_op = results.value<std::uint8_t>(e.id + "_no_op", r) == 1;
  row.start();
  row.add("experiment", "", text_cell(e.id), Where::kFiles);
  row.add("feature", "feature", text_cell(feature(results, e, r)), Where::kBoth, true);
  row.add("row", "row", text_cell(results.plan.rows[r].label), Where::kBoth, true);
  row.add("against", "", text_cell(e.against), Where::kFiles);
  row.add("n", "n", test_items_cell(results, e, r));
  row.add("no_op", "", count_cell(no_op ? 1 : 0), Where::kFiles);
  return no_op;
}

// Share of the direction that each head's features lost, ascending; empty where the method has no such share.
std::vector<double> strengths_of(const Results& results, const ExperimentSpec& e, std::uint32_t r) {
  std::vector<double> out;
  if (const std::string name = e.id + "_strength"; results.has(name))
    for (const double v : results.at<double>(name, r))
      if (std::isfinite(v)) out.push_back(v);
  std::sort(out.begin(), out.end());
  return out;
}

// Whether the method left every feature of its heads as it was, bit for bit: 1, 0, -1 where it is not known.
int same_features(const Results& results, const ExperimentSpec& e, std::uint32_t r) {
  const std::string name = e.id + "_same_features";
  if (!results.has(name)) return -1;
  const auto same = results.at<std::uint8_t>(name, r);
  if (std::any_of(same.begin(), same.end(), [](std::uint8_t s) { return s > 1; })) return -1;
  return std::all_of(same.begin(), same.end(), [](std::uint8_t s) { return s == 1; }) ? 1 : 0;
}

template <class Add>
void each_compared(const Results& results, const Add& add) {
  for (const ExperimentSpec& e : results.plan.job.experiments)
    for (std::uint32_t r = 0; !e.against.empty() && r < results.plan.rows.size(); ++r) add(e, r);
}

}  // namespace

Table methods_table(const Results& results) {
  Table table{
      "methods", "Ways to make the heads' features, against the plain way: over the seeds", {}, {}, {}};
  RowBuilder row(table);
  each_compared(results, [&](const ExperimentSpec& e, std::uint32_t r) {
    const RowOf of{results, e.id, r};
    const bool no_op = begin(row, results, e, r);
    const std::vector<double> strengths = strengths_of(results, e, r);
    const int same = same_features(results, e, r);
    const Cell strength = number_cell(quantile(strengths, 0.5), 2);
    row.add("removed", "re-\nmoved", same == 1 ? Cell{"none", {}} : strength, Where::kText);
    row.add("same_features", "", count_cell(same), Where::kFiles);
    row.add("strength", "", strength, Where::kFiles);
    row.add("strength_low", "", number_cell(quantile(strengths, 0), 2), Where::kFiles);
    row.add("strength_high", "", number_cell(quantile(strengths, 1), 2), Where::kFiles);
    row.add("accuracy", "heads\nright", number_cell(of.number("_head_accuracy_mean"), 3));
    row.add("shift_text", "change, points\n(95 %)",
            no_op ? Cell{kNoOp, {}}
                  : change_cell(of.number("_shift"), of.number("_shift_low"), of.number("_shift_high")),
            Where::kText);
    for (const char* what : {"shift", "shift_low", "shift_high", "shift_median"})
      row.add(what, "", number_cell(of.number(std::string("_") + what), 3), Where::kFiles);
    row.add("p_wilcoxon", "Wilcoxon\np", p_cell(of.number("_p_wilcoxon")));
    row.add("p_holm", "\nHolm", p_cell(of.number("_p_holm")));
  });
  table.notes = wrapped(
      "change: Hodges-Lehmann shift of the items right, paired by seed. Holm: over the experiments that are "
      "compared with the same heads, by row. removed: share of the direction, chosen on validation, the "
      "heads' median; against, in the files: the heads compared with; n: test items; none: the method left "
      "every feature as it was, bit for bit. no-op: these are the "
      "plain ones, so there is nothing to compare.");
  table.notes.insert(table.notes.begin(), kSeedsShareTestSet);
  return table;
}

Table method_checks_table(const Results& results) {
  Table table{"method_checks", "The same by other tests, over cases, and by the cascade", {}, {}, {}};
  RowBuilder row(table);
  each_compared(results, [&](const ExperimentSpec& e, std::uint32_t r) {
    const RowOf of{results, e.id, r};
    const bool no_op = begin(row, results, e, r);
    row.add("p_t", "\nt p", p_cell(of.number("_p_t")));
    row.add("p_sign", "\nsign p", p_cell(of.number("_p_sign")));
    row.add("case_text", "over cases,\npoints (95 %)",
            no_op ? Cell{kNoOp, {}}
                  : change_cell(of.number("_case_shift"), of.number("_case_low"), of.number("_case_high")),
            Where::kText);
    for (const char* what : {"case_shift", "case_low", "case_high"})
      row.add(what, "", number_cell(of.number(std::string("_") + what), 3), Where::kFiles);
    const std::int32_t lost = of.count("_cascade_lost"), gained = of.count("_cascade_gained");
    row.add("cascade_text", "cascade\n+/-",
            lost < 0 ? Cell{"-", {}} : text_cell("+" + std::to_string(gained) + " -" + std::to_string(lost)),
            Where::kText);
    row.add("cascade_lost", "", count_cell(lost), Where::kFiles);
    row.add("cascade_gained", "", count_cell(gained), Where::kFiles);
    row.add("p_cascade", "\np", p_cell(of.number("_p_cascade")));
  });
  table.notes = {
      kSeedsShareTestSet,
      "t and sign: paired by seed. over cases: mean over the test items, seeds averaged, bootstrap",
      "interval. cascade: test items that only this vote, and only the plain one, gets right; exact",
      "McNemar."};
  return table;
}

}  // namespace brinkmap::audit
