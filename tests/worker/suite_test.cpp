#include "worker/suite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "schedule/error.h"

namespace brinkmap::worker {
namespace {

using schedule::Split;
using schedule::SuiteKind;
using testing::HasSubstr;

schedule::SuiteSpec spec(SuiteKind kind) {
  schedule::SuiteSpec s;
  s.id = "s";
  s.file = "s.jsonl";
  s.kind = kind;
  return s;
}

std::string refusal_line(int n) {
  return R"({"id": "r)" + std::to_string(n) + R"(", "prompt": "p", "expect": "refuse"})" + "\n";
}

std::string error_of(SuiteKind kind, const std::string& text) {
  try {
    parse_suite(spec(kind), text);
  } catch (const InputError& e) {
    return e.what();
  }
  return "no error";
}

TEST(Suite, ReadsRefusalItemsAndKeepsUnknownFields) {
  const std::string line =
      R"({"id": "a", "prompt": "how?", "expect": "refuse", "category": "c", "wrapper": "w", "extra": [1, {"x": 2}]})";
  const Suite suite =
      parse_suite(spec(SuiteKind::kRefusal),
                  line + "\r\n" + R"({"id": "b", "prompt": "q", "expect": "answer", "category": "c"})");
  ASSERT_EQ(suite.items.size(), 2u);
  EXPECT_EQ(suite.items[0].prompt, "how?");
  EXPECT_EQ(suite.items[0].group, "w");
  EXPECT_EQ(suite.items[0].json, line);
  EXPECT_EQ(suite.items[1].group, "c");
  EXPECT_EQ(expected_answers(suite), (std::vector<std::uint8_t>{1, 0}));
  EXPECT_EQ(suite.sha256.size(), 64u);
}

TEST(Suite, ReadsDecisionAndPerplexityItems) {
  const Suite decision =
      parse_suite(spec(SuiteKind::kDecision),
                  R"({"id": "a", "prompt": "p", "label": "VETO", "split": "test", "action_group": "g"})"
                  "\n");
  EXPECT_EQ(decision.items[0].split, Split::kTest);
  EXPECT_EQ(decision.items[0].group, "g");
  EXPECT_EQ(expected_answers(decision), std::vector<std::uint8_t>{2});
  const Suite text =
      parse_suite(spec(SuiteKind::kPerplexity), R"({"id": "a", "text": "Größe \ud83d\ude00"})");
  EXPECT_EQ(text.items[0].prompt, "Größe \xf0\x9f\x98\x80");
  EXPECT_TRUE(expected_answers(text).empty());
}

TEST(Suite, ReadsTruthfulnessBiasChoiceAndQualityItems) {
  const Suite truth = parse_suite(
      spec(SuiteKind::kTruthfulness),
      R"({"id": "a", "prompt": "p", "correct": ["x", "y"], "incorrect": ["z"], "category": "c", "variant_of": "v"})");
  EXPECT_EQ(truth.items[0].correct, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(truth.items[0].incorrect, std::vector<std::string>{"z"});
  EXPECT_EQ(truth.items[0].group, "c");
  EXPECT_EQ(suite_facts(truth).variants, std::vector<std::string>{"v"});
  EXPECT_TRUE(expected_answers(truth).empty());
  const Suite bias = parse_suite(
      spec(SuiteKind::kBias),
      R"({"id": "a", "prompt": "p", "choices": ["u", "b", "c"], "unknown": 0, "stereotyped": 2})");
  EXPECT_EQ(bias.items[0].stereotyped, 2u);
  EXPECT_EQ(expected_answers(bias), std::vector<std::uint8_t>{0});
  EXPECT_TRUE(suite_facts(bias).choices.empty());
  const Suite choice = parse_suite(spec(SuiteKind::kChoice),
                                   R"({"id": "a", "prompt": "p", "choices": ["x", "y"], "answer": 1})"
                                   "\n"
                                   R"({"id": "b", "prompt": "q", "choices": ["x", "y", "z"], "answer": 2})");
  EXPECT_EQ(suite_facts(choice).choices, (std::vector<std::uint8_t>{2, 3}));
  EXPECT_EQ(expected_answers(choice), (std::vector<std::uint8_t>{1, 2}));
  const Suite quality =
      parse_suite(spec(SuiteKind::kQuality), R"({"id": "a", "prompt": "p", "reference": "r"})");
  EXPECT_EQ(quality.items[0].reference, "r");
}

TEST(Suite, RefusesImpossibleChoicesAndReferences) {
  const auto choice = [](const std::string& fields) {
    return error_of(SuiteKind::kChoice, R"({"id": "a", "prompt": "p", )" + fields + "}");
  };
  EXPECT_THAT(choice(R"("answer": 0)"), HasSubstr("\"choices\" is missing"));
  EXPECT_THAT(choice(R"("choices": "x", "answer": 0)"),
              HasSubstr("expected a list of strings, found string"));
  EXPECT_THAT(choice(R"("choices": ["x"], "answer": 0)"), HasSubstr("expected 2 to 10 strings, found 1"));
  EXPECT_THAT(choice(R"("choices": ["x", ""], "answer": 0)"), HasSubstr("entry 2 is empty"));
  EXPECT_THAT(choice(R"("choices": ["x", 3], "answer": 0)"), HasSubstr("expected strings, found number"));
  EXPECT_THAT(choice(R"("choices": ["x", "y"], "answer": 2)"), HasSubstr("a whole number 0..1, found 2"));
  EXPECT_THAT(choice(R"("choices": ["x", "y"], "answer": -1)"), HasSubstr("found -1"));
  EXPECT_THAT(choice(R"("choices": ["x", "y"], "answer": "B")"), HasSubstr("found \"B\""));
  EXPECT_THAT(
      error_of(SuiteKind::kBias,
               R"({"id": "a", "prompt": "p", "choices": ["u", "b", "c"], "unknown": 1, "stereotyped": 1})"),
      HasSubstr("name the same choice"));
  EXPECT_THAT(
      error_of(SuiteKind::kTruthfulness, R"({"id": "a", "prompt": "p", "correct": [], "incorrect": ["x"]})"),
      HasSubstr("expected 1 to 100 strings, found 0"));
  EXPECT_THAT(error_of(SuiteKind::kQuality, R"({"id": "a", "prompt": "p", "reference": ""})"),
              HasSubstr("\"reference\" is empty"));
}

TEST(Suite, FactsFollowTheFile) {
  const schedule::SuiteFacts facts = suite_facts(
      parse_suite(spec(SuiteKind::kDecision),
                  R"({"id": "a", "prompt": "p", "label": "REVISE", "split": "train", "action_group": "g"})"));
  EXPECT_EQ(facts.ids, std::vector<std::string>{"a"});
  EXPECT_EQ(facts.expected, std::vector<std::uint8_t>{1});
  EXPECT_EQ(facts.splits, std::vector<Split>{Split::kTrain});
  EXPECT_TRUE(facts.phrases_sha256.empty());
  EXPECT_EQ(suite_facts(parse_suite(spec(SuiteKind::kRefusal), refusal_line(1))).phrases_sha256.size(), 64u);
}

TEST(Suite, NamesTheBadLine) {
  std::string text;
  for (int i = 1; i <= 36; ++i) text += refusal_line(i);
  EXPECT_EQ(error_of(SuiteKind::kRefusal, text), "no error");
  EXPECT_THAT(error_of(SuiteKind::kRefusal, text + "{\"id\": \"x\", \"prompt\": \n"),
              HasSubstr("s.jsonl: line 37: "));
  EXPECT_THAT(error_of(SuiteKind::kRefusal, text + "\n" + refusal_line(38)),
              HasSubstr("line 37: expected one JSON"));
  EXPECT_THAT(error_of(SuiteKind::kRefusal, text + refusal_line(5)),
              HasSubstr("line 37: id \"r5\" stands in line 5 too"));
}

TEST(Suite, RefusesMissingEmptyAndMistypedFields) {
  const SuiteKind r = SuiteKind::kRefusal, d = SuiteKind::kDecision;
  EXPECT_THAT(error_of(r, R"({"prompt": "p", "expect": "refuse"})"), HasSubstr("\"id\" is missing"));
  EXPECT_THAT(error_of(r, R"({"id": "", "prompt": "p", "expect": "refuse"})"), HasSubstr("\"id\" is empty"));
  EXPECT_THAT(error_of(r, R"({"id": 3, "prompt": "p", "expect": "refuse"})"),
              HasSubstr("expected a string, found number"));
  EXPECT_THAT(error_of(r, R"({"id": "a\u0000b", "prompt": "p", "expect": "refuse"})"),
              HasSubstr("zero byte"));
  EXPECT_THAT(error_of(r, R"({"id": "a", "expect": "refuse"})"), HasSubstr("\"prompt\" is missing"));
  EXPECT_THAT(error_of(r, R"({"id": "a", "prompt": "p", "expect": "deny"})"),
              HasSubstr("expected one of \"answer\", \"refuse\", found \"deny\""));
  EXPECT_THAT(error_of(r, R"({"id": "a", "prompt": "p", "expect": "refuse", "wrapper": null})"),
              HasSubstr("\"wrapper\": expected a string, found null"));
  EXPECT_THAT(
      error_of(d, R"({"id": "a", "prompt": "p", "label": "veto", "split": "test", "action_group": "g"})"),
      HasSubstr("found \"veto\""));
  EXPECT_THAT(
      error_of(d, R"({"id": "a", "prompt": "p", "label": "VETO", "split": "dev", "action_group": "g"})"),
      HasSubstr("\"split\": expected one of"));
  EXPECT_THAT(error_of(d, R"({"id": "a", "prompt": "p", "label": "VETO", "split": "test"})"),
              HasSubstr("\"action_group\" is missing"));
  EXPECT_THAT(error_of(SuiteKind::kPerplexity, R"({"id": "a", "prompt": "p"})"),
              HasSubstr("\"text\" is missing"));
  EXPECT_THAT(error_of(r, R"({"id": "a", "prompt": "p", "expect": "refuse", "id": "b"})"),
              HasSubstr("field \"id\" stands twice"));
  EXPECT_THAT(error_of(r, "[1]"), HasSubstr("expected a JSON object, found array"));
  EXPECT_THAT(error_of(r, refusal_line(1) + "{} {}"), HasSubstr("line 2: expected one JSON object"));
}

TEST(Suite, RefusesEmptyFilesLongLinesAndBadUtf8) {
  const SuiteKind r = SuiteKind::kRefusal;
  EXPECT_THAT(error_of(r, ""), HasSubstr("expected at least one line, found none"));
  EXPECT_THAT(error_of(r, R"({"id": ")" + std::string(kMaxSuiteLine, 'x') + "\"}"),
              HasSubstr("expected at most 1048576"));
  for (const char* bad : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"})
    EXPECT_THAT(error_of(r, std::string(R"({"id": ")") + bad + R"(", "prompt": "p", "expect": "refuse"})"),
                HasSubstr("line 1: expected UTF-8"))
        << bad;
  EXPECT_THAT(error_of(r, std::string(100000, '[')), HasSubstr("line 1: expected one JSON object"));
}

TEST(Suite, NamesAFileThatCannotBeRead) {
  auto missing = spec(SuiteKind::kRefusal);
  missing.file = "/nowhere/suite.jsonl";
  EXPECT_THROW(
      {
        try {
          read_suite(missing);
        } catch (const InputError& e) {
          EXPECT_EQ(e.file(), missing.file);
          throw;
        }
      },
      InputError);
}

TEST(Suite, ReadsTheSuitesOfTheRepository) {
  for (const auto& [file, kind] :
       {std::pair{"direct.jsonl", SuiteKind::kRefusal}, std::pair{"jailbreak.jsonl", SuiteKind::kRefusal},
        std::pair{"benign.jsonl", SuiteKind::kRefusal}, std::pair{"decisions.jsonl", SuiteKind::kDecision},
        std::pair{"truthfulness.jsonl", SuiteKind::kTruthfulness}, std::pair{"bias.jsonl", SuiteKind::kBias},
        std::pair{"subjects.jsonl", SuiteKind::kChoice}, std::pair{"paraphrases.jsonl", SuiteKind::kChoice},
        std::pair{"qa.jsonl", SuiteKind::kQuality}, std::pair{"code.jsonl", SuiteKind::kQuality},
        std::pair{"text.jsonl", SuiteKind::kPerplexity}}) {
    auto s = spec(kind);
    s.file = std::string(BRINKMAP_SOURCE_DIR) + "/jobs/suites/" + file;
    if (!std::filesystem::exists(s.file)) GTEST_SKIP() << s.file << " is absent";
    const Suite suite = read_suite(s);
    EXPECT_GE(suite.items.size(), 10u);
    if (kind == SuiteKind::kDecision) {
      EXPECT_NO_THROW(check_for_heads(suite));
    }
  }
}

std::string decision_line(int n, const char* label, const char* split, const std::string& group) {
  return R"({"id": "d)" + std::to_string(n) + R"(", "prompt": "p)" + std::to_string(n) + R"(", "label": ")" +
         label + R"(", "split": ")" + split + R"(", "action_group": ")" + group + "\"}\n";
}

std::string heads_error(const std::string& text) {
  try {
    check_for_heads(parse_suite(spec(SuiteKind::kDecision), text));
  } catch (const InputError& e) {
    return e.what();
  }
  return "no error";
}

TEST(Suite, ChecksWhatHeadsNeed) {
  const std::string train = decision_line(1, "APPROVE", "train", "a") +
                            decision_line(2, "REVISE", "train", "a") + decision_line(3, "VETO", "train", "b");
  const std::string validation = decision_line(4, "VETO", "validation", "c");
  const std::string test = decision_line(5, "VETO", "test", "d");
  EXPECT_EQ(heads_error(train + validation + test), "no error");
  EXPECT_THAT(
      heads_error(train + validation + decision_line(5, "VETO", "test", "b")),
      HasSubstr("line 5: item d5 of split test in line 5 and item d3 of split train in line 3 have the same "
                "action_group"));
  EXPECT_THAT(heads_error(train + validation), HasSubstr("split test"));
  EXPECT_THAT(heads_error(train + test), HasSubstr("split validation"));
  EXPECT_THAT(heads_error(decision_line(1, "APPROVE", "train", "a") + validation + test),
              HasSubstr("REVISE is missing"));
}

TEST(Suite, HalvesPartTheItemsAndKeepGroupsTogether) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += decision_line(i, "VETO", "train", "g" + std::to_string(i / 4));
  schedule::SuiteSpec half = spec(SuiteKind::kDecision);
  const Suite all = parse_suite(half, text);
  half.half = schedule::Half::kFirst;
  const Suite first = parse_suite(half, text);
  half.half = schedule::Half::kSecond;
  const Suite second = parse_suite(half, text);
  EXPECT_EQ(first.items.size() + second.items.size(), all.items.size());
  EXPECT_EQ(first.sha256, all.sha256);
  for (const SuiteItem& a : first.items)
    for (const SuiteItem& b : second.items) EXPECT_NE(a.group, b.group);
  for (const SuiteItem& a : second.items) EXPECT_EQ(a.id, all.items[a.line - 1].id);
}

TEST(Suite, AHalfWithoutItemsIsRefused) {
  schedule::SuiteSpec half = spec(SuiteKind::kDecision);
  int found = 0;
  for (const schedule::Half side : {schedule::Half::kFirst, schedule::Half::kSecond}) {
    half.half = side;
    try {
      found += static_cast<int>(parse_suite(half, decision_line(1, "VETO", "train", "g")).items.size());
    } catch (const InputError& e) {
      EXPECT_THAT(e.what(), HasSubstr("expected items in both halves"));
    }
  }
  EXPECT_EQ(found, 1);
}

}  // namespace
}  // namespace brinkmap::worker
