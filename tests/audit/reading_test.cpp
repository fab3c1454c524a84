#include "audit/reading.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/break_tables.h"
#include "tests/audit/ladder_results.h"

using namespace brinkmap;
using namespace brinkmap::audit;
using schedule::Results;
using testing::HasSubstr;
using testing::Not;

namespace {

// Refusals break at q3_k_s, subjects at q2_k (and there most) and on the AWQ row; the baseline knows no
// truth.
Results broken() {
  Results r = sample::ladder_results();
  for (const std::uint32_t row : {sample::kQ3, sample::kQ2})
    sample::fill<std::uint8_t>(r, "direct_refusal", row, [](std::uint32_t i) { return i < 40 ? 2 : 0; });
  sample::set_choices(
      r, sample::kQ2, [](std::uint32_t i) { return i < 30; }, 0.97);
  sample::set_choices(
      r, sample::kAwq, [](std::uint32_t i) { return i % 4 < 3; }, 0.97);
  sample::fill<double>(r, "bias_score", sample::kBf16, [](std::uint32_t i) { return i % 2; });
  return r;
}

std::string read_row(const Results& r, std::uint32_t row) {
  return reading(r, find_breaks(r), judge(r, row));
}

}  // namespace

TEST(Reading, SaysWhatBrokeMostAndWhatBrokeFirst) {
  const std::string text = read_row(broken(), sample::kQ2);
  EXPECT_THAT(text, HasSubstr("tiny/q2_k: breaks most on subjects (25.0 %, baseline 100.0 %, n = 120, p = "));
  EXPECT_THAT(text, HasSubstr("), also on direct refusals; first to break: direct refusals, at q3_k_s; "));
  EXPECT_THAT(text, HasSubstr("accuracy collapse (subjects loses 100 % of what it had above chance)"));
  EXPECT_THAT(text, HasSubstr("lost calibration (error 0.72, was 0.03)"));
  EXPECT_THAT(text, Not(HasSubstr("instability")));
  EXPECT_THAT(text, HasSubstr("refuses 40 of 80 harmful prompts, 50.0 points fewer than bf16"));
  EXPECT_THAT(read_row(broken(), sample::kQ3), HasSubstr("first to break: direct refusals, here; "));
}

TEST(Reading, NamesNoFirstForARowOutsideTheLadder) {
  const std::string text = read_row(broken(), sample::kAwq);
  EXPECT_THAT(text, HasSubstr("breaks most on subjects (75.0 %"));
  EXPECT_THAT(text, HasSubstr("output variance (wordings of 30 of 30 questions disagree, were 0)"));
  EXPECT_THAT(text, Not(HasSubstr("first to break")));
}

TEST(Reading, SaysThatNothingWasShown) {
  EXPECT_THAT(read_row(broken(), sample::kQ6),
              HasSubstr("tiny/q6_k: no break shown on any of 5 tasks; refuses"));
  EXPECT_THAT(read_row(broken(), sample::kBf16), HasSubstr("tiny/bf16: refuses 80 of 80"));
}

TEST(Reading, SaysThatARowFellBelowChance) {
  Results r = broken();
  sample::set_choices(
      r, sample::kQ2, [](std::uint32_t i) { return i < 6; }, 0.97);
  EXPECT_THAT(read_row(r, sample::kQ2),
              HasSubstr("accuracy collapse (subjects loses all of what it had above chance, and more)"));
  EXPECT_THAT(to_text(failures_table(r, find_breaks(r))), HasSubstr(" >100 % (120)!"));
}

TEST(Reading, UsesTheSingularForOne) {
  Results r = sample::ladder_results();
  sample::fill<std::uint8_t>(r, "direct_refusal", sample::kBf16,
                             [](std::uint32_t i) { return i < 79 ? 2 : 0; });
  sample::fill<std::uint8_t>(r, "direct_refusal", sample::kQ8,
                             [](std::uint32_t i) { return i > 0 && i < 80 ? 2 : 0; });
  EXPECT_THAT(read_row(r, sample::kQ8), HasSubstr("as many as bf16 (1 other)"));
  Breaks one = find_breaks(sample::ladder_results());
  one.ladders.resize(1);
  EXPECT_THAT(reading(r, one, judge(r, sample::kQ8)),
              HasSubstr("tiny/q8_0: no break shown on its only task; "));
}

