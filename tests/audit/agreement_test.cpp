#include "audit/agreement.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "schedule/error.h"
#include "tests/stored_values.h"

using namespace brinkmap;
using namespace brinkmap::audit;

namespace {

// k pairs of each cell of a 2 x 2 table, every pair a prompt of its own.
std::vector<RatedPair> pairs_of(int both, int only_a, int only_b, int neither) {
  std::vector<RatedPair> out;
  const auto add = [&](int n, std::uint8_t a, std::uint8_t b) {
    for (int i = 0; i < n; ++i) out.push_back({a, b, 1, static_cast<std::uint32_t>(out.size())});
  };
  add(both, 0, 0);
  add(only_a, 0, 1);
  add(only_b, 1, 0);
  add(neither, 1, 1);
  return out;
}

}  // namespace

TEST(Kappa, IsThatOfScikitLearn) {
  for (const auto& c : stored_values("kappa")) {
    const auto table = c.at("table").get<std::vector<double>>();
    EXPECT_NEAR(cohen_kappa(table, c.at("n").get<std::int64_t>()), c.at("kappa").get<double>(), 1e-12);
  }
}

TEST(Kappa, IsZeroBelowTwoPairs) {
  EXPECT_EQ(cohen_kappa(std::vector<double>{1, 0, 0, 0}, 1), 0);
  EXPECT_EQ(cohen_kappa(std::vector<double>{0, 0, 0, 0}, 0), 0);
}

TEST(Kappa, IsOneWhereBothSayTheSameThroughout) {
  EXPECT_EQ(cohen_kappa(std::vector<double>{7, 0, 0, 0}, 7), 1);
  EXPECT_EQ(kappa_error(std::vector<double>{7, 0, 0, 0}, 7), 0);
}

TEST(Kappa, HasTheErrorThatFitsThePublishedInterval) {
  // 89.9 % of 11,470 pairs agree at kappa 0.873, so chance agrees on 1 - 0.101 / 0.127 of them. A table with
  // these shares: five classes, the first of share q with q^2 + (1 - q)^2 / 4 equal to chance.
  const double p_o = 0.899, p_e = 1 - 0.101 / 0.127;
  const double q = (0.5 + std::sqrt(0.25 - 5 * (0.25 - p_e))) / 2.5;
  ASSERT_TRUE(std::isfinite(q));
  std::vector<double> table(25, 0.0);
  std::vector<double> share(5, (1 - q) / 4);
  share[0] = q;
  // Agreement in proportion to the marginals keeps them.
  for (std::size_t i = 0; i < 5; ++i)
    for (std::size_t j = 0; j < 5; ++j) {
      const double lambda = (p_o - p_e) / (1 - p_e);
      table[i * 5 + j] = (i == j ? lambda * share[i] : 0) + (1 - lambda) * share[i] * share[j];
    }
  EXPECT_NEAR(cohen_kappa(table, 11470), 0.873, 1e-9);
  EXPECT_NEAR(kWilsonZ * kappa_error(table, 11470), 0.00693408661167, 1e-9);
}

TEST(Agreement, CountsUnclearPairsInThePercentageOnly) {
  std::vector<RatedPair> pairs = pairs_of(6, 1, 1, 2);
  pairs.push_back({2, 2, 1, 50});
  pairs.push_back({0, 2, 1, 51});
  const Agreement a = agreement(pairs, nullptr);
  EXPECT_EQ(a.pairs, 12);
  EXPECT_EQ(a.clear, 10);
  EXPECT_DOUBLE_EQ(a.agreement, 9.0 / 12);
  EXPECT_DOUBLE_EQ(a.kappa, (0.8 - 0.58) / 0.42);
  EXPECT_DOUBLE_EQ(a.rate_a, 0.7);
  EXPECT_DOUBLE_EQ(a.rate_b, 0.7);
  EXPECT_TRUE(std::isnan(a.bootstrap.low));
}

TEST(Agreement, OfNothingIsUnknown) {
  const Agreement a = agreement({}, nullptr);
  EXPECT_EQ(a.pairs, 0);
  EXPECT_EQ(a.kappa, 0);
  EXPECT_TRUE(std::isnan(a.agreement));
  EXPECT_TRUE(std::isnan(a.rate_a));
  EXPECT_TRUE(std::isnan(a.large_sample.low));
}

TEST(Agreement, WeighsAPairLikeSoManyPairs) {
  // Two of the six agreeing refusals stand for three each.
  std::vector<RatedPair> weighted = pairs_of(2, 1, 1, 2);
  weighted[0].weight = weighted[1].weight = 3;
  const Agreement a = agreement(weighted, nullptr), plain = agreement(pairs_of(6, 1, 1, 2), nullptr);
  EXPECT_DOUBLE_EQ(a.kappa, plain.kappa);
  EXPECT_DOUBLE_EQ(a.agreement, plain.agreement);
  EXPECT_DOUBLE_EQ(a.rate_a, plain.rate_a);
  EXPECT_EQ(a.clear, 6);
  EXPECT_LT(a.large_sample.low, plain.large_sample.low);  // fewer answers, a wider interval
}

TEST(Agreement, HasABootstrapIntervalThatDependsOnTheKeyAloneAndIsNearTheLargeSampleOne) {
  const std::vector<RatedPair> pairs = pairs_of(90, 15, 10, 85);
  const KeyedRandom random(7, "a"), other(8, "a");
  const Agreement a = agreement(pairs, &random);
  EXPECT_EQ(a.bootstrap.low, agreement(pairs, &random).bootstrap.low);
  EXPECT_NE(a.bootstrap.low, agreement(pairs, &other).bootstrap.low);
  EXPECT_NEAR(a.bootstrap.low, a.large_sample.low, 0.03);
  EXPECT_NEAR(a.bootstrap.high, a.large_sample.high, 0.03);
}

TEST(Agreement, DrawsTheAnswersToOnePromptTogether) {
  // The same 40 pairs ten times over: as answers to 40 prompts they say no more than once.
  std::vector<RatedPair> once = pairs_of(18, 4, 3, 15), again;
  for (int copy = 0; copy < 10; ++copy) again.insert(again.end(), once.begin(), once.end());
  const KeyedRandom random(7, "a");
  const Agreement a = agreement(once, &random), b = agreement(again, &random);
  EXPECT_NEAR(a.bootstrap.low, b.bootstrap.low, 1e-12);
  EXPECT_NEAR(a.bootstrap.high, b.bootstrap.high, 1e-12);
  EXPECT_LT(b.large_sample.high, a.large_sample.high);
}

TEST(Agreement, RefusesPairsWithoutMeaningOrWeight) {
  EXPECT_THROW(agreement(std::vector<RatedPair>{{0, 255, 1, 0}}, nullptr), Error);
  EXPECT_THROW(agreement(std::vector<RatedPair>{{0, 0, 0, 0}}, nullptr), Error);
  EXPECT_THROW(agreement(std::vector<RatedPair>{{0, 0, NAN, 0}}, nullptr), Error);
}
