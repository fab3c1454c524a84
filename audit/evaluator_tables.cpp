#include "audit/evaluator_tables.h"

#include <fmt/core.h>

#include <cmath>

#include "audit/method_comparison.h"
#include "audit/row_builder.h"

namespace brinkmap::audit {
namespace {

using schedule::ExperimentKind;
using schedule::ExperimentSpec;
using schedule::Results;
using schedule::Suppression;

std::string range_text(double low, double high, int digits, double scale = 1) {
  return std::isnan(low) || std::isnan(high)
             ? ""
             : fmt::format(" ({:.{}f}..{:.{}f})", scale * low, digits, scale * high, digits);
}

std::string feature(const Results& results, const ExperimentSpec& e, std::uint32_t row) {
  const schedule::Plan& plan = results.plan;
  const int depth = plan.facts.models.at(plan.rows.at(row).model).layers;
  return schedule::feature_name(e.method, schedule::resolve_layer(e.layer, depth), e.pooling) +
         (e.train_on == schedule::TrainOn::kBaseline ? " frozen" : "");
}

void add_speed(RowBuilder& row, const Results& results, const ExperimentSpec& e, std::uint32_t r) {
  const auto number = [&](const char* what) { return results.value<double>(e.id + what, r); };
  const double ratio = number("_ratio");
  row.add(e.id, "speed vs baseline\n(range)",
          std::isnan(ratio)
              ? Cell{"-", {}}
              : text_cell(fmt::format("{:.2f}x{}", ratio,
                                      range_text(number("_ratio_low"), number("_ratio_high"), 2))),
          Where::kText);
  for (const char* what : {"_ratio", "_ratio_low", "_ratio_high", "_tokens_per_second"})
    row.add(e.id + what, "", number_cell(number(what), 4), Where::kFiles);
}

void add_evidence(RowBuilder& row, const Results& results, const ExperimentSpec& e, std::uint32_t r) {
  const auto number = [&](const char* what) { return results.value<double>(e.id + what, r); };
  const double auc = number("_auc");
  row.add(e.id, "evidence AUC\n(95 %)",
          std::isnan(auc) ? Cell{"-", {}}
                          : text_cell(fmt::format("{:.3f}{}", auc,
                                                  range_text(number("_auc_low"), number("_auc_high"), 3))),
          Where::kText);
  for (const char* what : {"_auc", "_auc_low", "_auc_high"})
    row.add(e.id + what, "", number_cell(number(what), 4), Where::kFiles);
}

void add_heads(RowBuilder& row, const Results& results, const ExperimentSpec& e, std::uint32_t r) {
  const std::string name =
      e.train_on == schedule::TrainOn::kBaseline ? "frozen" : schedule::suppression_name(e.method);
  const double accuracy = results.value<double>(e.id + "_head_accuracy_mean", r);
  row.add(e.id + "_accuracy", name + "\nright", percent_cell(accuracy, 1));
  if (e.method != Suppression::kDirsup || e.against.empty()) return;
  const bool no_op = results.value<std::uint8_t>(e.id + "_no_op", r) == 1;
  const double p = results.value<double>(e.id + "_p_wilcoxon", r);
  row.add(e.id + "_p", name + "\np", no_op ? Cell{"no-op", {}} : p_cell(p));
}

void add_approvals(RowBuilder& row, const Results& results, const schedule::SuiteSpec& suite,
                   std::uint32_t r) {
  const auto count = [&](const char* what) { return results.value<std::int32_t>(suite.id + what, r); };
  const std::int32_t n = count("_veto_n");
  row.add(suite.id + "_approvals", "VETO→APPROVE\ngenerated, choice",
          n <= 0
              ? Cell{"-", {}}
              : text_cell(fmt::format("{}, {} of {} (<{:.1f} %)", count("_veto_to_approve"),
                                      count("_choice_veto_to_approve"), n,
                                      100 * results.value<double>(suite.id + "_veto_to_approve_bound", r))),
          Where::kText);
  for (const char* what : {"_veto_to_approve", "_choice_veto_to_approve", "_veto_n"})
    row.add(suite.id + what, "", count_cell(count(what)), Where::kFiles);
  const std::int64_t distance = results.value<std::int64_t>(suite.id + "_profile_distance", r);
  row.add(suite.id + "_profile", "errors\nmoved", count_cell(distance));
}

void add_probes(RowBuilder& row, const Results& results, const ExperimentSpec& e, std::uint32_t r) {
  const auto drop = results.at<double>(e.id + "_drop", r);
  const auto inverted = results.at<std::uint8_t>(e.id + "_inverted", r);
  const auto block = results.at<std::int32_t>(e.id + "_peak_block", r);
  std::string text;
  for (std::size_t skill = 0; skill < drop.size(); ++skill) {
    text += skill == 0 ? "" : " ";
    text += std::isnan(drop[skill]) ? "-" : fmt::format("{:+.1f}", -drop[skill]);
    if (inverted[skill] == 1) text += fmt::format(" inverted L{}", block[skill]);
  }
  row.add(e.id, "probes: type,\ncited, decision",
          text_cell(results.plan.rows[r].baseline == r ? "reference" : text), Where::kText);
}

bool any_kind(const schedule::Job& job) {
  for (const ExperimentSpec& e : job.experiments)
    if (!e.judges() && e.kind != ExperimentKind::kMechanisms && e.kind != ExperimentKind::kSpectra)
      return true;
  return false;
}

}  // namespace

Table evaluator_table(const Results& results) {
  const schedule::Plan& plan = results.plan;
  Table table{"evaluator", "Variants of the evaluator", {}, {}, {}};
  if (!any_kind(plan.job)) return table;
  RowBuilder row(table);
  for (std::uint32_t r = 0; r < plan.rows.size(); ++r) {
    row.start();
    row.add("row", "row", text_cell(plan.rows[r].label), Where::kBoth, true);
    const std::int64_t bytes = results.value<std::int64_t>("bytes", r);
    row.add("bytes", "bytes", count_cell(bytes));
    for (const ExperimentSpec& e : plan.job.experiments) {
      if (e.kind == ExperimentKind::kSpeed) add_speed(row, results, e, r);
      if (e.kind == ExperimentKind::kEvidenceHead) add_evidence(row, results, e, r);
      const bool frozen = e.train_on == schedule::TrainOn::kBaseline && e.method == Suppression::kNone;
      if (e.kind == ExperimentKind::kDecisionHeads && (e.method == Suppression::kDirsup || frozen))
        add_heads(row, results, e, r);
    }
    for (const schedule::SuiteSpec& s : plan.job.suites)
      if (s.kind == schedule::SuiteKind::kDecision) add_approvals(row, results, s, r);
    for (const ExperimentSpec& e : plan.job.experiments)
      if (e.kind == ExperimentKind::kLayerProbes) add_probes(row, results, e, r);
  }
  table.notes = {
      "speed: tokens a second over the baseline's, measured in turn in the same unit; median and range of "
      "the",
      "repetitions. right: accuracy of a head on the test items, mean over the seeds; frozen: trained on the",
      "baseline row. p: Wilcoxon against the plain heads, paired by seed.",
      kSeedsShareTestSet,
      "VETO→APPROVE: generated answers and constrained choices, 95 % bound of the generated rate; errors "
      "moved:",
      "L1 distance of the error counts from the baseline's. probes: change of the best block, points (cited: "
      "AUC)."};
  return table;
}

Table methods_table(const Results& results) {
  const schedule::Plan& plan = results.plan;
  Table table{"methods", "Ways to make the heads' features, against the plain way", {}, {}, {}};
  RowBuilder row(table);
  for (const ExperimentSpec& e : plan.job.experiments)
    for (std::uint32_t r = 0; !e.against.empty() && r < plan.rows.size(); ++r) {
      const auto number = [&](const char* what) { return results.value<double>(e.id + what, r); };
      const bool no_op = results.value<std::uint8_t>(e.id + "_no_op", r) == 1;
      const auto change = [&](const char* key, const char* low, const char* high) {
        const double value = number(key);
        return no_op ? Cell{"no-op", {}}
               : std::isnan(value)
                   ? Cell{"-", {}}
                   : text_cell(fmt::format("{:+.1f}{}", value, range_text(number(low), number(high), 1)));
      };
      row.start();
      row.add("experiment", "experiment", text_cell(e.id), Where::kBoth, true);
      row.add("feature", "feature", text_cell(feature(results, e, r)), Where::kBoth, true);
      row.add("row", "row", text_cell(plan.rows[r].label), Where::kBoth, true);
      row.add("against", "", text_cell(e.against), Where::kFiles);
      row.add("no_op", "", count_cell(no_op ? 1 : 0), Where::kFiles);
      row.add("accuracy", "heads\nright", percent_cell(number("_head_accuracy_mean"), 1));
      row.add("shift_text", "over seeds,\npoints (95 %)", change("_shift", "_shift_low", "_shift_high"),
              Where::kText);
      row.add("case_text", "over cases,\npoints (95 %)", change("_case_shift", "_case_low", "_case_high"),
              Where::kText);
      for (const char* what : {"shift", "shift_low", "shift_high", "case_shift", "case_low", "case_high"})
        row.add(what, "", number_cell(number((std::string("_") + what).c_str()), 3), Where::kFiles);
      row.add("p_wilcoxon", "Wilcoxon\np", p_cell(number("_p_wilcoxon")));
      row.add("p_holm", "\nHolm", p_cell(number("_p_holm")));
      row.add("p_t", "", p_cell(number("_p_t")), Where::kFiles);
      row.add("p_sign", "", p_cell(number("_p_sign")), Where::kFiles);
      row.add("cascade_lost", "", count_cell(results.value<std::int32_t>(e.id + "_cascade_lost", r)),
              Where::kFiles);
      row.add("cascade_gained", "", count_cell(results.value<std::int32_t>(e.id + "_cascade_gained", r)),
              Where::kFiles);
      row.add("p_cascade", "cascade\nMcNemar p", p_cell(number("_p_cascade")));
    }
  table.notes = {
      kSeedsShareTestSet,
      "over seeds: Hodges-Lehmann shift; over cases: mean over the test items with bootstrap interval, seeds",
      "averaged. no-op: every feature is bit for bit the plain one, so there is nothing to compare."};
  return table;
}

Table probes_table(const Results& results) {
  const schedule::Plan& plan = results.plan;
  Table table{"probes", "Layer probes", {}, {}, {}};
  RowBuilder row(table);
  for (std::uint32_t index = 0; index < plan.job.experiments.size(); ++index) {
    const ExperimentSpec& e = plan.job.experiments[index];
    for (std::uint32_t r = 0; e.kind == ExperimentKind::kLayerProbes && r < plan.rows.size(); ++r)
      for (std::size_t skill = 0; skill < schedule::kProbeSkillCount; ++skill) {
        const auto number = [&](const char* what) { return results.at<double>(e.id + what, r)[skill]; };
        const bool auc = skill == 1;
        const auto values = results.at<double>(e.id + (auc ? "_auc" : "_accuracy"), r);
        std::string curve;
        for (std::uint32_t b = 0; b < schedule::experiment_items(plan, index, r); ++b)
          curve += fmt::format("{}{:.3f}", b == 0 ? "" : " ", values[b * schedule::kProbeSkillCount + skill]);
        row.start();
        row.add("experiment", "", text_cell(e.id), Where::kFiles);
        row.add("row", "row", text_cell(plan.rows[r].label), Where::kBoth, true);
        row.add("skill", "skill", text_cell(schedule::kProbeSkills[skill]), Where::kBoth, true);
        row.add("peak_block", "peak\nblock",
                count_cell(results.at<std::int32_t>(e.id + "_peak_block", r)[skill]));
        row.add("peak", "there", number_cell(number("_peak"), 3));
        row.add("drop", "drop,\npoints", number_cell(number("_drop"), 1));
        row.add("largest_drop", "at one\nblock", number_cell(number("_largest_drop"), 1));
        row.add("inverted", "inverted",
                text_cell(results.at<std::uint8_t>(e.id + "_inverted", r)[skill] == 1 ? "yes" : ""),
                Where::kBoth, true);
        row.add("curve", "by block", text_cell(curve), Where::kBoth, true);
      }
  }
  table.notes = {
      "Held-out accuracy of L2 logistic regression, five folds grouped by action; cited: AUC. inverted: the "
      "peak",
      "lies below 0.15 of the depth, the baseline's above 0.3."};
  return table;
}

Table probe_layers_table(const Results& results) {
  const schedule::Plan& plan = results.plan;
  Table table{"probe_layers", "Layer probes by block", {}, {}, {}};
  RowBuilder line(table);
  for (std::uint32_t index = 0; index < plan.job.experiments.size(); ++index) {
    const ExperimentSpec& e = plan.job.experiments[index];
    for (std::uint32_t r = 0; e.kind == ExperimentKind::kLayerProbes && r < plan.rows.size(); ++r) {
      const auto accuracy = results.at<double>(e.id + "_accuracy", r),
                 auc = results.at<double>(e.id + "_auc", r);
      for (std::size_t skill = 0; skill < schedule::kProbeSkillCount; ++skill)
        for (std::uint32_t b = 0; b < schedule::experiment_items(plan, index, r); ++b) {
          const std::size_t at = b * schedule::kProbeSkillCount + skill;
          line.start();
          line.add("experiment", "", text_cell(e.id), Where::kFiles);
          line.add("row", "", text_cell(plan.rows[r].label), Where::kFiles);
          line.add("skill", "", text_cell(schedule::kProbeSkills[skill]), Where::kFiles);
          line.add("block", "", count_cell(b), Where::kFiles);
          line.add("accuracy", "", number_cell(accuracy[at], 3), Where::kFiles);
          line.add("auc", "", number_cell(auc[at], 3), Where::kFiles);
        }
    }
  }
  table.notes = {
      "Held-out accuracy of each skill's probe on the states behind a block (0: the first); auc: of "
      "`cited`."};
  return table;
}

Table sweep_table(const Results& results) {
  const schedule::Plan& plan = results.plan;
  Table table{"sweep", "Cascade thresholds and votes of fewer heads", {}, {}, {}};
  RowBuilder row(table);
  for (const ExperimentSpec& e : plan.job.experiments)
    for (std::uint32_t r = 0; e.kind == ExperimentKind::kDecisionHeads && r < plan.rows.size(); ++r) {
      const auto count = [&](const char* what) { return results.value<std::int32_t>(e.id + what, r); };
      if (count("_best_veto") < 0) continue;
      const auto some = results.at<double>(e.id + "_subsample_accuracy", r);
      row.start();
      row.add("experiment", "experiment", text_cell(e.id), Where::kBoth, true);
      row.add("row", "row", text_cell(plan.rows[r].label), Where::kBoth, true);
      row.add("best_veto", "VETO\nat, %", count_cell(count("_best_veto")));
      row.add("best_approve", "APPROVE\nat, %", count_cell(count("_best_approve")));
      row.add("accuracy", "right", percent_cell(results.value<double>(e.id + "_best_accuracy", r), 1));
      row.add("revise_rate", "REVISE", percent_cell(results.value<double>(e.id + "_best_revise_rate", r), 1));
      row.add("veto_to_approve", "VETO→\nAPPROVE", count_cell(count("_best_veto_to_approve")));
      const std::size_t sizes = some.size() / 3;
      for (const auto& [key, title, at] : {std::tuple{"five", "5 heads,\nright", std::size_t{0}},
                                           std::tuple{"five_majority", "\nmajority", sizes},
                                           std::tuple{"five_softmax", "mean\nsoftmax", 2 * sizes}})
        row.add(key, title, percent_cell(some[at], 1));
    }
  table.notes = {
      "Thresholds: the pair with the fewest VETO→APPROVE on validation, then the most right; judged on test.",
      "5 heads: mean over 200 draws; the result file has 5, 10, 25, 50 and 100 heads and every pair."};
  return table;
}

}  // namespace brinkmap::audit
