#include "audit/equivalence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "schedule/error.h"

using namespace brinkmap::audit;

namespace {

const std::vector<double> kDifferences = {-0.01, 0.02, 0.0, -0.03, 0.01, 0.0,
                                          -0.02, 0.01, 0.0, -0.01, 0.02, -0.015};

}  // namespace

// statsmodels 0.15.0: ttost_paired(base + d, base, -0.02, 0.02); DescrStatsW(d).tconfint_mean(0.10)
TEST(Equivalence, GivesTheTwoOneSidedTestsOfStatsmodels) {
  const Equivalence e = equivalence(kDifferences, 0.02);
  EXPECT_EQ(e.n, 12);
  EXPECT_NEAR(e.mean, -0.0020833333333333333, 1e-15);
  EXPECT_NEAR(e.p_equivalent, 0.0010765564359497119, 1e-12);
  EXPECT_NEAR(e.p_not_worse, 0.0010765564359497119, 1e-12);
  EXPECT_NEAR(e.interval.low, -0.01016468904255652, 1e-12);
  EXPECT_NEAR(e.interval.high, 0.005998022375889854, 1e-12);
}

// SciPy 1.17.1: ttest_1samp(d - 0.02, -0.02, alternative="less"), and "greater"
TEST(Equivalence, ShowsNeitherNearTheMargin) {
  std::vector<double> lower = kDifferences;
  for (double& d : lower) d -= 0.02;
  const Equivalence e = equivalence(lower, 0.02);
  EXPECT_NEAR(e.p_worse, 0.32620516313206827, 1e-12);
  EXPECT_NEAR(e.p_not_worse, 0.6737948368679317, 1e-12);
}

// SciPy: ttest_1samp(d + 0.05, 0.02, alternative="less")
TEST(Equivalence, OfBetterScoresIsNotShownButThatTheyAreNotWorse) {
  std::vector<double> higher = kDifferences;
  for (double& d : higher) d += 0.05;
  const Equivalence e = equivalence(higher, 0.02);
  EXPECT_LT(e.p_not_worse, 1e-6);
  EXPECT_NEAR(e.p_equivalent, 0.9999665991395822, 1e-9);
}

// 0 changed of n allows a share of 1 - 0.05^(1/n) changed items: 5.8 % of 50, below 2 % from 149 on.
TEST(Equivalence, OfEqualScoresIsShownOnlyByEnoughOfThem) {
  const Equivalence few = equivalence(std::vector<double>(50, 0.0), 0.02);
  EXPECT_NEAR(few.p_equivalent, std::pow(0.98, 50), 1e-12);
  EXPECT_NEAR(few.interval.low, -0.0581550, 1e-6);
  EXPECT_NEAR(few.interval.high, 0.0581550, 1e-6);
  EXPECT_EQ(few.p_worse, 1);
  EXPECT_GT(equivalence(std::vector<double>(148, 0.0), 0.02).p_not_worse, 0.05);
  EXPECT_LT(equivalence(std::vector<double>(149, 0.0), 0.02).p_not_worse, 0.05);
}

TEST(Equivalence, OfEqualFallsBeyondTheMarginIsNever) {
  const Equivalence fall = equivalence(std::vector<double>(20, -0.5), 0.02);
  EXPECT_EQ(fall.p_not_worse, 1);
  EXPECT_EQ(fall.p_equivalent, 1);
  EXPECT_NEAR(fall.p_worse, std::pow(1 - 0.48 / 1.5, 20), 1e-12);
}

TEST(Equivalence, NeedsTwoDifferencesAndAMargin) {
  EXPECT_TRUE(std::isnan(equivalence({}, 0.02).p_equivalent));
  EXPECT_TRUE(std::isnan(equivalence(std::vector<double>{0.1}, 0.02).mean));
  EXPECT_EQ(equivalence(std::vector<double>{0.1}, 0.02).n, 1);
  EXPECT_THROW(equivalence(kDifferences, 0), brinkmap::Error);
}
