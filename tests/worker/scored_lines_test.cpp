#include "worker/scored_lines.h"

#include <gtest/gtest.h>

namespace brinkmap::worker {
namespace {

TEST(ScoredLine, ShowsItsScoreWhereItsRelevanceStood) {
  EXPECT_EQ(scored_line(R"({"key": "TRP-000123", "cosine": 0.9312, "label": "harm", "statement": "a b c"})",
                        0.12345, false),
            R"({"key": "TRP-000123", "evidence_score": 0.1235, "label": "harm", "statement": "a b c"})");
  EXPECT_EQ(scored_line(R"({"cosine":1e-2,"label":"x"})", 1, false),
            R"({"evidence_score": 1.0000,"label":"x"})");
  EXPECT_EQ(scored_line(R"({"label": "x", "cosine" : 0.5 })", 0, true),
            R"({"label": "x", "evidence_score": 0.0000 })");
}

TEST(ScoredLine, LooksAtTheMemberAndNotAtTextsThatNameIt) {
  EXPECT_EQ(scored_line(R"({"statement": "the \"cosine\": 0.7", "in": {"cosine": 0.1}, "cosine": 0.2})", 0.5,
                        false),
            R"({"statement": "the \"cosine\": 0.7", "in": {"cosine": 0.1}, "evidence_score": 0.5000})");
  const std::string text = R"({"statement": "x", "in": {"cosine": 0.1}, "list": ["cosine"]})";
  EXPECT_EQ(scored_line(text, 0.5, false), text);
}

TEST(ScoredLine, WithoutRelevanceShowsItsScoreOnlyWhenAsked) {
  EXPECT_EQ(scored_line("any ploughing requires silt screens", 0.97, false),
            "any ploughing requires silt screens");
  EXPECT_EQ(scored_line("any ploughing requires silt screens", 0.97, true),
            "any ploughing requires silt screens (evidence_score 0.9700)");
  EXPECT_EQ(scored_line(R"({"statement": "x"})", 0.25, true),
            R"({"statement": "x", "evidence_score": 0.2500})");
  EXPECT_EQ(scored_line(R"({"cosine": "high"})", 0.25, false), R"({"cosine": "high"})");
  EXPECT_EQ(scored_line("{}", 0.25, true), R"({"evidence_score": 0.2500})");
  EXPECT_EQ(scored_line("{broken", 0.25, true), "{broken (evidence_score 0.2500)");
}

}  // namespace
}  // namespace brinkmap::worker
