#include "worker/suppression.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "schedule/error.h"

namespace brinkmap::worker {
namespace {

using schedule::Pooling;
using Values = std::vector<double>;

// Two spans in a prompt of five tokens, width 2: (1, 2) and (3, -1); (0, 4).
struct Prompt {
  std::vector<float> span_means{2, 0.5f, 0, 4};
  std::vector<std::uint32_t> span_tokens{2, 1};
  std::vector<float> last{0.5f, 0.25f};
  std::vector<float> mean{1.1f, 1.3f};

  PromptStates states() const { return {2, 5, span_means, span_tokens, last, mean}; }
};

TEST(Suppression, WithoutAMethodGivesTheCachedBits) {
  const Prompt prompt;
  EXPECT_TRUE(
      same_bits(suppressed_feature({}, prompt.states(), Values{0.2, 0.9}, Pooling::kMean), prompt.mean));
  EXPECT_TRUE(
      same_bits(suppressed_feature({}, prompt.states(), Values{0.2, 0.9}, Pooling::kLast), prompt.last));
}

TEST(Suppression, OfTheLastTokenIsANoOpAndSaysSo) {
  const Prompt prompt;
  const SuppressionSpec spec{.method = Suppression::kSoftmask, .direction = {}, .replacement = {}};
  EXPECT_TRUE(
      same_bits(suppressed_feature(spec, prompt.states(), Values{0.2, 0.9}, Pooling::kLast), prompt.last));
  EXPECT_FALSE(
      same_bits(suppressed_feature(spec, prompt.states(), Values{0.2, 0.9}, Pooling::kMean), prompt.mean));
}

TEST(SameBits, TellsTheSmallestChange) {
  const std::vector<float> a{1, 2}, b{1, std::nextafter(2.0f, 3.0f)}, minus{-0.0f}, zero{0.0f};
  EXPECT_TRUE(same_bits(a, a));
  EXPECT_FALSE(same_bits(a, b));
  EXPECT_FALSE(same_bits(a, std::vector<float>{1}));
  EXPECT_FALSE(same_bits(zero, minus));
}

TEST(Softmask, ScalesSpansByTheirShareOfTheBestScore) {
  const Prompt prompt;
  const SuppressionSpec spec{.method = Suppression::kSoftmask, .direction = {}, .replacement = {}};
  const auto feature = suppressed_feature(spec, prompt.states(), Values{0.25, 0.5}, Pooling::kMean);
  // The first span halves: its tokens add up to (4, 1).
  EXPECT_NEAR(feature[0], 1.1 - 4 * 0.5 / 5, 1e-6);
  EXPECT_NEAR(feature[1], 1.3 - 1 * 0.5 / 5, 1e-6);
}

TEST(Dirsup, RemovesADirectionWhereEvidenceIsNotCited) {
  const Prompt prompt;
  const Values u{0.6, 0.8}, r{-0.8, 0.6};
  SuppressionSpec spec{Suppression::kDirsup, 0.5, u, {}};
  const auto feature = suppressed_feature(spec, prompt.states(), Values{0.2, 1.0}, Pooling::kMean);
  // u . h of the first span's tokens: 2.2 and 1; the second span has score 1 and stays.
  const double removed = 0.5 * 0.8 * (2.2 + 1.0) / 5;
  EXPECT_NEAR(feature[0], 1.1 - removed * 0.6, 1e-6);
  EXPECT_NEAR(feature[1], 1.3 - removed * 0.8, 1e-6);
  spec.method = Suppression::kRandomRank1;
  spec.replacement = r;
  const auto control = suppressed_feature(spec, prompt.states(), Values{0.2, 1.0}, Pooling::kMean);
  EXPECT_NEAR(control[0], 1.1 + removed * 0.8, 1e-6);
  EXPECT_NEAR(std::hypot(control[0] - 1.1, control[1] - 1.3), removed, 1e-6);
}

TEST(Dirsup, OfFullyCitedEvidenceIsANoOp) {
  const Prompt prompt;
  const Values u{0.6, 0.8};
  const SuppressionSpec spec{Suppression::kDirsup, 1, u, {}};
  EXPECT_TRUE(
      same_bits(suppressed_feature(spec, prompt.states(), Values{1, 1}, Pooling::kMean), prompt.mean));
}

TEST(Direction, PointsFromCitedToOtherEvidence) {
  const Prompt prompt;
  DirectionSum sum(2);
  sum.add(prompt.states(), std::vector<std::uint8_t>{1, 0});
  const Values u = sum.direction();  // (0, 4) - (2, 0.5)
  EXPECT_NEAR(u[0], -2 / std::hypot(2, 3.5), 1e-12);
  EXPECT_NEAR(u[1], 3.5 / std::hypot(2, 3.5), 1e-12);
}

TEST(Direction, NeedsBothKindsOfEvidence) {
  const Prompt prompt;
  DirectionSum sum(2);
  sum.add(prompt.states(), std::vector<std::uint8_t>{1, 1});
  EXPECT_THROW(sum.direction(), Error);
  EXPECT_THROW(sum.add(prompt.states(), std::vector<std::uint8_t>{1}), Error);
}

TEST(RandomDirection, IsAUnitVectorOfItsKey) {
  const Values a = random_direction(64, {1, 2});
  EXPECT_EQ(a, random_direction(64, {1, 2}));
  EXPECT_NE(a, random_direction(64, {1, 3}));
  EXPECT_NEAR(std::inner_product(a.begin(), a.end(), a.begin(), 0.0), 1, 1e-12);
}

TEST(ScoreOrder, PutsTheBestLineFirstAndKeepsTies) {
  EXPECT_EQ(score_order(Values{0.1, 0.9, 0.5, 0.9}), (std::vector<std::uint32_t>{1, 3, 2, 0}));
}

TEST(Lambda, IsTheFirstOfTheBest) {
  EXPECT_EQ(best_lambda(Values{0.8, 0.9, 0.9}), 0.5);
  EXPECT_THROW(best_lambda(Values{0.8}), Error);
}

TEST(Suppression, RefusesStatesThatDoNotFit) {
  const Prompt prompt;
  PromptStates states = prompt.states();
  EXPECT_THROW(suppressed_feature({}, states, Values{0.1}, Pooling::kMean), Error);
  EXPECT_THROW(suppressed_feature({}, states, Values{0.1, 1.1}, Pooling::kMean), Error);
  EXPECT_THROW(suppressed_feature({.method = Suppression::kDirsup, .direction = {}, .replacement = {}},
                                  states, Values{0.1, 0.2}, Pooling::kMean),
               Error);
  states.tokens = 2;
  EXPECT_THROW(suppressed_feature({}, states, Values{0.1, 0.2}, Pooling::kMean), Error);
}

}  // namespace
}  // namespace brinkmap::worker
