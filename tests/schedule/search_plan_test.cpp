#include "schedule/search_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include "schedule/job_file.h"
#include "schedule/recipe_text.h"
#include "tests/schedule/sample.h"

namespace brinkmap::schedule {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Job with_search(const std::string& keys = "formats: [q4_k_s, q2_k]") {
  return parse_job(sample::kJob + "search: {" + keys + "}\n", "jobs/sample.yaml");
}

std::string error_of(const std::string& search) {
  try {
    with_search(search);
  } catch (const InputError& e) {
    return e.what();
  }
  return "no error";
}

TEST(SearchPlan, RecipesOfListsAreReadAsTheyAreWritten) {
  const MixedRecipe recipe{"q2_k", {{"q6_k", {"blk.0.attn_q", "token_embd"}}, {"bf16", {"blk.1.ffn_up"}}}};
  const std::string text = recipe_string(recipe);
  EXPECT_EQ(text, "q2_k+q6_k(list,blk.0.attn_q,token_embd)+bf16(list,blk.1.ffn_up)");
  const YAML::Node file = YAML::Load(recipe_file(text));
  EXPECT_THAT(read_recipes({"recipe.yaml", ""}, file), ElementsAre(text));
  EXPECT_EQ(recipe_file(recipe_string({"q4_k_m", {}})), "q4_k_m\n");
  const std::string selected = "nf4+bf16(alpha,top,25%)";
  EXPECT_THAT(read_recipes({"recipe.yaml", ""}, YAML::Load(recipe_file(selected))), ElementsAre(selected));
}

TEST(SearchPlan, BudgetsOfTheFirstRoundGrowByTheSameShare) {
  EXPECT_THAT(first_budgets(1000, 8000, 4), ElementsAre(1000, 2000, 4000, 8000));
  EXPECT_THAT(first_budgets(500, 500, 4), ElementsAre(500));
}

TEST(SearchPlan, LaterBudgetsLieBetweenTheLargestThatFailsAndTheSmallestThatPasses) {
  const std::vector<Judged> judged{{1000, false, true}, {2000, false, true},  {3000, true, true},
                                   {2500, true, false}, {2400, false, false}, {4000, false, true}};
  EXPECT_THAT(next_budgets(judged, 4), ElementsAre(2100, 2200, 2300, 2400));
  EXPECT_THAT(next_budgets(std::vector<Judged>{{1000, true, true}}, 4), IsEmpty())
      << "nothing smaller failed";
  EXPECT_THAT(next_budgets(std::vector<Judged>{{1000, false, true}}, 4), IsEmpty()) << "nothing passes";
  EXPECT_THAT(next_budgets(std::vector<Judged>{{10, false, true}, {12, true, true}}, 4), ElementsAre(11));
}

TEST(SearchPlan, AStageIsAJobOnOneHalfWithItsOwnRecipes) {
  const Job job = with_search();
  const std::string mixture = "q2_k+q4_k_s(list,blk.0.attn_q,blk.1.attn_q)+bf16(list,token_embd)";
  const Job stage = parse_job(stage_text(job, {"round 1", {{"bf16", mixture}}, Half::kSecond}), job.path);
  EXPECT_EQ(stage.name, "sample, round 1");
  EXPECT_THAT(stage.models[0].recipes, ElementsAre("bf16", mixture));
  EXPECT_EQ(stage.models[0].path, job.models[0].path);
  EXPECT_EQ(stage.models[0].prompt_template, job.models[0].prompt_template);
  for (const SuiteSpec& suite : stage.suites) EXPECT_EQ(suite.half, Half::kSecond);
  EXPECT_EQ(stage.suites[0].baseline_tokens, kSearchBaselineTokens);
  EXPECT_EQ(stage.suites[1].max_new_tokens, 8);
  EXPECT_EQ(stage.experiments.size(), 1u) << "the gate reads its heads";
  EXPECT_EQ(stage.gate.refusal_drop_pp, job.gate.refusal_drop_pp);
  EXPECT_TRUE(stage.search.formats.empty());
}

TEST(SearchPlan, SensitivitiesMeasureDamagesOnly) {
  const Job job = with_search();
  const std::string text = stage_text(job, {"sensitivities", {{"bf16"}}, Half::kFirst, true});
  const Job stage = parse_job(text, job.path);
  EXPECT_TRUE(stage.experiments.empty());
  EXPECT_EQ(stage.suites.size(), 3u);
  EXPECT_EQ(stage.suites[1].max_new_tokens, 1) << "margins are constrained choices: nothing is generated";
  EXPECT_EQ(stage.suites[0].half, Half::kFirst);
  EXPECT_THAT(text, HasSubstr("refusal_drop_pp")) << "whoever asks `gate` about it gets the job's limits";
}

TEST(SearchPlan, ModelsThatShareTheirRecipesByAnAliasGetTheirOwn) {
  std::string text = sample::kJob;
  const std::string recipes = "recipes: [bf16, q8_0, q4_k_m]\n";
  const std::string second =
      "  - {id: other, family: llama, path: o.gguf, template: \"{prompt}\", baseline: bf16, recipes: *r}\n";
  text.replace(text.find(recipes), recipes.size(), "recipes: &r [bf16, q8_0, q4_k_m]\n" + second);
  text.replace(text.find("name: sample"), 12, "name: &n sample");
  text.replace(text.find("id: refusal"), 11, "id: *n");
  const Job job = parse_job(text + "search: {formats: [q2_k]}\n", "jobs/sample.yaml");
  const Job stage = parse_job(stage_text(job, {"round 1", {{"bf16", "q2_k"}, {"bf16", "q3_k_s"}}}), job.path);
  EXPECT_THAT(stage.models[0].recipes, ElementsAre("bf16", "q2_k"));
  EXPECT_THAT(stage.models[1].recipes, ElementsAre("bf16", "q3_k_s"));
  EXPECT_EQ(stage.suites[0].id, "sample") << "the stage's name is the stage's alone";
}

TEST(SearchPlan, AJobThatTakesHalvesItselfIsRefused) {
  std::string text = sample::kJob;
  const std::string kind = "kind: perplexity";
  text.replace(text.find(kind), kind.size(), kind + ", half: first");
  EXPECT_THROW(check_search(parse_job(text + "search: {formats: [q2_k]}\n", "jobs/sample.yaml")), InputError);
  EXPECT_NO_THROW(check_search(with_search()));
}

TEST(SearchPlan, AJudgeOfLabelsInAFileIsRefused) {
  std::string text = sample::kJob;
  const std::string vote = "vote: {";
  text.insert(text.find(vote), "  - {id: human, kind: judge, suite: refusal, labels_file: labels.jsonl}\n");
  const Job job = parse_job(text + "search: {formats: [q2_k]}\n", "jobs/sample.yaml");
  try {
    check_search(job);
    FAIL() << "taken";
  } catch (const InputError& e) {
    EXPECT_THAT(e.what(), HasSubstr("experiments[1].labels_file"));
  }
}

TEST(SearchKeys, AreCheckedLikeAllOthers) {
  const Job job = with_search("formats: [q6_k], of: type, budget: 0.25, looks: 2, loss_weight: 0");
  EXPECT_EQ(job.search.of, SearchOf::kType);
  EXPECT_EQ(job.search.budget, 0.25);
  EXPECT_EQ(job.search.loss_weight, 0);
  EXPECT_THAT(error_of("formats: []"), HasSubstr("expected a list of at least one recipe"));
  EXPECT_THAT(error_of("formats: [q6_k, q6_k]"), HasSubstr("given twice"));
  EXPECT_THAT(error_of("of: module"), HasSubstr("'formats' is missing"));
  EXPECT_THAT(error_of("formats: [q6_k], off: type"), HasSubstr("did you mean 'of'"));
  EXPECT_THAT(error_of("formats: [q6_k], rounds: 0"), HasSubstr("1..10"));
}

}  // namespace
}  // namespace brinkmap::schedule
