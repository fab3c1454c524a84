#include "schedule/recipe_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "schedule/job_file.h"
#include "tests/schedule/sample.h"

namespace brinkmap::schedule {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// The recipe of a map, as an entry of the sample job's recipes.
std::string read(const std::string& map) {
  std::string text = sample::kJob;
  const std::string from = "[bf16, q8_0, q4_k_m]";
  text.replace(text.find(from), from.size(), "[bf16, " + map + "]");
  return parse_job(text, "jobs/x.yaml").models[0].recipes[1];
}

std::string error_of(const std::string& map) {
  try {
    return read(map);
  } catch (const InputError& e) {
    return e.what();
  }
}

TEST(RecipeText, SaysWhatAMapSays) {
  EXPECT_EQ(read("{hybrid: {keep: bf16, rest: nf4, select: {by: alpha, side: top, fraction: 0.25}}}"),
            "nf4+bf16(alpha,top,25%)");
  EXPECT_EQ(read("{hybrid: {keep: q8_0, rest: q2_k, select: {by: depth, side: bottom, fraction: 0.07, "
                 "within: model}}}"),
            "q2_k+q8_0(depth,bottom,7%,model)");
  EXPECT_EQ(read("{hybrid: {keep: q8_0, rest: q2_k, select: {by: random, fraction: 0.125, draw: 4}}}"),
            "q2_k+q8_0(random,12.5%,draw4)");
  EXPECT_EQ(
      read("{hybrid: {keep: bf16, rest: nf4, select: {by: alpha, side: top, budget_gb: 6.4, within: type}}}"),
      "nf4+bf16(alpha,top,6400MB)");
  EXPECT_EQ(read("{hybrid: {keep: bf16, rest: nf4, select: {by: k90, side: top, budget_bytes: 1234567}}}"),
            "nf4+bf16(k90,top,1.234567MB)");
  EXPECT_EQ(
      read("{hybrid: {keep: bf16, rest: nf4, select: {by: list, modules: [blk.0.attn_q, blk.1.ffn_up]}}}"),
      "nf4+bf16(list,blk.0.attn_q,blk.1.ffn_up)");
  EXPECT_EQ(read("{hybrid: {rest: q2_k, lists: [{keep: q8_0, modules: [blk.0.attn_q]}, {keep: bf16, modules: "
                 "[output]}]}}"),
            "q2_k+q8_0(list,blk.0.attn_q)+bf16(list,output)");
  EXPECT_EQ(read("\"nf4+bf16(alpha,top,25%)\""), "nf4+bf16(alpha,top,25%)");
}

struct Broken {
  const char* map;
  const char* expected;
};

TEST(RecipeText, OfABrokenMapNamesLineKeyAndWhatIsWrong) {
  const std::string ok = "{hybrid: {keep: bf16, rest: nf4, select: {by: alpha, side: top, fraction: 0.25}}}";
  for (const auto& [map, expected] : {
           Broken{"{hybird: {}}", "did you mean 'hybrid'"},
           Broken{"{hybrid: 3}", "expected a map"},
           Broken{"{hybrid: {keap: bf16, rest: nf4}}", "did you mean 'keep'"},
           Broken{"{hybrid: {keep: bf16}}", "key 'rest' is missing"},
           Broken{"{hybrid: {rest: nf4, select: {by: alpha, side: top, fraction: 1}}}",
                  "key 'keep' is missing"},
           Broken{"{hybrid: {keep: bf16, rest: nf4}}", "key 'select' is missing"},
           Broken{"{hybrid: {keep: bf16, rest: nf4, select: {by: alphaa, side: top, fraction: 1}}}",
                  "did you mean 'alpha'"},
           Broken{"{hybrid: {keep: bf16, rest: nf4, select: {by: alpha, fraction: 1}}}",
                  "key 'side' is missing"},
           Broken{"{hybrid: {keep: bf16, rest: nf4, select: {by: alpha, side: top}}}", "found none"},
           Broken{"{hybrid: {keep: bf16, rest: nf4, select: {by: alpha, side: top, fraction: 0.5, budget_gb: "
                  "1}}}",
                  "found both"},
           Broken{"{hybrid: {keep: bf16, rest: nf4, select: {by: alpha, side: top, fraction: 1.5}}}", "0..1"},
           Broken{"{hybrid: {keep: bf16, rest: nf4, select: {by: alpha, side: top, budget_bytes: 3, "
                  "budget_gb: 1}}}",
                  "one budget"},
           Broken{"{hybrid: {keep: bf16, rest: nf4, select: {by: alpha, side: top, fraction: 1, draw: 2}}}",
                  "select.draw: goes with by: random only"},
           Broken{"{hybrid: {keep: bf16, rest: nf4, select: {by: random, fraction: 1}}}",
                  "key 'draw' is missing"},
           Broken{"{hybrid: {keep: bf16, rest: nf4, select: {by: random, side: top, fraction: 1, draw: 2}}}",
                  "select.side: goes with"},
           Broken{"{hybrid: {keep: bf16, rest: nf4, select: {by: list}}}", "key 'modules' is missing"},
           Broken{"{hybrid: {keep: bf16, rest: nf4, select: {by: list, modules: [a, a]}}}", "given twice"},
           Broken{"{hybrid: {keep: bf16, rest: nf4, select: {by: list, modules: ['a(b']}}}",
                  "expected an id"},
           Broken{"{hybrid: {keep: bf16, rest: nf4, lists: [{keep: bf16, modules: [a]}]}}", "found both"},
           Broken{"\"nf4+bf16(alpha, top, 25%)\"", "without spaces"},
           Broken{"{each: {of: modul, rest: bf16, to: [nf4]}}", "did you mean 'module'"},
           Broken{"{each: {of: module, to: [nf4]}}", "key 'rest' is missing"},
           Broken{"{each: {of: module, rest: bf16, to: []}}", "1..16 recipes, found 0"},
           Broken{"{each: {of: module, rest: bf16, to: nf4}}", "1..16 recipes, found 'nf4'"},
           Broken{"{each: {of: module, rest: bf16, to: [nf4, nf4]}}", "'nf4' is given twice"},
           Broken{"{each: {of: type, rest: bf16, to: [nf4]}, hybrid: {rest: nf4, lists: [{keep: bf16, "
                  "modules: [a]}]}}",
                  "one of the keys hybrid and each"},
           Broken{"{}", "one of the keys hybrid and each"},
       })
    EXPECT_THAT(error_of(map), AllOf(HasSubstr("jobs/x.yaml"), HasSubstr("line 9"), HasSubstr(expected)))
        << map;
  EXPECT_THAT(error_of(ok + ", " + ok), HasSubstr("given twice"));
}

TEST(RecipeText, OfEachIsOneRecipeForEveryFormat) {
  std::string text = sample::kJob;
  const std::string from = "[bf16, q8_0, q4_k_m]";
  text.replace(text.find(from), from.size(),
               "[bf16, {each: {of: module, rest: bf16, to: [nf4, q2_k]}}, {each: {of: type, rest: bf16, to: "
               "[nf4]}}]");
  EXPECT_THAT(
      parse_job(text, "jobs/x.yaml").models[0].recipes,
      testing::ElementsAre("bf16", "bf16+nf4(each,module)", "bf16+q2_k(each,module)", "bf16+nf4(each,type)"));
}

TEST(RecipeText, OfEachMakesTheRowsThatTheFactsName) {
  Facts facts = sample::facts();
  facts.recipes = {{"bf16", "bf16+nf4(list,blk.0.attn_q)", "bf16+nf4(type,ffn_up)"}};
  const Plan plan = expand(sample::job(), facts);
  ASSERT_EQ(plan.rows.size(), 3u);
  EXPECT_TRUE(plan.rows[1].label.ends_with("/bf16+nf4(blk.0.attn_q)")) << plan.rows[1].label;
  EXPECT_EQ(plan.job.models[0].recipes, facts.recipes[0]);
  EXPECT_NE(canonical_job(plan), canonical_job(expand(sample::job(), sample::facts())));
  facts.recipes[0].push_back("bf16");
  EXPECT_THROW(expand(sample::job(), facts), Error) << "a row twice";
  facts.recipes[0] = {"q8_0"};
  EXPECT_THROW(expand(sample::job(), facts), Error) << "no baseline";
  facts.recipes = {};
  facts.recipes.resize(plan.job.models.size() + 1, {"bf16"});
  EXPECT_THROW(expand(sample::job(), facts), Error) << "another number of models";
}

TEST(RecipeText, LabelsShortenLists) {
  EXPECT_EQ(recipe_label("nf4+bf16(alpha,top,25%)"), "nf4+bf16(alpha,top,25%)");
  EXPECT_EQ(recipe_label("q4_k_m"), "q4_k_m");
  const std::string a = recipe_label("nf4+bf16(list,blk.0.attn_q,blk.1.attn_q)");
  EXPECT_THAT(a, testing::MatchesRegex("nf4\\+bf16\\(2 listed,[0-9a-f]{8}\\)"));
  EXPECT_NE(a, recipe_label("nf4+bf16(list,blk.0.attn_q,blk.1.attn_k)"));
  EXPECT_THAT(recipe_label("q2_k+q8_0(list,a)+bf16(list)"),
              testing::MatchesRegex("q2_k\\+q8_0\\(a\\)\\+bf16\\(0 listed,[0-9a-f]{8}\\)"));
}

TEST(RecipeText, OfAFileIsThatOfAJob) {
  const std::string path = testing::TempDir() + "recipe.yaml";
  std::ofstream(path) << "# half of it\nhybrid:\n  keep: bf16\n  rest: nf4\n"
                         "  select: {by: alpha, side: top, fraction: 0.5}\n";
  EXPECT_EQ(read_recipe_file(path), "nf4+bf16(alpha,top,50%)");
  std::ofstream(path) << "hybrid:\n  keep: bf16\n  rest: nf4\n  selekt: {}\n";
  try {
    read_recipe_file(path);
    FAIL() << "expected an error";
  } catch (const InputError& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr("recipe.yaml"), HasSubstr("line 4"), HasSubstr("'select'")));
  }
  std::ofstream(path) << "- [\n";
  EXPECT_THROW(read_recipe_file(path), InputError);
  std::filesystem::remove(path);
  EXPECT_THROW(read_recipe_file(path), InputError);
}

TEST(RecipeText, ResolvedRecipesDecideTheJobsHash) {
  Facts facts = sample::facts();
  const std::string base = canonical_job(expand(sample::job(), facts));
  facts.resolved_recipes = {{"bf16", "q8_0", "q4_k_m"}};
  EXPECT_EQ(canonical_job(expand(sample::job(), facts)), base);
  facts.resolved_recipes[0][2] = "q4_k_m+bf16(list,blk.0.attn_q)";
  const Plan plan = expand(sample::job(), facts);
  EXPECT_EQ(plan.rows[2].recipe, "q4_k_m");
  EXPECT_EQ(plan.rows[2].resolved, "q4_k_m+bf16(list,blk.0.attn_q)");
  EXPECT_NE(canonical_job(plan), base);
  facts.resolved_recipes = {{"bf16"}};
  EXPECT_THROW(expand(sample::job(), facts), Error);
}

}  // namespace
}  // namespace brinkmap::schedule
