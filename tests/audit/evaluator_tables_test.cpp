#include "audit/evaluator_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <span>
#include <sstream>

#include "audit/method_comparison.h"
#include "audit/reduce.h"
#include "audit/report.h"
#include "audit/table_reader.h"
#include "tests/audit/study_results.h"

namespace brinkmap::audit {
namespace {

using schedule::Results;
using testing::HasSubstr;

Results finished() {
  Results r = sample::finished_study();
  reduce(r);
  return r;
}

std::set<std::string> keys_of(const Table& table) {
  std::set<std::string> out;
  for (const Column& c : table.columns)
    if (c.where != Where::kText) out.insert(c.key);
  return out;
}

TEST(StudyTables, AreAllThereAndFitAHundredColumns) {
  Results r = sample::finished_study();
  for (std::size_t row = 0; row < r.plan.rows.size(); ++row)
    r.plan.rows[row].label = "llama-1m/mlx-" + std::to_string(row) + "-g64-e16";
  reduce(r);
  for (const Table& table :
       {evaluator_table(r), arms_table(r), speed_table(r), evidence_table(r), methods_table(r),
        method_checks_table(r), approvals_table(r), margins_table(r), confusions_table(r), probes_table(r),
        probe_blocks_table(r), sweep_table(r), subsamples_table(r)}) {
    EXPECT_FALSE(table.rows.empty()) << table.id;
    std::istringstream text(to_text(table));
    for (std::string line; std::getline(text, line);) EXPECT_LE(display_width(line), 100U) << line;
  }
}

TEST(StudyTables, AreEmptyInAJobWithoutAStudy) {
  Results r = sample::finished();
  reduce(r);
  for (const Table& table : {evaluator_table(r), arms_table(r), speed_table(r), evidence_table(r),
                             methods_table(r), method_checks_table(r), approvals_table(r), margins_table(r),
                             confusions_table(r), error_profiles_table(r), probes_table(r),
                             probe_blocks_table(r), probe_layers_table(r), subsamples_table(r)})
    EXPECT_TRUE(table.rows.empty()) << table.id;
}

TEST(StudyTables, OfUnfinishedResultsShowNothingKnown) {
  Results r = sample::fresh_study();
  reduce(r);
  const Table table = approvals_table(r);
  EXPECT_EQ(TableReader(table).cell(1, "generated_approvals").text, "-");
  EXPECT_EQ(TableReader(table).text(1, "generated_p"), "");
  EXPECT_THAT(to_text(make_report(r)), HasSubstr("Variants of the evaluator"));
}

TEST(MethodTables, HaveEveryTestInTextAndFilesBesideTheCaveat) {
  const Results r = finished();
  const Table methods = methods_table(r), checks = method_checks_table(r);
  std::set<std::string> keys = keys_of(methods);
  keys.merge(keys_of(checks));
  for (const char* key : {"feature", "no_op", "accuracy", "shift", "shift_low", "shift_high", "shift_median",
                          "p_wilcoxon", "p_holm", "p_t", "p_sign", "case_shift", "case_low", "case_high",
                          "cascade_lost", "cascade_gained", "p_cascade"})
    EXPECT_TRUE(keys.contains(key)) << key;
  const std::string text = to_text(methods) + to_text(checks);
  for (const char* title : {"Wilcoxon", "Holm", "t p", "sign p", "over cases", "McNemar"})
    EXPECT_THAT(text, HasSubstr(title));
  EXPECT_THAT(to_text(methods), HasSubstr(kSeedsShareTestSet));
  EXPECT_THAT(to_text(checks), HasSubstr(kSeedsShareTestSet));
  EXPECT_THAT(text, HasSubstr("dirsup_L3_last"));
}

TEST(MethodTables, SayHowMuchOfTheDirectionTheHeadsLost) {
  Results r = sample::finished_study();
  std::vector<double> strength(r.at<double>("dirsup_strength", 1).size(), 0.5);
  strength[0] = 0.25;
  strength[1] = 1;
  r.set_row("dirsup_strength", 1, std::as_bytes(std::span(strength)));
  reduce(r);
  const Table table = methods_table(r);
  const TableReader lines(table);
  const std::size_t at = 1 * 3 + 1;  // dirsup on q8_0
  ASSERT_EQ(lines.text(at, "experiment"), "dirsup");
  EXPECT_EQ(lines.number(at, "strength"), 0.5);
  EXPECT_EQ(lines.number(at, "strength_low"), 0.25);
  EXPECT_EQ(lines.number(at, "strength_high"), 1);
  EXPECT_EQ(lines.cell(at, "removed").text, "0.50");
  EXPECT_EQ(lines.cell(0, "removed").text, "-") << "plain heads have no method";
  EXPECT_EQ(lines.cell(2 * 3 + 1, "removed").text, "none") << "reorder is a no-op";
  EXPECT_EQ(lines.text(2 * 3 + 1, "same_features"), "1");
}

TEST(ProbesTable, SaysHowManyLinesAndItemsASkillStandsOn) {
  const Results r = finished();
  const Table table = probes_table(r);
  const TableReader lines(table);
  for (const auto& [line, n] : {std::pair{0, "84"}, std::pair{1, "84"}, std::pair{2, "24"}})
    EXPECT_EQ(lines.text(static_cast<std::size_t>(line), "n"), n) << "three or four lines an item";
}

TEST(MethodTables, CallANoOpByItsNameAndGiveNoFigure) {
  const Results r = finished();
  const Table table = methods_table(r);
  const TableReader lines(table);
  const std::size_t at = 2 * 3 + 1;  // reorder on q8_0
  ASSERT_EQ(lines.text(at, "experiment"), "reorder");
  EXPECT_EQ(lines.text(at, "no_op"), "1");
  EXPECT_EQ(lines.text(at, "p_wilcoxon"), "");
  EXPECT_EQ(lines.cell(at, "shift_text").text, "no-op");
}

TEST(ApprovalsTable, HasGeneratedAndChosenAnswersSideBySide) {
  const Results r = finished();
  const Table table = approvals_table(r);
  const TableReader lines(table);
  ASSERT_EQ(lines.size(), 6U);  // three rows, balanced and all items
  EXPECT_EQ(lines.text(2, "items"), "balanced");
  EXPECT_EQ(lines.text(2, "generated_veto_to_approve"), "2");
  EXPECT_EQ(lines.text(2, "generated_gained"), "2");
  EXPECT_EQ(lines.text(2, "generated_invalid"), "1");
  EXPECT_EQ(lines.number(2, "generated_p"), 0.5);
  EXPECT_EQ(lines.text(2, "choice_veto_to_approve"), "0");
  EXPECT_EQ(lines.cell(2, "choice_approvals").text, "0/8*");
  EXPECT_EQ(lines.cell(0, "generated_p").text, "-");
}

TEST(ConfusionsTable, KeepsInvalidApartAndCountsWhatMoved) {
  const Results r = finished();
  const Table table = confusions_table(r);
  const TableReader lines(table);
  ASSERT_EQ(lines.size(), 9U);  // generated, choice and the cascade of `decision`
  EXPECT_EQ(lines.text(2, "decides"), "generated");
  EXPECT_EQ(lines.text(2, "veto_as_approve"), "2");
  EXPECT_EQ(lines.text(2, "veto_as_invalid"), "1");
  EXPECT_EQ(lines.text(2, "distance"), "3");
  EXPECT_EQ(lines.text(6, "decides"), "decision");
  EXPECT_EQ(lines.text(6, "veto_as_invalid"), "0");
  const Table pairs = error_profiles_table(r);
  EXPECT_EQ(TableReader(pairs).size(), 9U);
  EXPECT_EQ(TableReader(pairs).text(2, "distance"), "3");  // the last row and the one before it
}

TEST(ArmsTable, PutsFrozenHeadsBesideTheRowsOwn) {
  const Results r = finished();
  const Table table = arms_table(r);
  const TableReader lines(table);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_DOUBLE_EQ(lines.number(1, "own_right"), 4.0 / 6);
  EXPECT_DOUBLE_EQ(lines.number(1, "frozen_right"), 3.0 / 6);
  EXPECT_NEAR(lines.number(1, "shift"), -100.0 / 6, 1e-9);
}

TEST(ProbeBlocksTable, ShowsTheCurveAndAtMostNineBlocks) {
  Results r = finished();
  const Table table = probe_blocks_table(r);
  EXPECT_EQ(table.columns.size(), 3U + 6);
  EXPECT_EQ(table.columns.back().title, "L5");
  EXPECT_EQ(TableReader(table).cell(0, "block_4").text, "0.900");
}

TEST(ProbeLayersTable, HasALineForEveryRowSkillAndBlock) {
  const Results r = finished();
  const Table table = probe_layers_table(r);
  const TableReader lines(table);
  ASSERT_EQ(lines.size(), 3U * 3 * 6);
  const std::size_t at = (1 * 3 + 1) * 6 + 4;  // q8_0, cited, block 4
  EXPECT_EQ(lines.text(at, "row"), "tiny/q8_0");
  EXPECT_EQ(lines.text(at, "skill"), "cited");
  EXPECT_EQ(lines.text(at, "block"), "4");
  EXPECT_NEAR(lines.number(at, "accuracy"), 0.85, 1e-12);
  EXPECT_NEAR(lines.number(at, "auc"), 0.86, 1e-12);
  EXPECT_EQ(lines.text(0, "auc"), "");
}

TEST(EvaluatorTable, HasTheStudysColumns) {
  const Results r = finished();
  const Table table = evaluator_table(r);
  const TableReader lines(table);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines.cell(1, "speed_ratio").text, "2.00x");
  EXPECT_EQ(lines.cell(1, "cited_auc").text, "1.000");
  EXPECT_EQ(lines.cell(1, "dirsup_head_accuracy_mean").text, "0.833");
  EXPECT_EQ(lines.text(1, "dirsup_feature"), "dirsup_L3_last");
  EXPECT_EQ(lines.cell(1, "dirsup_p_wilcoxon").text, "<0.001");
  EXPECT_EQ(lines.cell(2, "decisions_approvals").text, "2/8*");
  EXPECT_EQ(lines.cell(0, "probes").text, "reference");
  EXPECT_EQ(lines.cell(2, "probes").text, "-10.0!");
}

TEST(SweepTable, SaysHowManyVetoItemsMightBeApproved) {
  const Results r = finished();
  const Table table = sweep_table(r);
  const TableReader lines(table);
  ASSERT_EQ(lines.text(0, "veto_to_approve"), "1");
  ASSERT_EQ(lines.text(0, "veto_n"), "2");
  EXPECT_NEAR(lines.number(0, "bound"), std::sqrt(0.95), 1e-12) << "1 of 2";
}

TEST(SubsamplesTable, SaysOfHowManyVetoItems) {
  const Table table = subsamples_table(finished());
  EXPECT_EQ(TableReader(table).text(0, "veto_n"), "2");
  EXPECT_THAT(to_text(table), HasSubstr("of 2"));
}

TEST(SubsamplesTable, GivesEveryRuleWithItsReviseRate) {
  const Results r = finished();
  const Table table = subsamples_table(r);
  const TableReader lines(table);
  ASSERT_EQ(lines.size(), 6U);  // 5 and 10 of 20 heads
  for (const char* rule : {"cascade_", "majority_", "softmax_"}) {
    EXPECT_TRUE(std::isfinite(lines.number(0, std::string(rule) + "revise_rate"))) << rule;
    EXPECT_TRUE(std::isfinite(lines.number(0, std::string(rule) + "veto_to_approve"))) << rule;
  }
}

}  // namespace
}  // namespace brinkmap::audit
