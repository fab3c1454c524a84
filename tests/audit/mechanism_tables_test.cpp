#include "audit/mechanism_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "audit/reduce.h"
#include "audit/report.h"
#include "tests/audit/mechanism_results.h"

namespace brinkmap::audit {
namespace {

using schedule::Results;
using testing::HasSubstr;

// The sample, reduced once for all tests that change nothing in it.
const Results& reduced() {
  static const Results results = [] {
    Results r = sample::mechanism_results();
    reduce(r);
    return r;
  }();
  return results;
}

// The cell of a table in the row whose cells hold these texts.
const Cell& cell(const Table& table, const std::vector<std::string>& with, const std::string& key) {
  std::size_t column = 0;
  while (table.columns.at(column).key != key) ++column;
  for (const std::vector<Cell>& row : table.rows) {
    std::size_t found = 0;
    for (const std::string& text : with)
      for (const Cell& c : row) {
        if (c.text != text) continue;
        ++found;
        break;
      }
    if (found == with.size()) return row[column];
  }
  throw Error("no such row");
}

TEST(ReduceMechanisms, AveragesTheFirstTokensOverThePromptsOfASet) {
  const Results& r = reduced();
  const auto value = [&](const char* what, std::uint32_t row) {
    return r.at<double>(std::string("mechanisms_first_") + what, row);
  };
  EXPECT_NEAR(value("entropy", 2)[0], 2.1, 1e-12);
  EXPECT_NEAR(value("entropy", 2)[1], 2.0, 1e-12);
  EXPECT_NEAR(value("entropy_shift", 7)[0], 2.0, 1e-12) << "row 7 against row 5";
  EXPECT_EQ(value("entropy_shift", 5)[0], 0.0);
  EXPECT_DOUBLE_EQ(value("agree", 2)[0], 0.75);
  EXPECT_DOUBLE_EQ(value("ece", 2)[0], 0.25) << "right on three of four, sure of a half";
  EXPECT_DOUBLE_EQ(value("ece", 0)[0], 0.5) << "always right: it is its own reference";
  EXPECT_EQ(r.at<std::int32_t>("mechanisms_first_n", 2)[0], 100);
  EXPECT_EQ(r.at<std::int32_t>("mechanisms_first_n", 2)[1], 50);
}

TEST(ReduceMechanisms, LeavesOutPromptsThatAreNotUsable) {
  Results r = sample::mechanism_results();
  sample::fill<std::uint8_t>(r, "direct_finite", 2, [](std::uint32_t i) { return i < 10 ? 0 : 1; });
  sample::fill<std::int32_t>(r, "direct_first_token", 0, [](std::uint32_t i) { return i < 30 ? -1 : 1000; });
  reduce_row(r, 2);
  EXPECT_EQ(r.at<std::int32_t>("mechanisms_first_n", 2)[0], 90);
  EXPECT_EQ(r.at<std::int32_t>("mechanisms_first_pairs", 2)[0], 70);
}

TEST(ReduceMechanisms, ReadsTheStudysBlocks) {
  const Results& r = reduced();
  EXPECT_EQ(r.value<std::int32_t>("mechanisms_direction_block", 2), 4) << "0.65 of 6 blocks";
  EXPECT_DOUBLE_EQ(r.value<double>("mechanisms_direction_norm", 2), 8);
  EXPECT_DOUBLE_EQ(r.value<double>("mechanisms_direction_norm_ratio", 2), 8.0 / 6);
  EXPECT_DOUBLE_EQ(r.value<double>("mechanisms_direction_cosine", 2), 0.5);
  const auto blocks = r.at<std::int32_t>("mechanisms_neuron_block", 2);
  EXPECT_EQ(std::vector<std::int32_t>(blocks.begin(), blocks.end()),
            (std::vector<std::int32_t>{1, 2, 3, 4, 5}));
  EXPECT_DOUBLE_EQ(r.value<double>("mechanisms_neuron_ratio", 2), 1.2 + 0.03);
  EXPECT_EQ(r.value<std::int32_t>("mechanisms_neuron_n", 2), 5);
  EXPECT_EQ(r.value<std::int32_t>("mechanisms_neuron_n", 0), 0)
      << "the baseline differs from itself by nothing";
  EXPECT_TRUE(std::isnan(r.value<double>("mechanisms_neuron_ratio", 0)));
}

TEST(ReduceMechanisms, HaveNoValueForBlocksThatAreNotDone) {
  Results r = sample::mechanism_results();
  for (const schedule::Unit& u : r.plan.units)
    if (u.kind == schedule::UnitKind::kHeads && u.row == 2) r.unit_state[u.id] = schedule::UnitState::kFailed;
  reduce_row(r, 2);
  EXPECT_TRUE(std::isnan(r.value<double>("mechanisms_direction_norm", 2)));
  EXPECT_EQ(r.value<std::int32_t>("mechanisms_direction_harmful_n", 2), -1);
  EXPECT_EQ(r.value<std::int32_t>("mechanisms_missing", 2), 6);
  const Report report = make_report(r);
  EXPECT_EQ(cell(*find_table(report, "mechanisms"), {"one/q6_k"}, "direction_cosine").text, "-");
  EXPECT_EQ(cell(*find_table(report, "mechanism_layers"), {"one/q6_k"}, "norm").text, "-");
}

TEST(MechanismTables, HaveALineForEveryRowBlockSplitAndProbe) {
  const Report report = make_report(reduced());
  EXPECT_EQ(find_table(report, "mechanisms")->rows.size(), 10U);
  EXPECT_EQ(find_table(report, "mechanism_layers")->rows.size(), 60U);
  EXPECT_EQ(find_table(report, "mechanism_tests")->rows.size(), 28U);
  EXPECT_EQ(find_table(report, "mechanism_correlations")->rows.size(), 9U);
  EXPECT_EQ(find_table(make_report(sample::paired_results()), "mechanisms"), nullptr);
}

TEST(MechanismTables, FitATerminal) {
  Results r = reduced();
  for (schedule::Row& row : r.plan.rows) row.label = "mistral-2m/gptq-4-g128";
  const Report report = make_report(r);
  for (const char* id : {"mechanisms", "mechanism_tests", "mechanism_correlations", "mechanism_layers"}) {
    std::istringstream lines(to_text(*find_table(report, id)));
    for (std::string line; std::getline(lines, line);) EXPECT_LE(display_width(line), 100U) << line;
  }
}

TEST(MechanismTables, SayThatNoRowIsInDangerInsteadOfATest) {
  const Report report = make_report(reduced());
  const Table& tests = *find_table(report, "mechanism_tests");
  EXPECT_EQ(cell(tests, {"danger, points", "entropy shift ↑"}, "found").text, "no row");
  EXPECT_EQ(cell(tests, {"danger, points", "entropy shift ↑"}, "p").text, "-");
  EXPECT_THAT(tests.notes.front(),
              HasSubstr("danger, points: no row on the harmed side, 8 rows on the other"));
}

TEST(MechanismTables, TellRowsWhoseRefusalsFellFromTheOthers) {
  Results r = sample::mechanism_results();
  for (const std::uint32_t row : {3U, 4U, 8U, 9U}) sample::set_refusals(r, row, 40, 60, 0);
  reduce(r);
  const Report report = make_report(r);
  const Table& tests = *find_table(report, "mechanism_tests");
  const Cell& p = cell(tests, {"refusals fell", "entropy shift ↑"}, "p_one_sided");
  EXPECT_NEAR(std::get<double>(p.value), 1.0 / 70, 1e-12) << "the highest four of eight";
  EXPECT_EQ(cell(tests, {"danger, points", "entropy shift ↑"}, "harmed_n").text, "4");
  const Table& with = *find_table(report, "mechanism_correlations");
  EXPECT_EQ(cell(with, {"entropy shift"}, "refusals_n").text, "8");
  EXPECT_LT(std::get<double>(cell(with, {"entropy shift"}, "refusals_pearson").value), -0.8);
}

}  // namespace
}  // namespace brinkmap::audit
