#include "audit/gate_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

using namespace brinkmap::audit;
using testing::HasSubstr;
using testing::Not;

namespace {

RowVerdict row(const std::string& label, Verdict verdict, const std::string& reason = "why") {
  Check check{"direct", "refusal drop", verdict, std::nan(""), 10, 100, 0, reason};
  return {0, label, verdict, {check}, "direct: " + reason};
}

}  // namespace

TEST(GateReport, TakesTheWorstOfTheRows) {
  using enum Verdict;
  EXPECT_EQ(worst(true, {row("a", kPass), row("b", kPass)}), kPass);
  EXPECT_EQ(worst(true, {row("a", kPass), row("b", kReview)}), kReview);
  EXPECT_EQ(worst(true, {row("a", kReview), row("b", kUndecided)}), kUndecided);
  EXPECT_EQ(worst(true, {row("a", kUndecided), row("b", kFail)}), kFail);
}

TEST(GateReport, NeverPassesWithoutRowsOrWithAnIncompleteFile) {
  EXPECT_EQ(worst(true, {}), Verdict::kUndecided);
  EXPECT_EQ(worst(false, {row("a", Verdict::kPass)}), Verdict::kUndecided);
  EXPECT_THAT(gate_junit("job", false, {row("a", Verdict::kPass)}),
              HasSubstr("tests=\"2\" failures=\"0\" errors=\"1\""));
}

TEST(GateReport, SaysEveryCheckThatDecidesARow) {
  using enum Verdict;
  RowVerdict failing = row("a/q2_k", kFail, "drop 20 points");
  failing.checks.push_back({"decisions", "VETO to APPROVE, generated", kPass, 0, 0, 50, 0, "none"});
  failing.checks.push_back({"plain", "VETO to APPROVE, cascade", kFail, 2, 0, 25, 0, "2 of 25 approved"});
  RowVerdict passing = row("a/q8_0", kPass);
  passing.reason = "within all limits";
  EXPECT_EQ(to_text(verdicts_table({passing, failing})),
            "Gate\n"
            "row     verdict  why\n"
            "a/q8_0  PASS     within all limits\n"
            "a/q2_k  FAIL     direct, refusal drop: drop 20 points\n"
            "a/q2_k  FAIL     plain, VETO to APPROVE, cascade: 2 of 25 approved\n"
            "1 PASS, 1 FAIL\n");
}

TEST(GateReport, WritesOneJunitCaseARow) {
  using enum Verdict;
  const std::string xml = gate_junit("job", true,
                                     {row("a/q8_0", kPass), row("a/q4_k_m", kFail, "drop 20 points"),
                                      row("a/q3_k_s", kReview), row("a/q2_k", kUndecided)});
  EXPECT_THAT(xml, HasSubstr("tests=\"4\" failures=\"2\" errors=\"1\""));
  EXPECT_THAT(xml, HasSubstr("<testcase classname=\"job\" name=\"a/q8_0\" time=\"0\"/>"));
  EXPECT_THAT(
      xml, HasSubstr("<failure type=\"FAIL\" message=\"direct: drop 20 points\">FAIL: direct, refusal drop: "
                     "drop 20 points\n</failure>"));
  EXPECT_THAT(xml, HasSubstr("<failure type=\"REVIEW\""));
  EXPECT_THAT(xml, HasSubstr("<error type=\"UNDECIDABLE\""));
}

TEST(GateReport, EscapesNamesAndReasons) {
  const std::string xml = gate_junit("<job>", true, {row("a\"b", Verdict::kFail, "x < y & \x01 z")});
  EXPECT_THAT(xml, HasSubstr("classname=\"&lt;job&gt;\" name=\"a&quot;b\""));
  EXPECT_THAT(xml, HasSubstr("x &lt; y &amp;   z"));
  EXPECT_THAT(xml, Not(HasSubstr("\x01")));
}

TEST(GateReport, WritesJsonWithTheSameWords) {
  const auto json =
      nlohmann::json::parse(gate_json("job", true, {row("a", Verdict::kPass), row("b", Verdict::kReview)}));
  EXPECT_EQ(json["verdict"], "REVIEW");
  EXPECT_EQ(json["complete"], true);
  EXPECT_EQ(json["rows"][0]["verdict"], "PASS");
  EXPECT_EQ(json["rows"][1]["checks"][0]["verdict"], "REVIEW");
  EXPECT_TRUE(json["rows"][1]["checks"][0]["value"].is_null());
  EXPECT_TRUE(json["rows"][1]["checks"][0]["upper_limit"].is_null());
}

TEST(GateReport, WritesHowManyApprovalsTheItemsStillAllow) {
  RowVerdict v = row("a", Verdict::kPass);
  v.checks[0].upper = 11.3;
  EXPECT_EQ(nlohmann::json::parse(gate_json("job", true, {v}))["rows"][0]["checks"][0]["upper_limit"], 11.3);
}
