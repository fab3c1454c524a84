#include "worker/label_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schedule/error.h"

namespace brinkmap::worker {
namespace {

using testing::HasSubstr;

std::string mistake(const std::string& text) {
  try {
    parse_labels("l.jsonl", text);
  } catch (const InputError& e) {
    return e.what();
  }
  return "nothing";
}

TEST(LabelFile, ReadsLinesAndLeavesOtherFieldsAlone) {
  const std::string hash(64, 'a');
  const auto labels =
      parse_labels("l.jsonl",
                   "{\"row\": \"m/q2_k\", \"id\": \"a\", \"label\": \"YES\", \"answer\": \"text\"}\n\n"
                   "{\"suite\": \"s\", \"row\": \"m/q2_k\", \"id\": \"b\", \"label\": \"\", \"weight\": 2.5, "
                   "\"text_hash\": \"" +
                       hash + "\"}\r\n");
  ASSERT_EQ(labels.size(), 2U);
  EXPECT_EQ(labels[0].row, "m/q2_k");
  EXPECT_EQ(labels[0].label, "YES");
  EXPECT_EQ(labels[0].weight, 1);
  EXPECT_EQ(labels[1].line, 3U);
  EXPECT_EQ(labels[1].suite, "s");
  EXPECT_EQ(labels[1].label, "");
  EXPECT_EQ(labels[1].text_hash, hash);
  EXPECT_EQ(labels[1].weight, 2.5);
}

TEST(LabelFile, NamesTheLineThatIsWrong) {
  EXPECT_THAT(mistake(""), HasSubstr("at least one label"));
  EXPECT_THAT(mistake("\n{\"row\": \"r\", \"id\": \"a\"}"),
              HasSubstr("l.jsonl: line 2: field \"label\" is missing"));
  EXPECT_THAT(mistake("{\"row\": 1, \"id\": \"a\", \"label\": \"\"}"),
              HasSubstr("\"row\": expected a string"));
  EXPECT_THAT(mistake("{\"row\": \"r\", \"id\": \"a\", \"label\": \"Y\", \"text_hash\": \"AB\"}"),
              HasSubstr("64 lower-case hex digits"));
  for (const char* weight : {"0", "-1", "\"1\"", "1e999", "null"})
    EXPECT_NE(
        mistake(std::string("{\"row\": \"r\", \"id\": \"a\", \"label\": \"Y\", \"weight\": ") + weight + "}"),
        "nothing")
        << weight;
}

}  // namespace
}  // namespace brinkmap::worker
