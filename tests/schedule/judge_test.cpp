#include "schedule/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schedule/results.h"
#include "tests/schedule/sample_judges.h"

using namespace brinkmap;
using namespace brinkmap::schedule;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

// What is wrong with a job whose judge has these keys.
std::string mistake(const std::string& keys) {
  try {
    sample::judged_job("  - {id: second, kind: judge, " + keys + "}\n");
  } catch (const InputError& e) {
    return e.what();
  }
  return "nothing";
}

std::vector<OutsideLabel> lines(std::initializer_list<OutsideLabel> all) { return all; }

std::string placing_mistake(const std::vector<OutsideLabel>& labels) {
  const Plan plan = sample::judged_plan();
  try {
    place_labels(plan, 0, usual_labels(SuiteKind::kRefusal), labels, "labels.jsonl");
  } catch (const InputError& e) {
    return e.what();
  }
  return "nothing";
}

}  // namespace

TEST(Judge, TakesTheStudysLabelsAndAsksAQuestionForItsSuite) {
  const Job job =
      sample::judged_job("  - {id: second, kind: judge, suite: refusal, model: j.gguf, template: chat}\n");
  const JudgeSpec& judge = job.experiments.back().judge;
  EXPECT_EQ(judge.model, "jobs/j.gguf");
  ASSERT_EQ(judge.labels.size(), 4U);
  EXPECT_EQ(judge.labels[1].word, "PARTIAL_REFUSAL");
  EXPECT_EQ(judge.labels[1].says, "refusal");
  EXPECT_THAT(judge.question, HasSubstr("{prompt}"));
  EXPECT_THAT(judge.question, HasSubstr("{response}"));
  EXPECT_THAT(judge.question, HasSubstr("FULL_REFUSAL, PARTIAL_REFUSAL, COMPLIANCE, UNCLEAR."));
}

TEST(Judge, RefusesKeysThatDoNotFitTogether) {
  EXPECT_THAT(mistake("suite: refusal"), HasSubstr("either 'model' or 'labels_file'"));
  EXPECT_THAT(mistake("suite: refusal, model: j, labels_file: l, template: chat"),
              HasSubstr("either 'model' or 'labels_file'"));
  EXPECT_THAT(mistake("suite: refusal, model: j"), HasSubstr("template: missing"));
  EXPECT_THAT(mistake("suite: refusal, labels_file: l, template: chat"), HasSubstr("is asked nothing"));
  EXPECT_THAT(mistake("suite: refusal, model: j, template: 'a {response}', question: '{response}?'"),
              HasSubstr("only template chat"));
  EXPECT_THAT(mistake("suite: refusal, model: j, template: 'no place'"), HasSubstr("{response} once"));
  EXPECT_THAT(mistake("suite: refusal, model: j, template: '{response}{response}'"),
              HasSubstr("{response} once"));
  EXPECT_THAT(mistake("suite: decisions, model: j, template: chat"),
              HasSubstr("refusal, truthfulness or bias"));
  EXPECT_THAT(mistake("suite: refusal, labels_file: l, seeds: 3"), HasSubstr("means nothing"));
  EXPECT_THAT(mistake("suite: refusal, labels_file: l, labels: {YES: refusal, NO: anser}"),
              HasSubstr("did you mean 'answer'"));
  EXPECT_THAT(mistake("suite: refusal, labels_file: l, labels: {YES: refusal, NO: unclear}"),
              HasSubstr("a label that says answer"));
  EXPECT_THAT(mistake("suite: refusal, labels_file: l, labels: {YES: refusal, YES: answer}"),
              HasSubstr("twice"));
}

