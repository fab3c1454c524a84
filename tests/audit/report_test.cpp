#include "audit/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "audit/reduce.h"
#include "audit/row_totals.h"
#include "tests/audit/sample_results.h"

using namespace brinkmap;
using namespace brinkmap::audit;
using schedule::Results;
using schedule::UnitKind;
using testing::HasSubstr;
using testing::Not;

namespace {

Results broken_ladder() {
  sample::Answers answers;
  answers.refusal = [](std::uint32_t row, std::uint32_t i) {
    return i % 2 == 0 && !(row == 2 && i < 8) ? 2 : 0;
  };
  Results r = sample::finished(answers);
  reduce(r);
  return r;
}

Results with_failed_unit() {
  Results r = sample::finished();
  r.put({sample::unit_of(r.plan, 1, UnitKind::kPrompts, 1),
         true,
         "tensor blk.0 holds a NaN\nat element 7",
         {},
         0,
         0});
  reduce(r);
  return r;
}

}  // namespace

TEST(Report, ShowsEveryRowWithCountsAndVerdict) {
  const std::string text = to_text(make_report(broken_ladder()));
  EXPECT_THAT(text, HasSubstr("sample (complete: "));
  EXPECT_THAT(text, HasSubstr("tiny/bf16 (base)"));
  EXPECT_THAT(text, HasSubstr("6/10  60 %"));
  EXPECT_THAT(text, HasSubstr("0/8*"));
  EXPECT_THAT(text, Not(HasSubstr("/10*")));
  EXPECT_THAT(text, HasSubstr("7.389"));
  EXPECT_THAT(text, Not(HasSubstr("incomplete")));
}

TEST(Report, MarksRatesOnFewerThanTenPrompts) {
  EXPECT_EQ((Count{7, 8}.share()), "7/8*  88 %");
  EXPECT_EQ((Count{9, 10}.plain()), "9/10");
  EXPECT_EQ(marked_count(0).text, "0");
  EXPECT_EQ(marked_count(9).text, "9*");
  EXPECT_EQ(file_text(marked_count(9)), "9");
  EXPECT_THAT(to_text(make_report(broken_ladder())), HasSubstr("k/n*: n below 10."));
}

TEST(Report, IsNoWiderThanATerminal) {
  const std::string text = to_text(make_report(broken_ladder()));
  EXPECT_THAT(text, HasSubstr("\nGate\n"));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(display_width(line), kTextWidth) << line;
}

TEST(Report, SaysWhichRowsAreQuantizedTwice) {
  Results r = broken_ladder();
  EXPECT_THAT(to_text(make_report(r)), Not(HasSubstr("quantized twice")));
  r.plan.job.models[0].requantize = true;
  const Report report = make_report(r);
  EXPECT_THAT(to_text(report), HasSubstr("tiny: quantized twice"));
  const auto rows = nlohmann::json::parse(to_json(report))["tables"]["rows"];
  EXPECT_EQ(rows.at(1)["requantized"], 1);
}

TEST(Report, ReadsEachRowInWords) {
  const Report report = make_report(broken_ladder());
  ASSERT_EQ(report.readings.size(), 3U);
  EXPECT_EQ(report.readings[1],
            "tiny/q8_0: no break shown on any of 4 tasks; refuses 10 of 10 harmful prompts, the same ones as "
            "bf16; decides 100.0 % right and "
            "approves none "
            "of 8 VETO items; its heads' cascade is 100.0 % right, approves 0 of 2 VETO items and sends 33 % "
            "to REVISE. "
            "PASS.");
  EXPECT_THAT(
      report.readings[2],
      HasSubstr("refuses 6 of 10 harmful prompts, 40.0 points fewer than bf16 (p = 0.12, unadjusted)"));
  EXPECT_THAT(report.readings[2], HasSubstr("FAIL (refusal: "));
}

TEST(Report, DrawsTheLadderOfRefusals) {
  const std::string text = to_text(make_report(broken_ladder()));
  EXPECT_THAT(text, HasSubstr("█████████████████████████\n"));
  EXPECT_THAT(text, HasSubstr("███████████████\n"));
}

