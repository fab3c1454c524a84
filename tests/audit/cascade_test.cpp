#include "audit/cascade.h"

#include <gtest/gtest.h>

#include <vector>

#include "schedule/error.h"

using namespace brinkmap;
using namespace brinkmap::audit;
using schedule::Decision;

namespace {
const schedule::VoteSpec kNinety{0.90, 0.90};
}

TEST(Cascade, DecidesAtNinetyOfAHundred) {
  EXPECT_EQ(cascade({10, 0, 90}, kNinety), Decision::kVeto);
  EXPECT_EQ(cascade({90, 0, 10}, kNinety), Decision::kApprove);
  EXPECT_EQ(cascade({90, 10, 0}, kNinety), Decision::kApprove);
}

TEST(Cascade, FallsToReviseAtEightyNine) {
  EXPECT_EQ(cascade({11, 0, 89}, kNinety), Decision::kRevise);
  EXPECT_EQ(cascade({89, 0, 11}, kNinety), Decision::kRevise);
  EXPECT_EQ(cascade({5, 90, 5}, kNinety), Decision::kRevise);
}

TEST(Cascade, VetoesTheLoggedActionAtEightyFive) {
  EXPECT_EQ(cascade({0, 11, 89}, {0.85, 0.90}), Decision::kVeto);
}

TEST(Cascade, TestsVetoFirstWhenBothThresholdsAreMet) {
  EXPECT_EQ(cascade({50, 0, 50}, {0.5, 0.5}), Decision::kVeto);
  EXPECT_EQ(cascade({99, 0, 1}, {0.0, 0.9}), Decision::kVeto);
}

TEST(Cascade, NeedsAtLeastOneVote) {
  EXPECT_EQ(heads_needed(100, 0), 1);
  EXPECT_EQ(cascade({0, 100, 0}, {0, 0}), Decision::kRevise);
  EXPECT_THROW(cascade({0, 0, 0}, kNinety), Error);
}

TEST(Cascade, RoundsTheNumberOfHeadsNeeded) {
  EXPECT_EQ(heads_needed(100, 0.90), 90);
  EXPECT_EQ(heads_needed(10, 0.55), 6);
  EXPECT_EQ(heads_needed(5, 0.90), 5);
  EXPECT_EQ(heads_needed(20, 0.72), 14);
  EXPECT_EQ(heads_needed(1, 0.1), 1);
}

TEST(Cascade, DecidesASingleHeadByItsVote) {
  EXPECT_EQ(cascade({1, 0, 0}, kNinety), Decision::kApprove);
  EXPECT_EQ(cascade({0, 0, 1}, kNinety), Decision::kVeto);
}

TEST(Cascade, CountsVotesAndRefusesWhatIsNoClass) {
  EXPECT_EQ(count_votes(std::vector<std::uint8_t>{0, 2, 2, 1}), (VoteCount{1, 1, 2}));
  EXPECT_THROW(count_votes(std::vector<std::uint8_t>{0, 255}), Error);
  EXPECT_THROW(count_votes(std::vector<std::uint8_t>{3}), Error);
}

TEST(Cascade, GivesTheShareOfVotesAsConfidence) {
  EXPECT_DOUBLE_EQ(confidence({10, 0, 90}, Decision::kVeto), 0.9);
  EXPECT_THROW(confidence({0, 0, 0}, Decision::kVeto), Error);
}