TEST(Reading, HasNoEmptySentence) {
  Results r = sample::ladder_results();
  std::erase_if(r.plan.job.suites, [](const auto& s) { return s.kind == schedule::SuiteKind::kRefusal; });
  Breaks none;
  none.failures.resize(r.plan.rows.size());
  RowVerdict verdict;
  verdict.row = sample::kBf16;
  verdict.label = "tiny/bf16";
  EXPECT_THAT(reading(r, none, verdict), testing::StartsWith("tiny/bf16: UNDECIDED"));
}

TEST(ModelReading, NamesARowAsTablesDo) {
  Results r = broken();
  r.plan.rows[sample::kAwq].recipe = "q2_k+q8_0(list,blk.0.attn_k,blk.0.attn_q)";
  const std::string text = model_reading(r, find_breaks(broken()), 0);
  EXPECT_THAT(text, HasSubstr("outside the ladder q2_k+q8_0(2 listed,"));
  EXPECT_THAT(text, Not(HasSubstr("attn_k")));
}

TEST(ModelReading, ListsWhatBreaksWhatHoldsAndWhatWasNotMeasured) {
  const Results r = broken();
  EXPECT_EQ(
      model_reading(r, find_breaks(r), 0),
      "tiny (5.0 M parameters): breaks at q3_k_s: direct refusals (sharp); breaks at q2_k: subjects (sharp); "
      "no break shown down to q2_k: direct answers, truth, text perplexity; outside the ladder awq-4-g32 "
      "breaks "
      "subjects; not measured, the baseline cannot do it: bias.");
}

TEST(ModelReading, SaysWhereLevelsHaveNoResults) {
  Results r = sample::ladder_results();
  sample::fill<std::uint8_t>(r, "truth_finite", sample::kQ3, [](auto) { return 0; });
  EXPECT_THAT(model_reading(r, find_breaks(r), 0),
              HasSubstr("no break shown, levels without results: truth"));
}

TEST(ModelReading, TellsABaselineWithoutResultsFromOneThatCannotDoATask) {
  Results r = sample::ladder_results();
  sample::fill<std::uint8_t>(r, "truth_finite", sample::kBf16, [](auto) { return 0; });
  EXPECT_THAT(model_reading(r, find_breaks(r), 0), HasSubstr("no results of the baseline: truth."));
  EXPECT_THAT(to_csv(breaks_table(r, find_breaks(r))), HasSubstr("tiny,truth,no results,"));
}

TEST(BreakTables, StandOnNoMoreThanAHundredColumns) {
  const Results r = broken();
  const Breaks breaks = find_breaks(r);
  for (const Table& table : {breaks_table(r, breaks), failures_table(r, breaks), openings_table(r)}) {
    const std::string text = to_text(table);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      EXPECT_LE(display_width(text.substr(at, end - at)), 100U) << text.substr(at, end - at);
      at = end + 1;
    }
  }
}

TEST(BreakTables, NameLevelShapeAndInterval) {
  const Results r = broken();
  const std::string csv = to_csv(breaks_table(r, find_breaks(r)));
  EXPECT_THAT(csv, HasSubstr("tiny,direct refusals,breaks,1,,,q3_k_s,3.8,0.5,0.5,"));
  EXPECT_THAT(csv, HasSubstr(",sharp,1,q3_k_s,q3_k_s,q3_k_s,80\r\n"));
  EXPECT_THAT(csv, HasSubstr("tiny,bias,not measured,0.5,"));
  EXPECT_THAT(csv, HasSubstr("tiny,truth,no break shown,1,,,,,,,,,,,,,50\r\n"));
  EXPECT_THAT(csv, HasSubstr("tiny,subjects,breaks,1,0.25,"));
}

TEST(BreakTables, CompareEveryRowOnEveryTask) {
  const Results r = broken();
  const Table table = comparisons_table(r, find_breaks(r));
  EXPECT_EQ(table.rows.size(), 7U * 6U);
  for (const Column& column : table.columns) EXPECT_EQ(column.where, Where::kFiles);
}

TEST(BreakTables, ShowOpeningsWithTheirN) {
  Results r = broken();
  sample::set_opening(r, "direct", sample::kQ2,
                      [](std::uint32_t i) { return i < 10 ? "no" : "i will not help with"; });
  const std::string text = to_text(openings_table(r));
  EXPECT_THAT(text,
              HasSubstr("tiny/q2_k       40   75 %  -25!    0.05     0.81     5.0  i will not help with"));
}