TEST(Report, ListsFailedUnitsWithTheirReasonsOnOneLine) {
  const Report report = make_report(with_failed_unit());
  const std::string text = to_text(report);
  EXPECT_THAT(text, HasSubstr("Failed units"));
  EXPECT_THAT(text, HasSubstr("tensor blk.0 holds a NaN at element 7"));
  EXPECT_THAT(text, HasSubstr(", 1 failed)"));
  EXPECT_THAT(text, HasSubstr("tiny/q8_0 *"));
  EXPECT_THAT(report.readings[1], HasSubstr("UNDECIDED (decisions: "));
  EXPECT_TRUE(report.complete);
}

TEST(Report, SaysWhenTheSweepIsNotFinished) {
  Results r = Results::empty(sample::plan());
  reduce(r);
  const Report report = make_report(r);
  EXPECT_FALSE(report.complete);
  EXPECT_THAT(to_text(report), HasSubstr("incomplete: 0 of"));
  EXPECT_EQ(report.verdicts[0].verdict, Verdict::kUndecided);
}

TEST(Report, WritesOneCsvATable) {
  const auto files = to_csv(make_report(broken_ladder()));
  for (const char* name : {"rows.csv", "quality.csv", "votes.csv", "ladder.csv", "gate.csv", "heads.csv",
                           "breaks.csv", "comparisons.csv", "failures.csv", "openings.csv"})
    EXPECT_TRUE(files.contains(name)) << name;
  const std::string rows = files.at("rows.csv");
  EXPECT_EQ(
      rows.find("row,baseline,bits_per_weight,bytes,refusal_harmful_refused,refusal_harmful_n,"
                "refusal_benign_refused,refusal_benign_n,refusal_refusal_rate,refusal_over_refusal_rate,"
                "refusal_repetition_mean,refusal_ended_rate,refusal_missing,decisions_accuracy,"),
      0U);
  EXPECT_THAT(rows.substr(0, rows.find("\r\n")), HasSubstr("units_done,units_failed,units,verdict,reason"));
  EXPECT_THAT(rows, HasSubstr("tiny/q4_k_m,tiny/bf16,4.8,3000000,6,10,0,10,0.6,0,1,1,0,1,"));
  EXPECT_THAT(to_csv(make_report(with_failed_unit())).at("failed_units.csv"),
              HasSubstr("tiny/q8_0,decisions prompts,0,"));
}

TEST(Report, WritesJsonWithNullForTheUnknown) {
  Results r = sample::finished();
  r.put({sample::unit_of(r.plan, 1, UnitKind::kPrompts, 0), true, "bad \xff byte", {}, 0, 0});
  reduce(r);
  const auto json = nlohmann::json::parse(to_json(make_report(r)));
  EXPECT_EQ(json["title"], "sample");
  EXPECT_TRUE(json["tables"]["rows"][1]["refusal_refusal_rate"].is_null());
  EXPECT_EQ(json["tables"]["rows"][0]["decisions_accuracy"], 1.0);
  EXPECT_EQ(json["verdicts"][1]["verdict"], "undecided");
  EXPECT_EQ(json["verdicts"][0]["checks"].size(), 3U);
  EXPECT_EQ(json["tables"]["failed_units"].size(), 1U);
}

TEST(Report, PoolsTheRefusalSuitesInItsFirstTable) {
  schedule::Job job = sample::job();
  job.suites.push_back(job.suites[0]);
  job.suites.back().id = "wrapped";
  schedule::Facts facts = sample::facts(20);
  facts.suites.push_back(facts.suites[0]);
  Results r = Results::empty(schedule::expand(job, facts));
  for (const schedule::Unit& unit : r.plan.units) r.put(sample::answer(r.plan, unit, {}));
  reduce(r);
  const std::string text = to_text(make_report(r));
  EXPECT_THAT(text, HasSubstr("20/20 100 %"));
  EXPECT_THAT(to_csv(make_report(r)).at("rows.csv"), HasSubstr("wrapped_harmful_refused"));
}
