#include "audit/rater.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "audit/reduce.h"
#include "tests/audit/judged_results.h"
#include "tests/audit/sample_kinds.h"

using namespace brinkmap;
using namespace brinkmap::audit;
using schedule::Results;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

std::string outside_mistake(const Results& r, const schedule::PlacedLabel& label) {
  try {
    outside_rater(r, 0, outside_words(r.plan.job, 0), std::vector{label}, "l.jsonl");
  } catch (const InputError& e) {
    return e.what();
  }
  return "nothing";
}

// The hash that the sample gives to an answer.
std::string hash_of(std::uint32_t row, std::uint32_t prompt) {
  std::vector<std::uint8_t> hash(32, 0);
  hash[0] = static_cast<std::uint8_t>(row);
  hash[1] = static_cast<std::uint8_t>(prompt);
  return hash_text(hash);
}

}  // namespace

TEST(Rater, ReadsTheScorersOfEveryKindThatCanBeJudged) {
  const Results kinds = sample::kinds_results();
  EXPECT_THAT(scorer_of(kinds, 0).meaning[1],
              ElementsAre(0, 1, 2, 255));                                // truthfulness 1, 0, 0.5, not finite
  EXPECT_THAT(scorer_of(kinds, 1).meaning[1], ElementsAre(0, 0, 1, 1));  // bias 1, 1, 0, 0
  EXPECT_THROW(scorer_of(kinds, 2), Error);
  sample::Judged j;
  j.answers.refusal = [](auto, auto i) { return i < 3 ? static_cast<int>(i) : 0; };
  const Rater refusals = scorer_of(sample::judged(j), 0);
  EXPECT_THAT(std::vector<std::uint8_t>(refusals.meaning[2].begin(), refusals.meaning[2].begin() + 4),
              ElementsAre(1, 0, 0, 1));  // soft and hard refusals are refusals
}

TEST(Rater, LeavesOutWhatAJudgeDidNotLabelAndWhatHasNoUsableWeight) {
  sample::Judged j;
  j.second = [](auto, auto i) { return i < 4 ? static_cast<int>(i) : 255; };
  j.human = [](auto, auto i) { return i < 2 ? 0 : 255; };
  j.weight = 2.5;
  Results r = sample::judged(j);
  const Rater second = judge_of(r, 1);
  EXPECT_THAT(std::vector<std::uint8_t>(second.meaning[1].begin(), second.meaning[1].begin() + 5),
              ElementsAre(0, 0, 1, 2, 255));
  EXPECT_EQ(judge_of(r, 2).weight[1][0], 2.5);
  j.weight = NAN;
  EXPECT_EQ(judge_of(sample::judged(j), 2).meaning[1][0], kUnrated);
  j.weight = -1;
  EXPECT_EQ(judge_of(sample::judged(j), 2).meaning[1][0], kUnrated);
}

TEST(Rater, IsReducedToAgreementAndRatesByRowWithWhatIsMissing) {
  sample::Judged j;
  j.answers.refusal = [](auto, auto i) { return i % 4 == 0 ? 2 : 0; };
  // Of row 1: one refused harmful prompt seen as answered, one unclear, one too long.
  j.second = [](std::uint32_t row, std::uint32_t i) {
    if (row == 1 && i < 6 && i % 2 == 0) return i == 0 ? 2 : i == 2 ? 3 : 255;
    return i % 4 == 0 ? 1 : 2;
  };
  j.human = [](std::uint32_t, std::uint32_t i) { return i == 0 ? 0 : 255; };
  Results r = sample::judged(j);
  reduce(r);
  EXPECT_EQ(r.value<std::int32_t>("second_missing", 1), 1);
  EXPECT_EQ(r.value<std::int32_t>("second_pairs", 1), 9);  // harmful prompts
  EXPECT_EQ(r.value<std::int32_t>("second_clear_pairs", 1), 8);
  EXPECT_DOUBLE_EQ(r.value<double>("second_agreement", 1), 7.0 / 9);
  EXPECT_DOUBLE_EQ(r.value<double>("second_rate", 1), 3.0 / 8);
  EXPECT_DOUBLE_EQ(r.value<double>("second_scorer_rate", 1), 4.0 / 8);
  EXPECT_NEAR(r.value<double>("second_kappa", 1),
              (7.0 / 8 - (4.0 * 3 + 4 * 5) / 64) / (1 - (4.0 * 3 + 4 * 5) / 64), 1e-12);
  EXPECT_EQ(r.value<double>("second_kappa", 0), 1);
  // One label: no kappa, and the answers that nobody labelled are not missing.
  EXPECT_TRUE(std::isnan(r.value<double>("human_kappa", 0)));
  EXPECT_EQ(r.value<std::int32_t>("human_clear_pairs", 0), 1);
  EXPECT_EQ(r.value<std::int32_t>("human_missing", 0), 0);
}

TEST(Rater, TakesLabelsFromOutsideThatAreOfTheAnswersInTheFile) {
  const Results r = sample::judged();
  const std::vector<schedule::PlacedLabel> placed{{1, 3, 2, 2.5, 1, hash_of(1, 3)}, {2, 0, 0, 1, 2, ""}};
  const Rater rater = outside_rater(r, 0, outside_words(r.plan.job, 0), placed, "l.jsonl");
  EXPECT_EQ(rater.name, "labels/refusal");
  EXPECT_EQ(rater.meaning[1][3], 1);
  EXPECT_EQ(rater.weight[1][3], 2.5);
  EXPECT_EQ(rater.meaning[2][0], 0);
  EXPECT_EQ(rater.meaning[0][0], kUnrated);
  EXPECT_THAT(outside_mistake(r, {1, 3, 2, 1, 5, hash_of(1, 4)}),
              testing::AllOf(HasSubstr("l.jsonl: line 5"), HasSubstr("tiny/q8_0"), HasSubstr("item-3")));
}

TEST(Rater, RefusesALabelOfAnAnswerThatThereIsNot) {
  Results r = sample::judged();
  r.put({sample::unit_of(r.plan, 1, schedule::UnitKind::kPrompts, 0), true, "broken", {}, 0, 0});
  EXPECT_THAT(outside_mistake(r, {1, 3, 2, 1, 5, ""}), HasSubstr("has no result"));
}
