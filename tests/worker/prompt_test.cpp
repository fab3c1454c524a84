#include "worker/prompt.h"

#include <gtest/gtest.h>

#include "fake_tokenizer.h"
#include "schedule/error.h"

namespace brinkmap::worker {
namespace {

using Tokens = std::vector<std::int32_t>;
constexpr std::int32_t kUser = FakeTokenizer::kControls, kAssistant = kUser + 1, kBos = FakeTokenizer::kBos;

TEST(Prompt, PutsTheTemplatesControlTokensAroundThePrompt) {
  EXPECT_EQ(prompt_tokens(FakeTokenizer(), text_template("<u>{prompt}<a>"), "hi"),
            (Tokens{kBos, kUser, 'h', 'i', kAssistant}));
  EXPECT_EQ(prompt_tokens(FakeTokenizer({}, false), text_template("{prompt}"), "hi"), (Tokens{'h', 'i'}));
}

TEST(Prompt, APromptCannotSpellControlTokens) {
  EXPECT_EQ(prompt_tokens(FakeTokenizer(), text_template("<u>{prompt}<a>"), "x<a>y"),
            (Tokens{kBos, kUser, 'x', '<', 'a', '>', 'y', kAssistant}));
  EXPECT_EQ(prompt_tokens(FakeTokenizer(), text_template("{prompt}"), "<a>"), (Tokens{kBos, '<', 'a', '>'}));
  EXPECT_EQ(prompt_tokens(FakeTokenizer({}, false), text_template("A{prompt}"), "<a>"),
            (Tokens{'A', '<', 'a', '>'}));
}

TEST(Prompt, TokensMergeOverTheSlotsBorders) {
  EXPECT_EQ(prompt_tokens(FakeTokenizer({": h"}), text_template("Q: {prompt}"), "hi"),
            (Tokens{kBos, 'Q', 256, 'i'}));
}

TEST(Prompt, OnlyTheFirstSlotIsFilled) {
  EXPECT_EQ(prompt_tokens(FakeTokenizer({}, false), text_template("{prompt}{prompt}"), "a"),
            FakeTokenizer({}, false).encode("a{prompt}", false, false));
}

TEST(Prompt, AChatTemplateBringsItsOwnBos) {
  const PromptTemplate chat{"<u>", "<a>", true, false};
  EXPECT_EQ(prompt_tokens(FakeTokenizer(), chat, " hi\n"), (Tokens{kUser, ' ', 'h', 'i', '\n', kAssistant}));
  EXPECT_EQ(prompt_tokens(FakeTokenizer(), chat, "<a>"), (Tokens{kUser, '<', 'a', '>', kAssistant}));
}

TEST(Prompt, ATemplateMayTrimThePrompt) {
  const PromptTemplate chat{"<u>", "<a>", true, true};
  EXPECT_EQ(prompt_tokens(FakeTokenizer(), chat, "\t hi\n"), (Tokens{kUser, 'h', 'i', kAssistant}));
  EXPECT_EQ(prompt_tokens(FakeTokenizer(), chat, " <a>\n"), (Tokens{kUser, '<', 'a', '>', kAssistant}));
}

TEST(Prompt, TextsHoldNoControlTokens) {
  EXPECT_EQ(text_tokens(FakeTokenizer(), "<a>"), (Tokens{kBos, '<', 'a', '>'}));
}

TEST(Prompt, ATemplateWithoutASlotIsAnError) { EXPECT_THROW(text_template("<u>"), Error); }

TEST(Prompt, CountsAreThoseOfTheTokensUsed) {
  Suite suite;
  suite.spec.kind = schedule::SuiteKind::kRefusal;
  suite.items.resize(2);
  suite.items[0].prompt = "hi";
  suite.items[1].prompt = "<a>";
  EXPECT_EQ(token_counts(FakeTokenizer(), text_template("<u>{prompt}"), suite),
            (std::vector<std::uint32_t>{4, 5}));
  suite.spec.kind = schedule::SuiteKind::kPerplexity;
  EXPECT_EQ(token_counts(FakeTokenizer(), text_template("<u>{prompt}"), suite),
            (std::vector<std::uint32_t>{3, 4}));
}

TEST(Prompt, ChoicesScoreOnlyTheLabels) {
  const FakeTokenizer tokenizer;
  const auto choices = choice_continuations(tokenizer, text_template("<u>{prompt}<a>"));
  for (std::size_t c = 0; c < 3; ++c) {
    const Tokens all(choices[c].tokens.begin(), choices[c].tokens.end());
    EXPECT_EQ(choices[c].score_from, 14);
    EXPECT_EQ(tokenizer.decode(all),
              std::vector<std::string>(
                  {R"({"decision": "APPROVE)", R"({"decision": "REVISE)", R"({"decision": "VETO)"})[c]);
  }
}

TEST(Prompt, ChoicesFollowTheTemplatesEndAsOneText) {
  // The template ends with "= " and the vocabulary knows " {": that token would span the border, so the
  // continuation stands alone; "={" is no border case.
  const auto spanning = choice_continuations(FakeTokenizer({" {\""}), text_template("{prompt}= "));
  EXPECT_EQ(spanning[0].tokens[0], '{');
  const auto inside = choice_continuations(FakeTokenizer({"\"V", "{\"d"}), text_template("{prompt}="));
  EXPECT_EQ(inside[0].tokens[0], 257);
  // The token "V starts one label only, so all that follows the common part is scored.
  EXPECT_EQ(inside[2].score_from, 11);
  EXPECT_EQ(inside[2].tokens[11], 256);
  EXPECT_EQ(inside[0].tokens[11], '"');
}

}  // namespace
}  // namespace brinkmap::worker
