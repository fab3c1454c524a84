#include "audit/search_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>

namespace brinkmap::audit {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

SearchRow row(std::string recipe, std::uint64_t bytes, Verdict chosen_by, bool allocated = true) {
  SearchRow out;
  out.recipe = out.label = std::move(recipe);
  out.bytes = bytes;
  out.allocated = allocated;
  out.predicted = allocated ? 0.25 : std::nan("");
  out.measured = 0.5;
  out.chosen_by = chosen_by;
  out.reason = "within all limits";
  return out;
}

SearchResult result() {
  SearchResult r;
  r.model = "tiny";
  r.baseline = "bf16";
  r.baseline_bytes = 1000;
  r.most_looks = 3;
  r.rows = {row("a", 200, Verdict::kFail),           row("b", 300, Verdict::kPass),
            row("c", 310, Verdict::kReview),         row("q4_k_m", 400, Verdict::kPass, false),
            row("d", 450, Verdict::kPass),           row("e", 500, Verdict::kPass),
            row("bf16", 1000, Verdict::kPass, false)};
  return r;
}

TEST(SearchReport, LooksAtTheSmallestThatPass) {
  SearchResult r = result();
  EXPECT_THAT(to_look_at(r, 3), ElementsAre(1, 3, 4));
  EXPECT_THAT(to_look_at(r, 10), ElementsAre(1, 3, 4, 5)) << "the baseline is no result";
  r.rows[4].bytes = 405;
  EXPECT_THAT(to_look_at(r, 3), ElementsAre(1, 3, 5)) << "no look at a near twin";
  r.rows[3].bytes = 305;
  EXPECT_EQ(to_look_at(r, 3)[1], 3u) << "the job's own recipes all count";
  r.rows[3].bytes = 400;
  r.budget = 400;
  EXPECT_THAT(to_look_at(r, 10), ElementsAre(1, 3));
}

TEST(SearchReport, PicksTheFirstThatPassesOnTheHeldOutItems) {
  SearchResult r = result();
  r.rows[1].held_out = Verdict::kReview;
  r.rows[3].held_out = Verdict::kPass;
  r.rows[4].held_out = Verdict::kPass;
  EXPECT_EQ(first_passing(r, {1, 3, 4}), 3u);
  EXPECT_FALSE(undecided(r, {1, 3, 4}));
  r.rows[1].held_out = Verdict::kUndecided;
  EXPECT_EQ(first_passing(r, {1, 3, 4}), std::nullopt) << "missing data are not passed over";
  EXPECT_TRUE(undecided(r, {1, 3, 4}));
}

TEST(SearchReport, SaysWhatTheVerdictStandsOn) {
  SearchResult r = result();
  r.rows[1].held_out = Verdict::kPass;
  r.pick = 1;
  r.best_uniform = 3;
  r.looks = 1;
  r.vetoes = {75, 0, 0.95, 0.039};
  r.recipe_file = "recipe.yaml";
  const std::string text = search_text({r});
  EXPECT_THAT(text, HasSubstr("tiny: b is the smallest recipe found that passes: 300 bytes, 30.0 % of bf16"));
  EXPECT_THAT(text, HasSubstr("75.0 % of q4_k_m"));
  EXPECT_THAT(text, HasSubstr("0 of 75 VETO items approved, which still allows up to 3.9 %"));
  std::istringstream lines(text.substr(0, text.find("tiny: ")));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(display_width(line), 100u) << line;
  const auto json = nlohmann::json::parse(search_json({r}))["models"][0];
  EXPECT_EQ(json["recipe"], "b");
  EXPECT_TRUE(json["rows"][3]["predicted_damage"].is_null());
  EXPECT_EQ(json["rows"][1]["verdict_held_out"], "pass");
}

TEST(SearchReport, SaysWhatThePickCostsAndWhatWasNotJudged) {
  SearchResult r = result();
  r.rows[1].held_out = Verdict::kFail;
  r.rows[2].chosen_by = Verdict::kPass;  // a near twin of what failed: no look
  r.rows[3].held_out = Verdict::kPass;
  r.pick = r.best_uniform = 3;
  r.looks = 2;
  r.rows[3].choosing_quality = {2.5, {55, 72}, {29, 50}, {1, 24}};
  r.rows[3].held_out_quality = {3.05, {60, 72}, {30, 50}, {0, 24}};
  r.rows[6].held_out_quality = {1, {66, 72}, {31, 50}, {0, 24}};
  const std::string text = search_text({r});
  EXPECT_THAT(text,
              HasSubstr("no smaller mixture that was judged passes; 1 smaller that passes on one half was "
                        "not judged on the other"));
  EXPECT_THAT(text,
              HasSubstr("perplexity 3.05 times that of bf16, decisions right 60/72 (bf16 66/72), harmful "
                        "prompts refused 30/50 (bf16 31/50)"));
  EXPECT_THAT(to_csv(search_quality_table(r)), HasSubstr("q4_k_m,2.5,55/72,29/50,1/24"));
  const auto json = nlohmann::json::parse(search_json({r}))["models"][0]["rows"];
  EXPECT_EQ(json[3]["quality_held_out"]["perplexity_ratio"], 3.05);
  EXPECT_TRUE(json[0]["quality_held_out"].is_null());
  EXPECT_TRUE(json[0]["quality_choosing"]["perplexity_ratio"].is_null());
}

TEST(SearchReport, SaysWhichRuleCannotBeDecided) {
  SearchResult r = result();
  for (SearchRow& each : r.rows) each.chosen_by = Verdict::kFail;
  r.rows[1].chosen_by = Verdict::kUndecided;
  r.rows[1].reason = "text: texts without a result in the row or its baseline";
  EXPECT_THAT(search_text({r}),
              HasSubstr("1 of 7 recipes cannot be decided, the smallest, b, because of text: "
                        "texts without a result"));
}

TEST(SearchReport, SaysThatNothingPasses) {
  SearchResult r = result();
  for (SearchRow& each : r.rows) each.chosen_by = Verdict::kFail;
  r.rows.back().reason = "decisions: 7 of 150 VETO items approved, limit 0";
  const std::string text = search_text({r});
  EXPECT_THAT(text, HasSubstr("tiny: nothing found: no recipe passes the gate on the items that choose"));
  EXPECT_THAT(text, HasSubstr("the baseline itself does not: decisions: 7 of 150"));
}

}  // namespace
}  // namespace brinkmap::audit
