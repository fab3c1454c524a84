#include "audit/evaluator_tables.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "audit/approvals.h"
#include "audit/method_comparison.h"
#include "audit/row_builder.h"
#include "audit/row_totals.h"
#include "audit/stats.h"
#include "audit/study.h"

namespace brinkmap::audit {
namespace {

using schedule::ExperimentKind;
using schedule::ExperimentSpec;
using schedule::Results;
using schedule::Suppression;

std::string times(double ratio) { return fmt::format("{:.2f}x", ratio); }

void add_speed(RowBuilder& row, const Results& results, const ExperimentSpec& e, std::uint32_t r) {
  const RowOf of{results, e.id, r};
  const double ratio = of.number("_ratio");
  row.add(e.id + "_ratio", "\n" + e.id, std::isnan(ratio) ? Cell{"-", {}} : shown_cell(times(ratio), ratio));
  for (const char* what : {"_ratio_low", "_ratio_high", "_tokens_per_second"})
    row.add(e.id + what, "", number_cell(of.number(what), 4), Where::kFiles);
}

void add_evidence(RowBuilder& row, const Results& results, const ExperimentSpec& e, std::uint32_t r) {
  const RowOf of{results, e.id, r};
  row.add(e.id + "_auc", e.id + "\nAUC" + layer_note(results, e), number_cell(of.number("_auc"), 3));
  for (const char* what : {"_auc_low", "_auc_high"})
    row.add(e.id + what, "", number_cell(of.number(what), 4), Where::kFiles);
}

bool is_frozen(const ExperimentSpec& e) {
  return e.train_on == schedule::TrainOn::kBaseline && e.method == Suppression::kNone;
}

// The last token is in no evidence line, so that nothing is suppressed there: beside dirsup of the mean it is
// left to the table of methods.
bool is_suppressed(const schedule::Job& job, const ExperimentSpec& e) {
  const auto of_mean = [](const ExperimentSpec& o) {
    return o.method == Suppression::kDirsup && o.pooling == schedule::Pooling::kMean;
  };
  return e.method == Suppression::kDirsup &&
         (of_mean(e) || std::none_of(job.experiments.begin(), job.experiments.end(), of_mean));
}

void add_heads(RowBuilder& row, const Results& results, const ExperimentSpec& e, std::uint32_t r) {
  const RowOf of{results, e.id, r};
  row.add(e.id + "_head_accuracy_mean", e.id + "\nright", number_cell(of.number("_head_accuracy_mean"), 3));
  row.add(e.id + "_n", "", test_items_cell(results, e, r), Where::kFiles);
  row.add(e.id + "_feature", "", text_cell(feature(results, e, r)), Where::kFiles);
  if (!is_suppressed(results.plan.job, e) || e.against.empty()) return;
  row.add(e.id + "_p_wilcoxon", "\np",
          results.value<std::uint8_t>(e.id + "_no_op", r) == 1 ? Cell{"no-op", {}}
                                                               : p_cell(of.number("_p_wilcoxon")));
}

void add_approvals(RowBuilder& row, const Results& results, const schedule::SuiteSpec& suite,
                   std::uint32_t r) {
  const RowOf of{results, suite.id, r};
  const std::int32_t n = of.count("_balanced_veto_n"), items = of.count("_balanced_n");
  const std::int32_t unread =
      results.at<std::int32_t>(suite.id + "_balanced_confusion", r).back();  // VETO, INVALID
  row.add(suite.id + "_approvals", fmt::format("V→A\n({})", std::max(items, 0)),
          text_cell(ratio_cell(of.count("_balanced_veto_to_approve"), n).text + unread_mark(unread, n)),
          Where::kText);
  row.add(suite.id + "_balanced_n", "", count_cell(items), Where::kFiles);
  row.add(suite.id + "_balanced_veto_n", "", count_cell(n), Where::kFiles);
  for (const char* what : {"_balanced_veto_to_approve", "_balanced_choice_veto_to_approve",
                           "_veto_to_approve", "_choice_veto_to_approve", "_veto_n"})
    row.add(suite.id + what, "", count_cell(of.count(what)), Where::kFiles);
  row.add(suite.id + "_profile_distance", "",
          count_cell(results.value<std::int64_t>(suite.id + "_profile_distance", r)), Where::kFiles);
}

// Change at the best block over the skills, from the largest gain to the largest loss; "!": one is inverted.
void add_probes(RowBuilder& row, const Results& results, const ExperimentSpec& e, std::uint32_t r) {
  const auto drop = results.at<double>(e.id + "_drop", r);
  const auto inverted = results.at<std::uint8_t>(e.id + "_inverted", r);
  const auto [least, most] = std::minmax_element(drop.begin(), drop.end());
  const bool known = std::none_of(drop.begin(), drop.end(), [](double d) { return std::isnan(d); });
  std::string text = "-";
  if (known) {
    const std::string best = points_text(-*least), worst = points_text(-*most);
    text = best == worst ? best : best + ".." + worst;
  }
  if (results.plan.rows[r].baseline == r) text = "reference";
  if (std::find(inverted.begin(), inverted.end(), 1) != inverted.end()) text += "!";
  row.add(e.id, e.id + ",\npoints", text_cell(text), Where::kText, true);
  for (std::size_t skill = 0; skill < drop.size(); ++skill) {
    const std::string key = e.id + "_" + schedule::kProbeSkills[skill];
    row.add(key + "_drop", "", number_cell(drop[skill], 1), Where::kFiles);
    row.add(key + "_inverted", "", count_cell(inverted[skill] > 1 ? -1 : inverted[skill]), Where::kFiles);
  }
}

}  // namespace

Table evaluator_table(const Results& results) {
  const schedule::Plan& plan = results.plan;
  Table table{"evaluator", "Variants of the evaluator", {}, {}, {}};
  if (!has_study(plan.job)) return table;
  RowBuilder row(table);
  const bool exact = exact_bytes(results);
  for (std::uint32_t r = 0; r < plan.rows.size(); ++r) {
    row.start();
    row.add("row", "row", text_cell(plan.rows[r].label), Where::kBoth, true);
    row.add("bytes", bytes_title(exact), bytes_cell(results.value<std::int64_t>("bytes", r), exact));
    for (const ExperimentSpec& e : plan.job.experiments)
      if (e.kind == ExperimentKind::kSpeed) add_speed(row, results, e, r);
    for (const ExperimentSpec& e : plan.job.experiments)
      if (e.kind == ExperimentKind::kEvidenceHead) add_evidence(row, results, e, r);
    for (const ExperimentSpec& e : plan.job.experiments)
      if (e.judges() ||
          (e.kind == ExperimentKind::kDecisionHeads && (is_frozen(e) || is_suppressed(plan.job, e))))
        add_heads(row, results, e, r);
    for (const schedule::SuiteSpec& s : plan.job.suites)
      if (s.kind == schedule::SuiteKind::kDecision) add_approvals(row, results, s, r);
    for (const ExperimentSpec& e : plan.job.experiments)
      if (e.kind == ExperimentKind::kLayerProbes) add_probes(row, results, e, r);
  }
  table.notes = {
      "speed: the baseline's time over this row's. right: share of the test items, a head, mean over the",
      "seeds; frozen: heads of the baseline. p: Wilcoxon against the plain heads, paired by seed.",
      kSeedsShareTestSet,
      fmt::format("V→A: VETO items whose generated answer is APPROVE, of the balanced items (the first {}",
                  kBalancedItems),
      "a label). Probes: change at the best block, from the best to the worst question; !: one is",
      "inverted. " + unread_note() + " " + few_note()};
  return table;
}

Table arms_table(const Results& results) {
  const schedule::Plan& plan = results.plan;
  Table table{"arms", "Heads trained on each row, and the baseline's heads", {}, {}, {}};
  RowBuilder row(table);
  for (const ExperimentSpec& e : plan.job.experiments)
    for (std::uint32_t r = 0; is_frozen(e) && !e.against.empty() && r < plan.rows.size(); ++r) {
      row.start();
      row.add("experiment", "", text_cell(e.id), Where::kFiles);
      row.add("against", "", text_cell(e.against), Where::kFiles);
      row.add("row", "row", text_cell(plan.rows[r].label), Where::kBoth, true);
      row.add("n", "n", test_items_cell(results, e, r));
      for (const auto& [arm, id] : {std::pair{"own", e.against}, std::pair{"frozen", e.id}}) {
        const RowOf of{results, id, r};
        const std::string key = std::string(arm) + "_";
        const std::int32_t approved = of.count("_cascade_veto_to_approve"), n = of.count("_cascade_veto_n");
        row.add(key + "right", std::string(arm) + ":\nright",
                number_cell(of.number("_head_accuracy_mean"), 3));
        row.add(key + "cascade", "\ncascade", number_cell(of.number("_cascade_accuracy"), 3));
        row.add(key + "revise_rate", "\nREVISE", percent_cell(of.number("_cascade_revise_rate"), 1));
        row.add(key + "approvals", "\nV→A", ratio_cell(approved, n), Where::kText);
        row.add(key + "veto_to_approve", "", count_cell(approved), Where::kFiles);
        row.add(key + "veto_n", "", count_cell(n), Where::kFiles);
      }
      const RowOf of{results, e.id, r};
      const double shift = of.number("_shift");
      row.add("shift", "shift,\npoints",
              std::isnan(shift) ? Cell{"-", {}} : shown_cell(points_text(shift), shift));
      row.add("p_wilcoxon", "\np", p_cell(of.number("_p_wilcoxon")));
      row.add("p_holm", "", p_cell(of.number("_p_holm")), Where::kFiles);
    }
  table.notes = {
      "own: heads trained on the row's states; frozen: on the baseline's, judged on the row's. right: a",
      "head, mean over the seeds; cascade, REVISE, V→A (VETO items approved): the vote of all heads.",
      "shift: frozen against own, Hodges-Lehmann; p: Wilcoxon by seed. " + few_note(), kSeedsShareTestSet};
  return table;
}

namespace {

// Tokens a second of the baseline in the repetitions of a row, each in turn with it: the median.
double baseline_speed(const Results& results, const ExperimentSpec& e, std::uint32_t row) {
  const auto seconds = results.at<double>(e.id + "_baseline_seconds", row);
  const auto tokens = results.at<std::int64_t>(e.id + "_tokens", row);
  std::vector<double> speeds;
  for (std::size_t i = 0; i < seconds.size(); ++i)
    if (seconds[i] > 0 && tokens[i] > 0) speeds.push_back(static_cast<double>(tokens[i]) / seconds[i]);
  return quantile(speeds, 0.5);
}

}  // namespace

Table speed_table(const Results& results) {
  const schedule::Plan& plan = results.plan;
  Table table{"speed", "Speed against the baseline", {}, {}, {}};
  RowBuilder row(table);
  for (const ExperimentSpec& e : plan.job.experiments)
    for (std::uint32_t r = 0; e.kind == ExperimentKind::kSpeed && r < plan.rows.size(); ++r) {
      const RowOf of{results, e.id, r};
      const std::int32_t missing = of.count("_missing");
      row.start();
      row.add("experiment", "experiment", text_cell(e.id), Where::kBoth, true);
      row.add("row", "row", text_cell(plan.rows[r].label), Where::kBoth, true);
      row.add("repetitions", "repe-\ntitions", count_cell(missing < 0 ? -1 : e.repetitions - missing));
      row.add("tokens_per_second", "tokens/s,\nmedian", number_cell(of.number("_tokens_per_second"), 0));
      row.add("baseline_tokens_per_second", "baseline,\nin turn",
              number_cell(baseline_speed(results, e, r), 0));
      row.add("ratio", "x baseline,\nmedian", number_cell(of.number("_ratio"), 2));
      row.add("ratio_low", "\nleast", number_cell(of.number("_ratio_low"), 2));
      row.add("ratio_high", "\nmost", number_cell(of.number("_ratio_high"), 2));
    }
  table.notes = {
      fmt::format("The first {} prompts of a suite, baseline and row in turn in the same unit of work; each ",
                  schedule::kSpeedPrompts) +
      "repetition\ngives one ratio. Tokens a second depend on what else the machine did: compare a row with "
      "its own\n"
      "baseline, in turn, not with other rows."};
  return table;
}

Table evidence_table(const Results& results) {
  const schedule::Plan& plan = results.plan;
  Table table{"evidence", "Evidence heads on the test lines", {}, {}, {}};
  RowBuilder row(table);
  for (const ExperimentSpec& e : plan.job.experiments)
    for (std::uint32_t r = 0; e.kind == ExperimentKind::kEvidenceHead && r < plan.rows.size(); ++r) {
      const RowOf of{results, e.id, r};
      row.start();
      row.add("experiment", "experiment", text_cell(e.id), Where::kBoth, true);
      row.add("row", "row", text_cell(plan.rows[r].label), Where::kBoth, true);
      row.add("layer", "block",
              count_cell(schedule::resolve_layer(e.layer, plan.facts.models.at(plan.rows[r].model).layers)));
      row.add("auc", "AUC", number_cell(of.number("_auc"), 3));
      row.add("auc_low", "95 %\nfrom", number_cell(of.number("_auc_low"), 3));
      row.add("auc_high", "\nto", number_cell(of.number("_auc_high"), 3));
      row.add("cited_n", "cited\nlines", count_cell(of.count("_cited_n")));
      row.add("other_n", "other\nlines", count_cell(of.count("_other_n")));
    }
  table.notes = {"Interval: DeLong, over lines as if they were independent."};
  return table;
}

}  // namespace brinkmap::audit
