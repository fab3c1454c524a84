#include "audit/stats.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "schedule/error.h"
#include "tests/stored_values.h"

using namespace brinkmap::audit;

TEST(ClopperPearson, StillAllowsSixPercentAfterNoneOfFifty) {
  EXPECT_NEAR(upper_bound(0, 50, 0.95), 0.058, 5e-4);
  EXPECT_NEAR(upper_bound(0, 50, 0.95), 1 - std::pow(0.05, 1.0 / 50), 1e-12);
}

TEST(ClopperPearson, SolvesItsDefiningEquations) {
  // P(X <= 3 | n = 20, high) and P(X >= 3 | n = 20, low) are both 2.5 %.
  const Interval i = clopper_pearson(3, 20, 0.95);
  const auto cdf = [](double p, int k) {
    double sum = 0;
    for (int x = 0; x <= k; ++x)
      sum += std::exp(std::lgamma(21) - std::lgamma(x + 1) - std::lgamma(21 - x)) * std::pow(p, x) *
             std::pow(1 - p, 20 - x);
    return sum;
  };
  EXPECT_NEAR(cdf(i.high, 3), 0.025, 1e-9);
  EXPECT_NEAR(1 - cdf(i.low, 2), 0.025, 1e-9);
}

TEST(ClopperPearson, TouchesTheEnds) {
  EXPECT_EQ(clopper_pearson(0, 10, 0.95).low, 0);
  EXPECT_EQ(clopper_pearson(10, 10, 0.95).high, 1);
  EXPECT_EQ(upper_bound(10, 10, 0.95), 1);
  EXPECT_EQ(upper_bound(0, 0, 0.95), 1);
}

TEST(ClopperPearson, RefusesImpossibleCounts) {
  EXPECT_THROW(upper_bound(3, 2, 0.95), brinkmap::Error);
  EXPECT_THROW(upper_bound(-1, 2, 0.95), brinkmap::Error);
  EXPECT_THROW(upper_bound(1, 2, 1.0), brinkmap::Error);
}

TEST(Wilson, MatchesTheTextbookFigures) {
  const Interval ten = wilson(10, 10);  // 1 / (1 + z^2 / 10)
  EXPECT_NEAR(ten.low, 0.7224672, 1e-6);
  EXPECT_DOUBLE_EQ(ten.high, 1);
  const Interval half = wilson(5, 10);
  EXPECT_NEAR(half.low, 0.2365931, 1e-6);
  EXPECT_NEAR(half.high, 0.7634069, 1e-6);
}

TEST(CountTests, GiveTheValuesOfSciPy) {
  std::size_t mcnemar = 0, fisher = 0;
  for (const auto& c : brinkmap::stored_values("counts")) {
    const auto n = c["counts"].get<std::vector<std::int64_t>>();
    SCOPED_TRACE(c.dump());
    if (c["test"] == "mcnemar") {
      ++mcnemar;
      EXPECT_NEAR(mcnemar_exact(n.at(0), n.at(1)), c["p"].get<double>(), 1e-12);
    } else {
      ++fisher;
      EXPECT_NEAR(fisher_exact(n.at(0), n.at(1), n.at(2), n.at(3)), c["p"].get<double>(), 1e-12);
    }
  }
  EXPECT_EQ(mcnemar, 7u);
  EXPECT_EQ(fisher, 6u);
}

TEST(Quantile, GivesTheValuesOfNumPy) {
  const auto cases = brinkmap::stored_values("quantiles");
  ASSERT_EQ(cases.size(), 4u);
  for (const auto& c : cases)
    for (const auto& q : c["quantiles"])
      EXPECT_NEAR(quantile(c["values"].get<std::vector<double>>(), q[0].get<double>()), q[1].get<double>(),
                  1e-12);
}

TEST(McNemar, DoublesTheSmallerBinomialTail) {
  EXPECT_NEAR(mcnemar_exact(0, 6), 2.0 / 64, 1e-12);
  EXPECT_NEAR(mcnemar_exact(1, 9), 22.0 / 1024, 1e-12);
  EXPECT_EQ(mcnemar_exact(9, 1), mcnemar_exact(1, 9));
}

TEST(McNemar, IsOneWithoutDisagreementAndForATie) {
  EXPECT_EQ(mcnemar_exact(0, 0), 1);
  EXPECT_EQ(mcnemar_exact(4, 4), 1);
}

TEST(Fisher, GivesThePublishedPOfSevenAgainstNoneOfFifty) {
  EXPECT_NEAR(fisher_exact(7, 43, 0, 50), 0.012, 5e-4);
  EXPECT_EQ(fisher_exact(7, 43, 0, 50), fisher_exact(0, 50, 7, 43));
}

TEST(Fisher, GivesTheTeaTastersP) { EXPECT_NEAR(fisher_exact(3, 1, 1, 3), 34.0 / 70, 1e-12); }

TEST(Fisher, IsOneWhenAMarginIsEmpty) {
  EXPECT_EQ(fisher_exact(0, 5, 0, 5), 1);
  EXPECT_EQ(fisher_exact(0, 0, 3, 2), 1);
  EXPECT_EQ(fisher_exact(5, 0, 5, 0), 1);
}

namespace {

// Score of p1 - p2 = delta with the nuisance parameter found by brute force instead of the closed form.
double brute_score(double b, double c, double n, double delta) {
  double best = -INFINITY, best_q = 0;
  const double low = std::max(0.0, -delta), high = (1 - delta) / 2;
  for (int i = 1; i < 200000; ++i) {
    const double q = low + (high - low) * i / 200000;
    const double rest = 1 - 2 * q - delta;
    if (rest <= 0 || q + delta <= 0) continue;
    const double likelihood = b * std::log(q + delta) + c * std::log(q) + (n - b - c) * std::log(rest);
    if (likelihood > best) {
      best = likelihood;
      best_q = q;
    }
  }
  return (b - c - n * delta) / std::sqrt(n * (2 * best_q + delta * (1 - delta)));
}

}  // namespace

TEST(PairedDifference, PutsTheScoreOfItsLimitAtTheQuantile) {
  for (const auto& [b, c, n] : {std::tuple{12, 3, 100}, {40, 5, 120}, {7, 7, 60}, {3, 12, 100}}) {
    const double low = paired_difference_low(b, c, n, 0.95);
    EXPECT_NEAR(brute_score(b, c, n, low), 1.6448536, 2e-3) << b << " " << c << " " << n;
    EXPECT_LT(low, static_cast<double>(b - c) / n);
  }
}

TEST(PairedDifference, StaysBelowZeroWhenNothingChanged) {
  const double low = paired_difference_low(0, 0, 100, 0.95);
  EXPECT_LT(low, 0);
  EXPECT_GT(low, -0.05);
  EXPECT_EQ(paired_difference_low(0, 0, 0, 0.95), -1);
}

TEST(PairedDifference, GrowsWithTheItemsLost) {
  double last = -1;
  for (int lost = 0; lost <= 50; lost += 5) {
    const double low = paired_difference_low(lost, 0, 50, 0.95);
    EXPECT_GT(low, last);
    EXPECT_LE(low, lost / 50.0);
    last = low;
  }
}

TEST(Quantile, InterpolatesBetweenOrderStatistics) {
  EXPECT_DOUBLE_EQ(quantile(std::vector<double>{4, 1, 3, 2}, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(quantile(std::vector<double>{4, 1, 3, 2}, 0), 1);
  EXPECT_DOUBLE_EQ(quantile(std::vector<double>{5}, 0.05), 5);
  EXPECT_TRUE(std::isnan(quantile({}, 0.5)));
}
