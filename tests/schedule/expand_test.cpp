#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>

#include "schedule/cost.h"
#include "schedule/error.h"
#include "schedule/plan.h"
#include "tests/schedule/sample.h"

using namespace brinkmap;
using namespace brinkmap::schedule;
using testing::HasSubstr;

namespace {

double total_cost(const Plan& plan) {
  double sum = 0;
  for (const Unit& u : plan.units) sum += u.cost;
  return sum;
}

// Six models and 51 rows, the grid of METHOD.md 1: two models lack the first recipe, one lacks one of the
// last two.
Plan grid51() {
  std::string text = "name: grid\nmodels:\n";
  Facts facts;
  for (int m = 0; m < 6; ++m) {
    const std::string recipes = std::string(m < 4 ? "f16, " : "") +
                                "q8_0, q6_k, q5_k_m, q4_k_m, q3_k_s, q2_k, gptq" + (m == 3 ? "" : ", awq");
    text += "  - {id: m" + std::to_string(m) +
            ", path: m.gguf, template: '{prompt}', baseline: " + (m < 4 ? "f16" : "q8_0") + ", recipes: [" +
            recipes + "]}\n";
    facts.models.push_back(sample::model_facts(std::uint64_t{1} << (30 + m % 3)));
  }
  text +=
      "suites:\n  - {id: harmful, file: a, kind: refusal, max_new_tokens: 256}\n"
      "  - {id: decisions, file: b, kind: decision, max_new_tokens: 64}\n  - {id: text, file: c, kind: "
      "perplexity}\n"
      "experiments:\n  - {id: heads, kind: decision_heads, suite: decisions}\n";
  facts.suites = {sample::suite_facts(SuiteKind::kRefusal, 220, 60, 6),
                  sample::suite_facts(SuiteKind::kDecision, 600, 900, 6),
                  sample::suite_facts(SuiteKind::kPerplexity, 100, 512, 6)};
  return expand(parse_job(text, "grid.yaml"), facts);
}

std::string error_of(Job job, Facts facts) {
  try {
    expand(std::move(job), std::move(facts));
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST(Expand, MakesRowsInJobOrderWithTheirBaseline) {
  const Plan plan = sample::plan();
  ASSERT_EQ(plan.rows.size(), 3U);
  EXPECT_EQ(plan.rows[0].label, "tiny/bf16");
  EXPECT_EQ(plan.rows[2].label, "tiny/q4_k_m");
  for (const Row& row : plan.rows) EXPECT_EQ(row.baseline, 0U);
}

TEST(Expand, CoversEveryItemOfEveryRowExactlyOnce) {
  for (const Plan& plan : {sample::plan(), grid51()}) {
    std::set<std::tuple<std::uint32_t, int, std::uint32_t, std::uint32_t>> seen;
    for (const Unit& u : plan.units) {
      EXPECT_EQ(&u - plan.units.data(), u.id);
      ASSERT_LT(u.begin, u.end);
      for (std::uint32_t i = u.begin; i < u.end; ++i)
        EXPECT_TRUE(seen.insert({u.row, static_cast<int>(u.kind), u.item, i}).second);
    }
    std::size_t expected = 0;
    for (const SuiteFacts& s : plan.facts.suites) expected += s.ids.size();
    for (const ExperimentSpec& e : plan.job.experiments) expected += static_cast<std::size_t>(e.seeds);
    EXPECT_EQ(seen.size(), expected * plan.rows.size());
  }
}

TEST(Expand, MakesFiftyOneRowsOfSixModels) {
  const Plan plan = grid51();
  EXPECT_EQ(plan.rows.size(), 51U);
  EXPECT_EQ(plan.rows[50].label, "m5/awq");
  EXPECT_EQ(plan.rows[plan.rows[50].baseline].label, "m5/q8_0");
  EXPECT_EQ(std::set<std::uint32_t>({plan.rows[0].baseline}).size(), 1U);
}

TEST(Expand, MakesNoUnitAboveAFewPercentNorBelowAFifthOfASecond) {
  const Plan plan = grid51();
  const double total = total_cost(plan);
  for (const Unit& u : plan.units) {
    EXPECT_LE(u.cost, 0.05 * total);
    EXPECT_GE(u.cost, 0.2);
    if (u.kind == UnitKind::kHeads) {
      EXPECT_GE(u.end - u.begin, 5U);
      EXPECT_LE(u.end - u.begin, 10U);
    }
  }
}

TEST(Expand, SplitsAJobOfOneRowIntoAtLeastTwentyUnits) {
  Job job = sample::job();
  job.models[0].recipes = {"bf16"};
  Facts facts = sample::facts(240, 600, 60);
  facts.recipe_bytes.clear();
  facts.models[0].parameters = 1'000'000'000;
  const Plan plan = expand(job, facts);
  const double total = total_cost(plan);
  for (const Unit& u : plan.units) EXPECT_TRUE(u.cost <= 0.05 * total || u.end - u.begin == 1) << u.id;
  EXPECT_GE(plan.units.size(), 20U);
}

TEST(Expand, LeavesTinyItemsWhole) {
  Facts facts = sample::facts(8, 24, 3);
  facts.models[0].parameters = 1000;
  facts.models[0].width = 4;
  facts.models[0].attention_width = 24;
  const Plan plan = expand(sample::job(), facts);
  for (const Unit& u : plan.units)
    if (u.kind == UnitKind::kPrompts) {
      EXPECT_EQ(u.end - u.begin, plan.facts.suites[u.item].ids.size());
    }
}

TEST(Expand, LetsHeadsWaitForAllPromptUnitsOfTheirSuiteInTheirRow) {
  const Plan plan = expand(sample::job(), sample::facts(240, 600, 60));
  for (const Unit& u : plan.units) {
    if (u.kind == UnitKind::kPrompts) {
      EXPECT_TRUE(plan.needs[u.id].empty());
      continue;
    }
    std::vector<std::uint32_t> expected;
    for (const Unit& v : plan.units)
      if (v.kind == UnitKind::kPrompts && v.row == u.row && v.item == 1) expected.push_back(v.id);
    EXPECT_GT(expected.size(), 1U);
    EXPECT_EQ(plan.needs[u.id], expected);
  }
}

TEST(Expand, CutsAllRowsOfAModelAlike) {
  const Plan plan = expand(sample::job(), sample::facts(240, 600, 60));
  const std::size_t each = plan.units.size() / 3;
  for (std::size_t i = 0; i < each; ++i) {
    EXPECT_EQ(plan.units[i].begin, plan.units[each + i].begin);
    EXPECT_EQ(plan.units[i].end, plan.units[2 * each + i].end);
  }
}

TEST(Expand, ReadsBlockNineteenOfThirtyTwoWhenTheLayerIsAuto) {
  Facts facts = sample::facts();
  for (const auto& [layers, block] : {std::pair{32, 19}, {6, 3}, {1, 0}, {2, 1}, {28, 16}}) {
    facts.models[0].layers = layers;
    EXPECT_EQ(capture_layers(expand(sample::job(), facts), 1, 0), std::vector<int>{block}) << layers;
  }
}

TEST(Expand, GivesEveryLayerChoiceOfASuiteOneSlot) {
  Job job = sample::job();
  job.experiments.push_back(job.experiments[0]);
  job.experiments[1].id = "early";
  job.experiments[1].layer = 1;
  job.experiments.push_back(job.experiments[1]);
  job.experiments[2].id = "mean";
  job.experiments[2].pooling = Pooling::kMean;
  const Plan plan = expand(job, sample::facts());
  EXPECT_EQ(capture_layers(plan, 1, 0), (std::vector<int>{3, 1}));
  EXPECT_TRUE(capture_layers(plan, 0, 0).empty());
  const auto reads = [&](std::uint32_t experiment) {
    Unit heads;
    heads.kind = UnitKind::kHeads;
    heads.item = experiment;
    heads.row = 1;
    return unit_readings(plan, heads).at(0);
  };
  EXPECT_EQ(reads(0).variable, "decisions_state_last");
  EXPECT_EQ(reads(0).row, 1U);
  EXPECT_EQ(reads(0).offset, (std::vector<std::uint64_t>{0, 0, 0}));
  EXPECT_EQ(reads(0).count, (std::vector<std::uint64_t>{24, 1, 256}));
  EXPECT_EQ(reads(1).offset[1], 1U);
  EXPECT_EQ(reads(2).variable, "decisions_state_mean");
  EXPECT_EQ(reads(2).offset[1], 1U);
}

TEST(Expand, LetsUnitsThatCompareLogitsWaitForTheBaselinesUnit) {
  Job job = sample::job();
  job.suites[2].top_k = 3;
  job.models[0].baseline = "q8_0";  // not the first row
  const Plan plan = expand(job, sample::facts());
  std::size_t waiting = 0;
  for (const Unit& u : plan.units) {
    if (u.kind != UnitKind::kPrompts || u.item != 2) continue;
    if (u.row == 1) {
      EXPECT_TRUE(plan.needs[u.id].empty());
      EXPECT_TRUE(unit_readings(plan, u).empty());
      continue;
    }
    ++waiting;
    ASSERT_EQ(plan.needs[u.id].size(), 1U);
    const Unit& base = plan.units[plan.needs[u.id][0]];
    EXPECT_EQ(base.row, 1U);
    EXPECT_EQ(base.item, 2U);
    EXPECT_EQ(base.begin, u.begin);
    EXPECT_EQ(base.end, u.end);
    const std::vector<Reading> reads = unit_readings(plan, u);
    ASSERT_EQ(reads.size(), 3U);
    EXPECT_EQ(reads[0].variable, "text_top_token");
    EXPECT_EQ(reads[2].variable, "text_log_sum_exp");
    EXPECT_EQ(reads[0].row, 1U);
    EXPECT_EQ(reads[0].offset, (std::vector<std::uint64_t>{u.begin, 0, 0}));
    EXPECT_EQ(reads[0].count, (std::vector<std::uint64_t>{u.end - u.begin, 300, 3}));
  }
  EXPECT_GE(waiting, 2U);
}

// A suite of `kind` in place of the refusal suite.
Plan plan_with(SuiteSpec suite, SuiteFacts facts, Job job = sample::job()) {
  suite.id = "new";
  suite.file = "new.jsonl";
  job.suites[0] = suite;
  Facts all = sample::facts();
  all.suites[0] = std::move(facts);
  return expand(std::move(job), std::move(all));
}

TEST(Expand, GivesChoiceSuitesALetterAxisOfTheMostChoices) {
  SuiteSpec suite;
  suite.kind = SuiteKind::kChoice;
  suite.max_new_tokens = 2;
  SuiteFacts facts = sample::suite_facts(SuiteKind::kChoice, 3, 30);
  facts.choices = {2, 5, 3};
  facts.expected = {1, 4, 0};
  const Plan plan = plan_with(suite, facts);
  const int at = find_variable(plan, "new_choice_log_prob");
  ASSERT_GE(at, 0);
  const Dimension& letters = plan.variables[static_cast<std::size_t>(at)].field.inner[0];
  EXPECT_EQ(letters.labels, (std::vector<std::string>{"A", "B", "C", "D", "E"}));
  EXPECT_GE(find_variable(plan, "new_ece"), 0);
  facts.expected[2] = 3;
  EXPECT_THROW(plan_with(suite, facts), Error);
  facts.expected[2] = 0;
  facts.choices[0] = 11;
  EXPECT_THROW(plan_with(suite, facts), Error);
}

TEST(Expand, GivesQualitySuitesOnlyTheirMetricsAndNamesTheEncodersBlock) {
  SuiteSpec suite;
  suite.kind = SuiteKind::kQuality;
  suite.max_new_tokens = 4;
  suite.metrics = {Metric::kBertScore};
  Job job = sample::job();
  job.encoder.path = "e.gguf";
  const SuiteFacts facts = sample::suite_facts(SuiteKind::kQuality, 3, 30);
  EXPECT_THROW(plan_with(suite, facts, job), InputError) << "facts without an encoder";
  job.suites[0] = suite;
  job.suites[0].id = "new";
  Facts all = sample::facts();
  all.suites[0] = facts;
  all.encoder = sample::model_facts();
  const Plan plan = expand(job, all);
  EXPECT_LT(find_variable(plan, "new_rouge_l"), 0);
  const int at = find_variable(plan, "new_bertscore");
  ASSERT_GE(at, 0);
  EXPECT_NE(plan.variables[static_cast<std::size_t>(at)].field.long_name.find("block 3"), std::string::npos);
  EXPECT_NE(canonical_job(plan).find("encoder.sha256=aa"), std::string::npos);
  job.encoder.layer = 6;
  EXPECT_THROW(expand(job, all), InputError);
}

TEST(Expand, DeclaresShapesLabelsAndFillValues) {
  const Plan plan = sample::plan();
  const int at = find_variable(plan, "decisions_state_last");
  ASSERT_GE(at, 0);
  const Variable& state = plan.variables[static_cast<std::size_t>(at)];
  EXPECT_TRUE(state.field.bulk);
  std::vector<std::string> names;
  std::vector<std::uint64_t> sizes;
  for (const Dimension& d : dimensions(plan, state)) {
    names.push_back(d.name);
    sizes.push_back(d.size);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"row", "decisions_prompt", "decisions_layer", "width"}));
  EXPECT_EQ(sizes, (std::vector<std::uint64_t>{3, 24, 1, 256}));
  EXPECT_EQ(dimensions(plan, state)[1].labels[5], "item-5");
  const Variable& vote = plan.variables[static_cast<std::size_t>(find_variable(plan, "decision_vote"))];
  EXPECT_EQ(vote.field.inner[0].size, 6U);
  EXPECT_EQ(vote.field.inner[0].labels[0], "item-9");
  EXPECT_EQ(vote.field.fill, 255);
  EXPECT_EQ(find_variable(plan, "nothing"), -1);
}

TEST(Expand, PutsUnitFilledVariablesFirstAndInSlabOrder) {
  const Plan plan = sample::plan();
  bool row_level = false;
  for (const Variable& v : plan.variables) {
    if (v.shard_axis.empty()) row_level = true;
    EXPECT_EQ(v.shard_axis.empty(), row_level) << v.field.name;
  }
  std::vector<std::string> from_fields, from_variables;
  for (const Field& f : unit_fields(plan, UnitKind::kPrompts, 1)) from_fields.push_back(f.name);
  for (const Variable& v : plan.variables)
    if (v.shard_axis == "decisions_prompt") from_variables.push_back(v.field.name);
  EXPECT_EQ(from_fields, from_variables);
  EXPECT_THROW(unit_fields(plan, UnitKind::kHeads, 1), Error);
}

TEST(Expand, RefusesALayerThatAModelLacks) {
  Job job = sample::job();
  job.experiments[0].layer = 6;
  EXPECT_THAT(error_of(job, sample::facts()), HasSubstr("tiny has blocks 0..5"));
}

TEST(Expand, RefusesHeadsWithoutTestItems) {
  Facts facts = sample::facts();
  for (Split& s : facts.suites[1].splits) s = Split::kTrain;
  EXPECT_THAT(error_of(sample::job(), facts), HasSubstr("needs items of split 'validation', found none"));
}

TEST(Expand, RefusesNamesThatWouldClash) {
  Job job = sample::job();
  job.suites[0].id = "a";
  job.suites[1].id = "a_choice";
  job.experiments[0].suite = "a_choice";
  job.suites[0].kind = SuiteKind::kDecision;
  job.suites[2].id = "a_veto";
  Facts facts = sample::facts();
  facts.suites[0] = sample::suite_facts(SuiteKind::kDecision, 24, 40);
  // a + choice_confusion and a_choice + confusion
  EXPECT_THAT(error_of(job, facts), HasSubstr("two variables would be called 'a_choice_confusion'"));
}

TEST(Expand, RefusesFactsThatDoNotFitTheJob) {
  Facts facts = sample::facts();
  facts.suites[0].tokens[0].pop_back();
  EXPECT_THAT(error_of(sample::job(), facts), HasSubstr("another number of token counts"));
  facts = sample::facts();
  facts.suites[1].expected[0] = 3;
  EXPECT_THAT(error_of(sample::job(), facts), HasSubstr("unknown label"));
  facts = sample::facts();
  facts.recipe_bytes[0].pop_back();
  EXPECT_THAT(error_of(sample::job(), facts), HasSubstr("recipe_bytes"));
  facts = sample::facts();
  facts.suites[2].ids.clear();
  EXPECT_THAT(error_of(sample::job(), facts), HasSubstr("found 0"));
  facts = sample::facts();
  facts.suites[0].groups.pop_back();
  EXPECT_THAT(error_of(sample::job(), facts), HasSubstr("another number of groups"));
  facts.suites[0].groups.clear();
  EXPECT_EQ(error_of(sample::job(), facts), "no error");
  facts.models[0].layers = std::numeric_limits<int>::max();
  EXPECT_THAT(error_of(sample::job(), facts), HasSubstr("expected at most 10000 layers"));
  facts = sample::facts();
  facts.models.clear();
  EXPECT_THAT(error_of(sample::job(), facts), HasSubstr("another number of models"));
}

TEST(CanonicalJob, IgnoresTheNameAndPathsAndSeesEverythingElse) {
  const std::string base = canonical_job(sample::plan());
  Job job = sample::job();
  job.name = "other";
  job.path = "elsewhere/x.yaml";
  job.models[0].path = "elsewhere.gguf";
  EXPECT_EQ(canonical_job(expand(job, sample::facts())), base);
  std::set<std::string> texts{base};
  const auto add = [&](auto change) {
    Job j = sample::job();
    Facts f = sample::facts();
    change(j, f);
    EXPECT_TRUE(texts.insert(canonical_job(expand(j, f))).second);
  };
  add([](Job& j, Facts&) { j.seed = 8; });
  add([](Job& j, Facts&) { j.activations = Activations::kF32; });
  add([](Job& j, Facts&) { j.models[0].recipes[2] = "q2_k"; });
  add([](Job& j, Facts&) { j.models[0].requantize = true; });
  add([](Job& j, Facts&) { j.models[0].prompt_template = "{prompt}\n"; });
  add([](Job& j, Facts&) { j.experiments[0].layer = 2; });
  add([](Job& j, Facts&) { j.vote.veto = 0.8; });
  add([](Job& j, Facts&) { j.gate.refusal_drop_pp = 5; });
  add([](Job& j, Facts&) { j.calibration = {"text.txt", 8, 32}; });
  add([](Job& j, Facts&) { j.calibration = {"text.txt", 9, 32}; });
  add([](Job& j, Facts& f) {
    j.calibration = {"text.txt", 8, 32};
    f.calibration_sha256 = "other";
  });
  add([](Job&, Facts& f) { f.models[0].sha256 = "other"; });
  add([](Job&, Facts& f) { f.suites[0].sha256 = "other"; });
  add([](Job&, Facts& f) { f.suites[0].phrases_sha256 = "other"; });
}

TEST(Cost, CutsPromptsEvenlyUnderTheCap) {
  const std::vector<double> costs(100, 0.1);
  const std::vector<std::uint32_t> ends = cut_prompts(costs, 2.0, 0.2);
  EXPECT_EQ(ends.size(), 5U);
  EXPECT_EQ(ends.back(), 100U);
}

TEST(Cost, LeavesNoCrumbsBehindAVeryLongPrompt) {
  std::vector<double> costs(40, 0.05);
  costs[3] = 10;
  std::uint32_t begin = 0;
  for (const std::uint32_t end : cut_prompts(costs, 1.0, 0.2)) {
    double sum = 0;
    for (std::uint32_t i = begin; i < end; ++i) sum += costs[i];
    EXPECT_GE(sum, 0.2 - 1e-9);
    begin = end;
  }
  EXPECT_EQ(begin, 40U);
}

TEST(Cost, GrowsWithTokensParametersAndSeeds) {
  const CostModel model;
  const SuiteSpec suite = sample::job().suites[0];
  const ExperimentSpec heads = sample::job().experiments[0];
  EXPECT_GT(prompt_cost(model, sample::model_facts(), suite, 200),
            prompt_cost(model, sample::model_facts(), suite, 100));
  EXPECT_GT(prompt_cost(model, sample::model_facts(9'000'000), suite, 100),
            prompt_cost(model, sample::model_facts(), suite, 100));
  EXPECT_GT(seed_cost(model, sample::model_facts(), heads, 800),
            seed_cost(model, sample::model_facts(), heads, 400));
}

TEST(Cost, KeepsFiveToTenSeedsUnlessTheLimitsSayOtherwise) {
  const UnitLimits limits;
  EXPECT_EQ(seeds_per_unit(limits, 0.5, 1000), 10);
  EXPECT_EQ(seeds_per_unit(limits, 60, 1000), 5);
  EXPECT_EQ(seeds_per_unit(limits, 60, 130), 2);
  EXPECT_EQ(seeds_per_unit(limits, 60, 1), 1);
  EXPECT_EQ(seeds_per_unit(limits, 0.001, 1000), 200);
}
