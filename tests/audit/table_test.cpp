#include "audit/table.h"

#include <gtest/gtest.h>

#include <cmath>

#include "schedule/error.h"

using namespace brinkmap::audit;

TEST(Table, AlignsColumnsByDisplayWidth) {
  Table t{"t", "Title", {{"a", "name", true}, {"b", "two\nlines"}}, {}, {"a note"}};
  t.rows.push_back({text_cell("é"), count_cell(7)});
  t.rows.push_back({text_cell("日本"), count_cell(123456)});
  EXPECT_EQ(to_text(t),
            "Title\n"
            "         two\n"
            "name   lines\n"
            "é          7\n"
            "日本  123456\n"
            "a note\n");
}

TEST(Table, BreaksALastColumnOfWordsWhereTheTerminalEnds) {
  Table t{"t", "T", {{"a", "name", true}, {"why", "why", true}}, {}, {}};
  std::string words = "begin";
  for (int i = 0; i < 30; ++i) words += " word";
  t.rows.push_back({text_cell("a row"), text_cell(words)});
  t.rows.push_back({text_cell("b"), text_cell("")});
  std::string first = "begin", second = "word";
  for (int i = 0; i < 17; ++i) first += " word";
  for (int i = 0; i < 12; ++i) second += " word";
  EXPECT_EQ(to_text(t), "T\nname   why\na row  " + first + "\n       " + second + "\nb\n");
}

TEST(Table, TakesWhatItIsTooWideFromTheGapsFirst) {
  Table t{"t", "T", {{"a", "name", true}, {"b", "b"}, {"c", "c"}}, {}, {}};  // 101 columns with gaps of two
  const std::string name(30, 'n'), wide(60, '7');
  t.rows.push_back({text_cell(name), text_cell(wide), text_cell("1000000")});
  EXPECT_EQ(to_text(t), "T\nname" + std::string(86, ' ') + "b       c\n" + name + " " + wide + " 1000000\n");
}

TEST(Table, PutsNamesThatAreTooLongOnALineOfTheirOwn) {
  Table t{"t", "T", {{"a", "name", true}, {"b", "b"}, {"c", "c"}}, {}, {}};  // 103 columns at first
  const std::string name(32, 'n'), wide(60, '7'), blanks(29, ' ');
  t.rows.push_back({text_cell(name), text_cell(wide), text_cell("1000000")});
  t.rows.push_back({text_cell(name.substr(3)), text_cell(wide), text_cell("2")});
  EXPECT_EQ(to_text(t), "T\nname" + std::string(86, ' ') + "b        c\n" + name + "\n" + blanks + "  " +
                            wide + "  1000000\n" + name.substr(3) + "  " + wide + "        2\n");
}

TEST(Table, ColoursOnlyWhatIsAskedForAndKeepsTheColumns) {
  Table t{"t", "T", {{"a", "a", true}, {"b", "b"}}, {}, {}};
  Cell bad = text_cell("x");
  bad.tone = Tone::kBad;
  t.rows.push_back({bad, count_cell(1)});
  t.rows.push_back({text_cell("long"), count_cell(2)});
  EXPECT_EQ(to_text(t), "T\na     b\nx     1\nlong  2\n");
  EXPECT_EQ(to_text(t, true), "T\na     b\n\033[31mx\033[0m     1\nlong  2\n");
}

TEST(Table, PrintsCompositeColumnsOnlyAsTextAndPartsOnlyInFiles) {
  Table t{"t", "T", {{"kn", "k/n", false, Where::kText}, {"k", "", false, Where::kFiles}}, {}, {}};
  t.rows.push_back({text_cell("1/2"), count_cell(1)});
  EXPECT_EQ(to_text(t), "T\nk/n\n1/2\n");
  EXPECT_EQ(to_csv(t), "k\r\n1\r\n");
}

TEST(Table, QuotesCsvFieldsAsTheStandardAsks) {
  Table t{"t", "T", {{"a", "a"}, {"b", "b"}, {"c", "c"}}, {}, {}};
  t.rows.push_back(
      {{"", std::string("say \"no\", twice")}, {"", std::string("two\nlines")}, number_cell(0.1, 1)});
  EXPECT_EQ(to_csv(t), "a,b,c\r\n\"say \"\"no\"\", twice\",\"two\nlines\",0.1\r\n");
}

TEST(Table, LeavesUnknownValuesEmptyInCsvAndDashedOnTheTerminal) {
  Table t{"t", "T", {{"a", "a"}, {"b", "b"}}, {}, {}};
  t.rows.push_back({number_cell(std::nan(""), 2), count_cell(-1)});
  EXPECT_EQ(to_csv(t), "a,b\r\n,\r\n");
  EXPECT_EQ(to_text(t), "T\na  b\n-  -\n");
}

TEST(Table, KeepsAllDigitsInFiles) {
  Table t{"t", "T", {{"a", "a"}}, {}, {}};
  t.rows.push_back({number_cell(1.0 / 3, 2)});
  EXPECT_EQ(to_csv(t), "a\r\n0.3333333333333333\r\n");
}

TEST(Table, RefusesARowOfAnotherLength) {
  Table t{"t", "T", {{"a", "a"}}, {}, {}};
  t.rows.push_back({count_cell(1), count_cell(2)});
  EXPECT_THROW(to_text(t), brinkmap::Error);
  EXPECT_THROW(to_csv(t), brinkmap::Error);
}

TEST(Table, TurnsHostileTextIntoOneLine) {
  EXPECT_EQ(one_line("a\nb\x1b[31mc"), "a b [31mc");
  EXPECT_EQ(one_line("bad \xff\xc3 byte"), "bad \xEF\xBF\xBD\xEF\xBF\xBD byte");
  EXPECT_EQ(one_line("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD")
      << "a surrogate is no character";
  EXPECT_EQ(one_line("x\xE2\x80\xAEy"), "x y") << "no direction overrides";
  EXPECT_EQ(one_line("VETO→APPROVE é"), "VETO→APPROVE é");
}

TEST(Table, CountsColumnsOfWideAndCombiningCharacters) {
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("e\xCC\x81"), 1U);
  EXPECT_EQ(display_width("日本"), 4U);
  EXPECT_EQ(display_width("→█"), 2U);
  EXPECT_EQ(display_width("\xff\xff"), 2U);
}

TEST(Table, DrawsBarsInEighths) {
  EXPECT_EQ(bar(0, 4), "");
  EXPECT_EQ(bar(1, 4), "████");
  EXPECT_EQ(bar(0.5, 4), "██");
  EXPECT_EQ(bar(9.0 / 32, 4), "█▏");
  EXPECT_EQ(bar(7, 4), "████");
  EXPECT_EQ(bar(std::nan(""), 4), "");
}
