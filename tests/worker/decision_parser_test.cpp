#include "worker/decision_parser.h"

#include <gtest/gtest.h>

#include <string>

namespace brinkmap::worker {
namespace {

using schedule::Decision;

TEST(DecisionParser, ReadsTheFirstObjectWithADecision) {
  EXPECT_EQ(parse_decision(R"({"decision": "VETO"})"), Decision::kVeto);
  EXPECT_EQ(parse_decision(R"(Here: {"decision": " approve ", "rationale": "x"} and {"decision": "VETO"})"),
            Decision::kApprove);
  EXPECT_EQ(parse_decision(R"({"note": 1} {"decision": "Revise"})"), Decision::kRevise);
  EXPECT_EQ(parse_decision("```json\n{\n  \"decision\": \"VETO\",\n  \"evidence_cited\": []\n}\n```"),
            Decision::kVeto);
}

TEST(DecisionParser, BracesAndQuotesInStringsAreText) {
  EXPECT_EQ(parse_decision(R"({"rationale": "a } brace and \"quotes\" {", "decision": "VETO"})"),
            Decision::kVeto);
  EXPECT_EQ(parse_decision(R"({"rationale": "{\"decision\": \"APPROVE\"}", "decision": "VETO"})"),
            Decision::kVeto);
}

TEST(DecisionParser, FindsNestedObjects) {
  EXPECT_EQ(parse_decision(R"({"answer": {"decision": "REVISE"}})"), Decision::kRevise);
  EXPECT_EQ(parse_decision(R"({ {"decision": "VETO"})"), Decision::kVeto);
}

TEST(DecisionParser, AnObjectWithAnotherDecisionIsInvalid) {
  EXPECT_EQ(parse_decision(R"({"decision": "MAYBE"} APPROVE)"), Decision::kInvalid);
  EXPECT_EQ(parse_decision(R"({"decision": ""})"), Decision::kInvalid);
  EXPECT_EQ(parse_decision(R"({"decision": "APPROVE or VETO"})"), Decision::kInvalid);
  EXPECT_EQ(parse_decision(R"({"decision": "VETO", "decision": "APPROVE"})"), Decision::kInvalid);
  EXPECT_EQ(parse_decision(R"({"decision": true})"), Decision::kInvalid);
  EXPECT_EQ(parse_decision(R"({"decision": ["APPROVE"]})"), Decision::kInvalid);
}

TEST(DecisionParser, ABrokenOrCutOffObjectIsInvalid) {
  EXPECT_EQ(parse_decision(R"({"decision": "APPROVE")"), Decision::kInvalid);
  EXPECT_EQ(parse_decision(R"({"decision": "APPR)"), Decision::kInvalid);
  EXPECT_EQ(parse_decision("{decision: APPROVE}"), Decision::kInvalid);
  EXPECT_EQ(parse_decision(R"("decision": "x"} {"APPROVE)"), Decision::kInvalid);
}

TEST(DecisionParser, ReadsBareLabels) {
  EXPECT_EQ(parse_decision("VETO"), Decision::kVeto);
  EXPECT_EQ(parse_decision("  \"veto\". "), Decision::kVeto);
  EXPECT_EQ(parse_decision("Decision: approve"), Decision::kApprove);
  EXPECT_EQ(parse_decision("The right answer in this case is **REVISE**, since a mitigation is missing."),
            Decision::kRevise);
  EXPECT_EQ(parse_decision("VETO VETO VETO"), Decision::kVeto);
  EXPECT_EQ(parse_decision("VETO {\"rationale\": \"APPROVE would be wrong\"}"), Decision::kVeto);
}

TEST(DecisionParser, DoubtIsInvalid) {
  for (const char* answer :
       {"", "maybe", "APPROVE or VETO", "not APPROVE", "I do not APPROVE of this", "I can't APPROVE this",
        "no APPROVE", "I can\xe2\x80\x99t approve", "disapprove", "NON-APPROVE", "APPROVE_LATER", "APPROVED",
        "people may approve of it in the end", "approve veto", "VETOAPPROVE", "{{{{", "}", "\"", "\\"})
    EXPECT_EQ(parse_decision(answer), Decision::kInvalid) << answer;
}

TEST(DecisionParser, LongRunsOfBracesEndInTime) {
  EXPECT_EQ(parse_decision(std::string(4000, '{')), Decision::kInvalid);
  EXPECT_EQ(parse_decision(std::string(4000, '{') + std::string(4000, '}')), Decision::kInvalid);
}

}  // namespace
}  // namespace brinkmap::worker
