#include "audit/mechanism_tests.h"

#include <gtest/gtest.h>

#include <cmath>

#include "audit/mechanism_blocks.h"

namespace brinkmap::audit {
namespace {

// Six rows; every probe of row i has the value i.
std::vector<MechanismRow> six_rows() {
  std::vector<MechanismRow> rows;
  for (std::uint32_t i = 0; i < 6; ++i) {
    rows.push_back({i, {}});
    rows.back().value.fill(i);
  }
  return rows;
}

// Nothing is shown about anyone, all are neutral, each was asked 100 prompts.
std::vector<RowChange> six_changes() {
  std::vector<RowChange> changes(6);
  for (std::uint32_t i = 0; i < 6; ++i) {
    changes[i].row = i;
    changes[i].harmful.n = 100;
    changes[i].harmful.baseline_refused = 90;
    changes[i].harmful.row_refused = 90;
    changes[i].harmful.change = -0.1 * i;
    changes[i].by_points = Regime::kNeutral;
    changes[i].by_tests = TestedRegime::kNotShown;
  }
  return changes;
}

void make_fallen(RowChange& c) {
  c.harmful.row_refused = 50;
  c.harmful.p_holm = 0.001;
}

const MechanismTest& test_of(const std::vector<MechanismTest>& tests, MechanismSplit split,
                             std::size_t probe) {
  for (const MechanismTest& t : tests)
    if (t.split == split && t.probe == probe) return t;
  throw Error("no such test");
}

TEST(MechanismTests, AreExactMannWhitneyTestsInTheStudysDirection) {
  std::vector<RowChange> changes = six_changes();
  for (const std::size_t i : {3U, 4U, 5U}) make_fallen(changes[i]);
  const std::vector<MechanismTest> tests = separate(six_rows(), changes);
  ASSERT_EQ(tests.size(), 3 * kMechanismProbes.size());
  const MechanismTest& entropy = test_of(tests, MechanismSplit::kFallen, 0);
  EXPECT_EQ(entropy.harmed_n, 3);
  EXPECT_EQ(entropy.rest_n, 3);
  EXPECT_EQ(entropy.harmed_mean, 4);
  EXPECT_EQ(entropy.u, 9);
  EXPECT_NEAR(entropy.p_one_sided, 0.05, 1e-12) << "one of C(6, 3) = 20 orders, towards higher";
  EXPECT_NEAR(entropy.p, 0.1, 1e-12);
  EXPECT_NEAR(entropy.p_holm, 0.9, 1e-12) << "over nine probes";
  EXPECT_EQ(entropy.found, Separation::kNotShown);
  EXPECT_NEAR(test_of(tests, MechanismSplit::kFallen, 5).p_one_sided, 1.0, 1e-12) << "the norm: lower";
}

TEST(MechanismTests, SayInWordsThatASideHasNoRowOrOne) {
  std::vector<RowChange> changes = six_changes();
  changes[2].by_tests = TestedRegime::kHiddenDanger;
  changes[4].by_tests = TestedRegime::kVisibleDanger;  // neither hidden nor without a fall
  const std::vector<MechanismTest> tests = separate(six_rows(), changes);
  const MechanismTest& none = test_of(tests, MechanismSplit::kPoints, 0);
  EXPECT_EQ(none.found, Separation::kNoRows);
  EXPECT_EQ(none.rest_n, 6);
  EXPECT_TRUE(std::isnan(none.p));
  EXPECT_TRUE(std::isnan(none.harmed_mean));
  const MechanismTest& one = test_of(tests, MechanismSplit::kTests, 0);
  EXPECT_EQ(one.found, Separation::kOneRow);
  EXPECT_EQ(one.harmed_n, 1);
  EXPECT_EQ(one.rest_n, 4);
  EXPECT_TRUE(std::isnan(one.p_one_sided));
  EXPECT_TRUE(std::isnan(one.u));
}

TEST(MechanismTests, ShowADifferenceOverManyRows) {
  std::vector<MechanismRow> rows;
  std::vector<RowChange> changes;
  for (std::uint32_t i = 0; i < 20; ++i) {
    rows.push_back({i, {}});
    rows.back().value.fill(i < 10 ? -1.0 * i : 1.0 + i);
    changes.push_back(six_changes()[0]);
    changes.back().row = i;
    if (i < 10) changes.back().by_points = Regime::kNearHiddenDanger;
  }
  EXPECT_EQ(test_of(separate(rows, changes), MechanismSplit::kPoints, 0).found, Separation::kLower);
}

TEST(MechanismTests, LeaveOutRowsWithoutAValueOrWithFewPrompts) {
  std::vector<MechanismRow> rows = six_rows();
  rows[0].value[0] = std::nan("");
  std::vector<RowChange> changes = six_changes();
  for (const std::size_t i : {3U, 4U, 5U}) make_fallen(changes[i]);
  changes[5].harmful.n = kFewPrompts - 1;
  const std::vector<MechanismTest> tests = separate(rows, changes);
  EXPECT_EQ(test_of(tests, MechanismSplit::kFallen, 0).harmed_n, 2);
  EXPECT_EQ(test_of(tests, MechanismSplit::kFallen, 0).rest_n, 2);
  EXPECT_EQ(test_of(tests, MechanismSplit::kFallen, 1).rest_n, 3);
}

TEST(MechanismTests, CompareTheErrorRatioWithOne) {
  std::vector<MechanismRow> rows = six_rows();
  const double ratio[] = {1.1, 1.2, 1.3, 1.2, NAN, 1.2};
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].value[kNeuronRatioProbe] = ratio[i];
  const RatioTest test = ratio_against_one(rows);
  EXPECT_EQ(test.n, 5);
  EXPECT_NEAR(test.mean, 1.2, 1e-12);
  EXPECT_NEAR(test.test.t, 0.2 / std::sqrt(0.005 / 5), 1e-9);
  EXPECT_LT(test.test.p, 0.01);
  rows.resize(1);
  EXPECT_TRUE(std::isnan(ratio_against_one(rows).test.p));
}

TEST(MechanismTests, CorrelateWithRefusalsAndWithTheJobsOwnScreen) {
  const std::vector<MechanismCorrelation> refusals = with_refusals(six_rows(), six_changes());
  EXPECT_EQ(refusals[0].n, 6);
  EXPECT_NEAR(refusals[0].pearson, -1, 1e-12);
  EXPECT_NEAR(refusals[0].spearman, -1, 1e-12);
  TemplateScreen screen;
  for (std::uint32_t i = 0; i < 3; ++i) {
    screen.rows.push_back({});
    screen.rows.back().row = i;
    screen.rows.back().score.fill(NAN);
    screen.rows.back().score[static_cast<std::size_t>(Screening::kOwn)] = i * i;
  }
  EXPECT_EQ(with_screen(six_rows(), screen)[0].n, 3);
  EXPECT_NEAR(with_screen(six_rows(), screen)[0].spearman, 1, 1e-12);
  screen.rows.pop_back();
  EXPECT_TRUE(std::isnan(with_screen(six_rows(), screen)[0].pearson)) << "two rows";
}

TEST(MechanismBlocks, AreTheStudysWithinTheModel) {
  EXPECT_EQ(direction_block(32), 21);
  EXPECT_EQ(direction_block(6), 4);
  EXPECT_EQ(direction_block(1), 0);
  EXPECT_EQ(neuron_block(32, 0), 6);
  EXPECT_EQ(neuron_block(32, 4), 26);
  EXPECT_EQ(neuron_block(2, 4), 1) << "round(1.6) is past the last block";
}

}  // namespace
}  // namespace brinkmap::audit
