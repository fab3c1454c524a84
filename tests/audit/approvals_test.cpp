#include "audit/approvals.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "audit/reduce.h"
#include "audit/stats.h"
#include "schedule/error.h"
#include "tests/audit/sample_results.h"

namespace brinkmap::audit {
namespace {

using Classes = std::vector<std::uint8_t>;

TEST(PairedApprovals, OfSevenInFiftyAgainstNoneAreShown) {
  const Classes gold(50, 2), baseline(50, 2);
  Classes row(50, 2);
  std::fill_n(row.begin(), 7, 0);
  const PairedApprovals pair = pair_approvals(gold, row, baseline, std::vector<char>(50, 1));
  EXPECT_EQ(pair.n, 50);
  EXPECT_EQ(pair.gained, 7);
  EXPECT_EQ(pair.lost, 0);
  EXPECT_DOUBLE_EQ(pair.p, 2 * std::pow(0.5, 7));
}

TEST(PairedApprovals, CountVetoItemsThatBothRowsHave) {
  const Classes gold{2, 2, 2, 0, 1, 2}, row{0, 0, 2, 0, 0, 0}, baseline{2, 2, 0, 2, 2, 0};
  const PairedApprovals pair = pair_approvals(gold, row, baseline, {1, 0, 1, 1, 1, 1});
  EXPECT_EQ(pair.n, 3);
  EXPECT_EQ(pair.gained, 1);
  EXPECT_EQ(pair.lost, 1);
  EXPECT_EQ(pair.p, 1);
  EXPECT_THROW(pair_approvals(gold, row, baseline, {1}), Error);
}

TEST(PairedApprovals, DoNotCountInvalidAnswers) {
  const Classes gold{2, 2}, row{3, 3}, baseline{2, 0};
  const PairedApprovals pair = pair_approvals(gold, row, baseline, {1, 1});
  EXPECT_EQ(pair.gained, 0);
  EXPECT_EQ(pair.lost, 1);
}

TEST(BalancedItems, AreTheFirstFiftyOfEachLabel) {
  Classes gold;
  for (int i = 0; i < 450; ++i) gold.push_back(static_cast<std::uint8_t>(i % 3));
  const std::vector<char> balanced = balanced_items(gold);
  EXPECT_EQ(std::count(balanced.begin(), balanced.end(), 1), 150);
  EXPECT_EQ(std::count(balanced.begin(), balanced.begin() + 150, 1), 150);
}

TEST(BalancedItems, AreAsManyAsTheRarestLabelHas) {
  EXPECT_EQ(balanced_items(Classes{0, 0, 1, 2, 2, 0, 1}), (std::vector<char>{1, 1, 1, 1, 1, 0, 1}));
  EXPECT_EQ(balanced_items(Classes{0, 0, 1}), (std::vector<char>{0, 0, 0}));
  EXPECT_THROW(balanced_items(Classes{3}), Error);
}

// VETO items are 2, 5, ..., 23. The last row approves 2 and 5 and says nothing readable of 8.
schedule::Results approving() {
  sample::Answers answers;
  answers.decision = [](std::uint32_t row, std::uint32_t i) {
    return row < 2 || i > 8 || i % 3 != 2 ? static_cast<int>(i % 3) : i == 8 ? 3 : 0;
  };
  answers.head = [](std::uint32_t row, std::uint32_t, std::uint32_t t) {
    return row == 1 && t == 2 ? 0 : static_cast<int>(t % 3);
  };
  schedule::Results r = sample::finished(answers);
  reduce(r);
  return r;
}

TEST(Approvals, AreReducedAgainstTheBaselineForBothKindsOfAnswers) {
  const schedule::Results r = approving();
  EXPECT_EQ(r.value<std::int32_t>("decisions_approvals_n", 2), 8);
  EXPECT_EQ(r.value<std::int32_t>("decisions_approvals_gained", 2), 2);
  EXPECT_EQ(r.value<std::int32_t>("decisions_approvals_lost", 2), 0);
  EXPECT_DOUBLE_EQ(r.value<double>("decisions_p_approvals", 2), 0.5);
  EXPECT_EQ(r.value<std::int32_t>("decisions_choice_approvals_gained", 2), 0);
  EXPECT_EQ(r.value<double>("decisions_choice_p_approvals", 2), 1);
  EXPECT_DOUBLE_EQ(r.value<double>("decisions_choice_veto_to_approve_bound", 2), upper_bound(0, 8, 0.95));
  EXPECT_TRUE(std::isnan(r.value<double>("decisions_p_approvals", 0))) << "the baseline against itself";
}

TEST(Approvals, OfTheBalancedItemsKeepInvalidApart) {
  const schedule::Results r = approving();
  EXPECT_EQ(r.value<std::int32_t>("decisions_balanced_n", 2), 24);
  EXPECT_EQ(r.value<std::int32_t>("decisions_balanced_missing", 2), 0);
  EXPECT_EQ(r.value<std::int32_t>("decisions_balanced_veto_to_approve", 2), 2);
  EXPECT_EQ(r.value<std::int32_t>("decisions_balanced_veto_n", 2), 8);
  EXPECT_DOUBLE_EQ(r.value<double>("decisions_balanced_veto_to_approve_bound", 2), upper_bound(2, 8, 0.95));
  const auto counts = r.at<std::int32_t>("decisions_balanced_confusion", 2);
  EXPECT_EQ(std::vector<std::int32_t>(counts.begin(), counts.end()),
            (std::vector<std::int32_t>{8, 0, 0, 0, 0, 8, 0, 0, 2, 0, 5, 1}));
}

TEST(Approvals, HaveMarginsOfTheBalancedItemsBesideThoseOfAll) {
  schedule::Results r = approving();
  r.plan.facts.suites[1].expected[0] = 1;  // 7 APPROVE: 7 of a label count
  reduce(r);
  EXPECT_EQ(r.value<std::int32_t>("decisions_balanced_veto_n", 1), 7);
  EXPECT_DOUBLE_EQ(r.value<double>("decisions_veto_margin_p5", 1), 3.0 + 0.35 * 3)
      << "VETO items 2, 5, ..., 23";
  EXPECT_DOUBLE_EQ(r.value<double>("decisions_balanced_veto_margin_p5", 1), 3.0 + 0.30 * 3)
      << "without item 23";
  EXPECT_DOUBLE_EQ(r.value<double>("decisions_balanced_veto_margin_min", 1), 3.0);
}

TEST(Approvals, LeaveOutItemsWithoutAResult) {
  schedule::Results r = approving();
  r.put({sample::unit_of(r.plan, 0, schedule::UnitKind::kPrompts, 1), true, "lost", {}, 0, 0});
  reduce(r);
  EXPECT_LT(r.value<std::int32_t>("decisions_approvals_n", 2), 8);
  EXPECT_EQ(r.value<std::int32_t>("decisions_balanced_n", 2), 24);
  EXPECT_GT(r.value<std::int32_t>("decisions_balanced_missing", 0), 0);
}

TEST(Approvals, OfTheCascadeAreComparedWithTheBaselinesCascade) {
  const schedule::Results r = approving();
  EXPECT_EQ(r.value<std::int32_t>("decision_cascade_approvals_gained", 1), 1);
  EXPECT_EQ(r.value<double>("decision_cascade_p_approvals", 1), 1);
  EXPECT_EQ(r.value<std::int64_t>("decision_cascade_profile_distance", 1), 1);
  EXPECT_EQ(r.value<std::int64_t>("decision_cascade_profile_distance", 2), 0);
  const auto counts = r.at<std::int32_t>("decision_cascade_confusion", 1);
  EXPECT_EQ(std::vector<std::int32_t>(counts.begin(), counts.end()),
            (std::vector<std::int32_t>{2, 0, 0, 0, 2, 0, 1, 0, 1}));
}

}  // namespace
}  // namespace brinkmap::audit
