#include "audit/paired_tests.h"

#include <gtest/gtest.h>

#include <cmath>

#include "schedule/error.h"
#include "tests/stored_values.h"

using namespace brinkmap::audit;

namespace {

const KeyedRandom kRandom(7, "test");

}  // namespace

TEST(AdjustedP, GivesTheValuesOfStatsmodelsAndSciPy) {
  const auto cases = brinkmap::stored_values("adjusted");
  ASSERT_EQ(cases.size(), 3u);
  for (const auto& c : cases) {
    const auto p = c["p"].get<std::vector<double>>();
    const std::vector<double> by_holm = holm(p), by_rate = benjamini_hochberg(p);
    for (std::size_t i = 0; i < p.size(); ++i) {
      EXPECT_NEAR(by_holm[i], c["holm"][i].get<double>(), 1e-14);
      EXPECT_NEAR(by_rate[i], c["benjamini_hochberg"][i].get<double>(), 1e-14);
    }
  }
}

TEST(Holm, LeavesOutTestsThatWereNotMade) {
  const std::vector<double> p = holm(std::vector<double>{std::nan(""), 0.02, 0.6});
  EXPECT_TRUE(std::isnan(p[0]));
  EXPECT_DOUBLE_EQ(p[1], 0.04);
  EXPECT_DOUBLE_EQ(p[2], 0.6);
  EXPECT_THROW(holm(std::vector<double>{1.5}), brinkmap::Error);
}

// SciPy 1.17.1: permutation_test((d,), np.mean, permutation_type="samples", n_resamples=np.inf)
TEST(SignFlip, IsExactForFewDifferences) {
  EXPECT_DOUBLE_EQ(sign_flip(std::vector<double>{0.5, -0.2, 0.8, 0.3, 0.9, -0.1, 0.4, 0.6}, kRandom),
                   0.0390625);
  EXPECT_DOUBLE_EQ(sign_flip(std::vector<double>{0.5, 0.5, 0.5, -0.5, 1, 0.5, 0.5}, kRandom), 0.109375);
}

// SciPy with n_resamples=400000: 0.0376; the standard error of 4999 draws is 0.0027.
TEST(SignFlip, ComesNearTheExactPByDrawing) {
  std::vector<double> d;
  for (int i = 0; i < 60; ++i) d.push_back((i * 37 % 23 - 9) / 10.0);
  EXPECT_NEAR(sign_flip(d, kRandom), 0.0376, 4 * 0.0027);
  EXPECT_EQ(sign_flip(d, kRandom), sign_flip(d, KeyedRandom(7, "test")));
}

TEST(SignFlip, IsOneWithoutAnyDifferenceAndSmallForEqualOnes) {
  EXPECT_EQ(sign_flip({}, kRandom), 1);
  EXPECT_EQ(sign_flip(std::vector<double>{0, 0}, kRandom), 1);
  EXPECT_DOUBLE_EQ(sign_flip(std::vector<double>(100, -0.1), kRandom), 1.0 / (kSampledFlips + 1));
  EXPECT_THROW(sign_flip(std::vector<double>{std::nan("")}, kRandom), brinkmap::Error);
}

// SciPy: binomtest(40, 100, 0.25, alternative="greater"), binomtest(160, 450, 1/3, alternative="greater")
TEST(AtLeast, IsTheExactBinomialTest) {
  EXPECT_NEAR(at_least(40, std::vector<double>(100, 0.25)), 0.0006865922079629914, 1e-12);
  EXPECT_NEAR(at_least(160, std::vector<double>(450, 1.0 / 3)), 0.17091289251111366, 1e-10);
}

// SciPy: poisson_binom([0.25] * 20 + [0.5] * 10 + [0.2] * 15).sf(16)
TEST(AtLeast, TakesChancesThatDiffer) {
  std::vector<double> chances(20, 0.25);
  chances.insert(chances.end(), 10, 0.5);
  chances.insert(chances.end(), 15, 0.2);
  EXPECT_NEAR(at_least(17, chances), 0.11819832767088378, 1e-12);
}

TEST(AtLeast, TouchesTheEnds) {
  EXPECT_EQ(at_least(0, {}), 1);
  EXPECT_EQ(at_least(0, std::vector<double>{0.3, 0.4}), 1);
  EXPECT_DOUBLE_EQ(at_least(2, std::vector<double>{0.3, 0.4}), 0.12);
  EXPECT_THROW(at_least(3, std::vector<double>{0.3, 0.4}), brinkmap::Error);
  EXPECT_THROW(at_least(1, std::vector<double>{1.3, 0.4}), brinkmap::Error);
}

TEST(KeyedRandom, DrawsEvenlyAndByKey) {
  const KeyedRandom other(8, "test");
  int counts[10] = {};
  int same = 0;
  for (std::uint64_t i = 0; i < 10000; ++i) {
    ++counts[kRandom.below(10, i)];
    same += kRandom.below(10, i) == other.below(10, i) ? 1 : 0;
  }
  for (const int c : counts) EXPECT_NEAR(c, 1000, 4 * 30);  // four standard deviations of a binomial
  EXPECT_NEAR(same, 1000, 4 * 30);
}

// statsmodels 0.15.0: multipletests([0.01, 0.04, 0.03, 0.005, 0.5], method="fdr_bh")
TEST(BenjaminiHochberg, GivesTheAdjustedPOfStatsmodels) {
  const std::vector<double> p = benjamini_hochberg(std::vector<double>{0.01, 0.04, 0.03, 0.005, 0.5});
  const std::vector<double> expected{0.025, 0.05, 0.05, 0.025, 0.5};
  for (std::size_t i = 0; i < p.size(); ++i) EXPECT_DOUBLE_EQ(p[i], expected[i]);
}

TEST(BenjaminiHochberg, LeavesOutTestsThatWereNotMade) {
  const std::vector<double> p = benjamini_hochberg(std::vector<double>{std::nan(""), 0.02, 0.6});
  EXPECT_TRUE(std::isnan(p[0]));
  EXPECT_DOUBLE_EQ(p[1], 0.04);
  EXPECT_THROW(benjamini_hochberg(std::vector<double>{-0.5}), brinkmap::Error);
}

// SciPy 1.17.1: beta.ppf(0.8, 6, n - 5); binom.sf(5, n, that) is 0.8 and binomtest(6, 6).pvalue the first
// below 0.05
TEST(LeastOneWayChange, IsFoundByTheExactTestFourTimesOfFive) {
  EXPECT_NEAR(least_one_way_change(220), 0.035698988026882504, 1e-12);
  EXPECT_NEAR(least_one_way_change(100), 0.07791107495026071, 1e-12);
  EXPECT_NEAR(least_one_way_change(6), 0.9634924839989961, 1e-12);
  EXPECT_TRUE(std::isnan(least_one_way_change(5)));
}
