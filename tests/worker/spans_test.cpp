#include "worker/spans.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schedule/error.h"
#include "tests/worker/fake_tokenizer.h"

namespace brinkmap::worker {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using Lines = std::vector<std::string>;

const std::string kPrompt = "Judge.\nEvidence:\none.\nanother one.\none.\n\nAnswer.";
const Lines kLines{"one.", "another one.", "one."};

TEST(FindLines, TakesNewlinesBehindALineWithIt) {
  const auto ranges = find_lines(kPrompt, kLines, "x");
  ASSERT_EQ(ranges.size(), 3u);
  EXPECT_EQ(kPrompt.substr(ranges[1].begin, ranges[1].end - ranges[1].begin), "another one.");
  EXPECT_EQ(ranges[0].next, ranges[1].begin);
  EXPECT_EQ(kPrompt.substr(ranges[2].next), "Answer.");
}

TEST(FindLines, PassesOverALineThatIsOnlyPartOfAnother) {
  EXPECT_EQ(find_lines("no one.\none.", Lines{"one."}, "x")[0].begin, 8u);
  EXPECT_EQ(find_lines("one.\nx\none.\ntwo.\n", Lines{"one.", "two."}, "x")[0].begin, 7u);
}

TEST(FindLines, NamesTheItemWhoseLinesAreMissing) {
  EXPECT_THAT(
      [] {
        find_lines(kPrompt, Lines{"one.", "one."}, "item-7");
      },
      ThrowsMessage<Error>(HasSubstr("item-7")));
  EXPECT_THROW(find_lines(kPrompt, Lines{"one"}, "x"), Error);
  EXPECT_THROW(find_lines(kPrompt, Lines{}, "x"), Error);
}

TEST(EvidenceSpans, CoverTheLinesAndMergeWithTheNewlineBehind) {
  const FakeTokenizer tokenizer({".\n", ".\n\n"});
  const PromptTemplate around = text_template("<u>{prompt}<a>");
  const EvidencePrompt out = evidence_prompt(tokenizer, around, kPrompt, kLines, "x");
  EXPECT_EQ(out.tokens, prompt_tokens(tokenizer, around, kPrompt));
  ASSERT_EQ(out.spans.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    const std::span ids(out.tokens);
    const auto span = ids.subspan(out.spans[i].begin, out.spans[i].end - out.spans[i].begin);
    EXPECT_EQ(tokenizer.decode(span), kLines[i] + (i == 2 ? "\n\n" : "\n"));
  }
  EXPECT_EQ(out.spans[0].end - out.spans[0].begin, 4u);  // o n e and one token for the rest
  EXPECT_EQ(out.spans[0].end, out.spans[1].begin);
}

TEST(EvidenceSpans, RefuseATokenOverTheBorderAndNameItemAndLine) {
  const FakeTokenizer tokenizer({"\nano"});
  EXPECT_THAT([&] { evidence_prompt(tokenizer, text_template("{prompt}"), kPrompt, kLines, "item-9"); },
              ThrowsMessage<Error>(::testing::AllOf(HasSubstr("item-9"), HasSubstr("line 1"))));
}

TEST(EvidenceSpans, StandWhereATrimmingTemplatePutsThem) {
  const FakeTokenizer tokenizer;
  PromptTemplate around = text_template("<u>{prompt}<a>");
  around.chat = around.trims = true;
  const EvidencePrompt out = evidence_prompt(tokenizer, around, "  \n" + kPrompt + "\n ", kLines, "x");
  EXPECT_EQ(out.tokens.front(), FakeTokenizer::kControls);
  const auto first = std::span(out.tokens).subspan(out.spans[0].begin, 4);
  EXPECT_EQ(tokenizer.decode(first), "one.");
}

TEST(ReorderLines, KeepsNewlinesInPlace) {
  EXPECT_EQ(reorder_lines("E:\na\nb\nc\n\nend", Lines{"a", "b", "c"}, Lines{"A", "B", "C"},
                          std::vector<std::uint32_t>{2, 0, 1}, "x"),
            "E:\nC\nA\nB\n\nend");
}

TEST(ReorderLines, RefusesWhatIsNoPermutation) {
  const Lines lines{"a", "b"};
  EXPECT_THROW(reorder_lines("a\nb", lines, lines, std::vector<std::uint32_t>{0, 0}, "x"), Error);
  EXPECT_THROW(reorder_lines("a\nb", lines, lines, std::vector<std::uint32_t>{0}, "x"), Error);
  EXPECT_THROW(reorder_lines("a\nb", lines, Lines{"a"}, std::vector<std::uint32_t>{1, 0}, "x"), Error);
}

}  // namespace
}  // namespace brinkmap::worker
