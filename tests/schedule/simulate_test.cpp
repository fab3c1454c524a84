#include "schedule/simulate.h"

#include <gtest/gtest.h>

#include "schedule/error.h"
#include "tests/schedule/sample.h"

using namespace brinkmap;
using namespace brinkmap::schedule;

namespace {
Plan large_plan() { return expand(sample::job(), sample::facts(240, 600, 60)); }
}  // namespace

TEST(Simulate, GivesOneRankTheWholeCost) {
  const Simulation one = simulate(large_plan(), 1);
  ASSERT_EQ(one.ranks.size(), 1U);
  EXPECT_NEAR(one.ranks[0].busy, one.cost, 1e-6);
  EXPECT_NEAR(one.seconds, one.cost + one.ranks[0].taking_rows, 1e-6);
  EXPECT_EQ(one.ranks[0].rows, 3U) << "a rank alone takes up each row once";
  EXPECT_EQ(one.ranks[0].bytes, 10'000'000U);
}

TEST(Simulate, SpreadsTheWorkOfTwoRanksEvenly) {
  const Simulation two = simulate(large_plan(), 2);
  EXPECT_LT(two.seconds, 0.6 * two.cost);
  EXPECT_NEAR(two.ranks[0].busy + two.ranks[1].busy, two.cost, 1e-6);
}

TEST(Simulate, LeavesSomeOfTooManyRanksIdle) {
  const Plan plan = large_plan();
  const Simulation many = simulate(plan, 500);
  std::size_t units = 0;
  for (const SimulatedRank& r : many.ranks) units += r.units;
  EXPECT_EQ(units, plan.units.size());
  EXPECT_EQ(many.ranks.back().units, 0U);
}

TEST(Simulate, RefusesNoRanks) { EXPECT_THROW(simulate(large_plan(), 0), Error); }