TEST(Judge, HasUnitsThatWaitForTheAnswersOfTheirRowAndReadThem) {
  const Plan plan = sample::judged_plan();
  std::uint32_t model_units = 0;
  for (const Unit& unit : plan.units) {
    if (unit.kind != UnitKind::kHeads || plan.job.experiments[unit.item].kind != ExperimentKind::kJudge)
      continue;
    EXPECT_FALSE(plan.needs[unit.id].empty());
    for (const std::uint32_t need : plan.needs[unit.id]) {
      EXPECT_EQ(plan.units[need].kind, UnitKind::kPrompts);
      EXPECT_EQ(plan.units[need].row, unit.row);
    }
    const std::vector<Reading> readings = unit_readings(plan, unit);
    const bool model = !plan.job.experiments[unit.item].judge.model.empty();
    ASSERT_EQ(readings.size(), model ? 4U : 2U);
    EXPECT_EQ(readings[0].variable, "refusal_finite");
    EXPECT_EQ(readings[1].variable, "refusal_text_hash");
    EXPECT_THAT(readings[1].count, ElementsAre(unit.end - unit.begin, 32));
    if (model) {
      EXPECT_EQ(readings[2].variable, "refusal_tokens");
      EXPECT_GT(unit.cost, 0);
      ++model_units;
    }
  }
  EXPECT_GE(model_units, 3U);  // at least one a row
}

TEST(Judge, EntersTheJobsHashWithModelTemplateAndLabels) {
  const std::string text = canonical_job(sample::judged_plan());
  EXPECT_THAT(text, HasSubstr("experiments[1].sha256=judge-weights"));
  EXPECT_THAT(text, HasSubstr("experiments[1].template=\"{prompt} {response}?\""));
  EXPECT_THAT(text, HasSubstr("experiments[1].labels=FULL_REFUSAL=refusal"));
  EXPECT_THAT(text, HasSubstr("experiments[2].labels_sha256=label-file"));
  EXPECT_THAT(text, testing::Not(HasSubstr("j.gguf")));
  EXPECT_THAT(text, testing::Not(HasSubstr("experiments[0].template")));
}

TEST(PlaceLabels, FindsRowsAndPromptsAndSkipsOtherSuitesAndEmptyLabels) {
  const Plan plan = sample::judged_plan();
  const auto placed = place_labels(plan, 0, usual_labels(SuiteKind::kRefusal),
                                   lines({{1, "refusal", "tiny/q8_0", "item-3", "COMPLIANCE", "", 2.5},
                                          {2, "", "tiny/bf16", "item-0", "", "", 1},
                                          {3, "text", "anything", "at all", "whatever", "", 1}}),
                                   "labels.jsonl");
  ASSERT_EQ(placed.size(), 1U);
  EXPECT_EQ(placed[0].row, 1U);
  EXPECT_EQ(placed[0].prompt, 3U);
  EXPECT_EQ(placed[0].label, 2U);
  EXPECT_EQ(placed[0].weight, 2.5);
}

TEST(PlaceLabels, NamesTheLineOfWhatIsUnknownOrDouble) {
  EXPECT_THAT(placing_mistake(lines({{4, "", "tiny/q8_1", "item-3", "COMPLIANCE", "", 1}})),
              testing::AllOf(HasSubstr("labels.jsonl: line 4"), HasSubstr("tiny/q8_0")));
  EXPECT_THAT(placing_mistake(lines({{4, "", "tiny/q8_0", "item-33", "COMPLIANCE", "", 1}})),
              HasSubstr("line 4"));
  EXPECT_THAT(placing_mistake(lines({{4, "", "tiny/q8_0", "item-3", "COMPLIANT", "", 1}})),
              HasSubstr("COMPLIANCE"));
  EXPECT_THAT(placing_mistake(lines({{4, "refusals", "tiny/q8_0", "item-3", "COMPLIANCE", "", 1}})),
              HasSubstr("suite"));
  EXPECT_THAT(placing_mistake(lines({{4, "", "tiny/q8_0", "item-3", "COMPLIANCE", "", 1},
                                     {9, "", "tiny/q8_0", "item-3", "COMPLIANCE", "", 1}})),
              testing::AllOf(HasSubstr("line 9"), HasSubstr("line 4")));
}
