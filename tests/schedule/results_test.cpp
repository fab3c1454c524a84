#include "schedule/results.h"

#include <gtest/gtest.h>

#include <cmath>

#include "schedule/error.h"
#include "tests/schedule/sample.h"

using namespace brinkmap;
using namespace brinkmap::schedule;

TEST(Results, StartAtTheFillValuesWithoutHiddenStates) {
  const Results r = Results::empty(sample::plan());
  EXPECT_EQ(r.at<std::uint8_t>("refusal_refusal", 1)[0], 255);
  EXPECT_EQ(r.at<std::int32_t>("decisions_tokens", 2).size(), 24U * 8U);
  EXPECT_TRUE(std::isnan(r.value<double>("decision_cascade_accuracy", 0)));
  EXPECT_FALSE(r.has("decisions_state_last"));
  EXPECT_EQ(r.unit_state[0], UnitState::kTodo);
}

TEST(Results, RefuseAnotherNameTypeOrRow) {
  const Results r = Results::empty(sample::plan());
  EXPECT_THROW(r.at<std::uint8_t>("nothing", 0), Error);
  EXPECT_THROW(r.at<std::int32_t>("refusal_refusal", 0), Error);
  EXPECT_THROW(r.at<std::uint8_t>("refusal_refusal", 3), Error);
  EXPECT_THROW(r.value<std::uint8_t>("refusal_refusal", 0), Error);
}

TEST(Results, RefuseBytesThatDoNotFitTheShape) {
  Results r = Results::empty(sample::plan());
  r.arrays["refusal_refusal"].bytes.pop_back();
  EXPECT_THROW(r.at<std::uint8_t>("refusal_refusal", 0), Error);
  r.arrays["refusal_refusal"].shape = {3, ~std::uint64_t{0}, 2};
  EXPECT_THROW(r.at<std::uint8_t>("refusal_refusal", 0), Error);
}

TEST(Results, TakeAUnitsSlabs) {
  Results r = Results::empty(expand(sample::job(), sample::facts(240, 600, 60)));
  const Unit unit = *std::find_if(r.plan.units.begin(), r.plan.units.end(),
                                  [](const Unit& u) { return u.row == 1 && u.item == 1 && u.begin > 0; });
  const std::vector<Field> fields = unit_fields(r.plan, unit.kind, unit.item);
  SlabSet slabs(fields, unit.end - unit.begin);
  slabs.get<std::uint8_t>("decision")[0] = 2;
  slabs.get<double>("choice_log_prob")[4] = -1.5;
  r.put({unit.id, false, "", slabs.take(), 0.5, 0});
  EXPECT_EQ(r.at<std::uint8_t>("decisions_decision", 1)[unit.begin], 2);
  EXPECT_EQ(r.at<std::uint8_t>("decisions_decision", 1)[unit.begin - 1], 255);
  EXPECT_EQ(r.at<double>("decisions_choice_log_prob", 1)[3 * unit.begin + 4], -1.5);
  EXPECT_EQ(r.unit_state[unit.id], UnitState::kDone);
  r.put({unit.id, true, "broken", {}, 0, 0});
  EXPECT_EQ(r.unit_state[unit.id], UnitState::kFailed);
  EXPECT_EQ(r.unit_reason[unit.id], "broken");
}

TEST(Results, RefuseSlabsOfAnotherSize) {
  Results r = Results::empty(sample::plan());
  const std::vector<Field> fields = unit_fields(r.plan, r.plan.units[0].kind, r.plan.units[0].item);
  SlabSet slabs(fields, 1);
  EXPECT_THROW(r.put({0, false, "", slabs.take(), 0, 0}), Error);
  EXPECT_THROW(r.put({0, false, "", {}, 0, 0}), Error);
}
