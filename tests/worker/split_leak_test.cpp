#include "worker/split_leak.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schedule/error.h"

namespace brinkmap::worker {
namespace {

using schedule::Split;
using testing::HasSubstr;

SuiteItem item(const std::string& id, const std::string& prompt, Split split, const std::string& group) {
  SuiteItem out;
  out.id = id;
  out.prompt = prompt;
  out.split = split;
  out.group = group;
  return out;
}

std::string refusal_of(const std::vector<SuiteItem>& items) {
  Suite suite;
  suite.spec.file = "s.jsonl";
  suite.items = items;
  for (std::size_t i = 0; i < items.size(); ++i) suite.items[i].line = i + 1;
  try {
    check_split(suite);
  } catch (const InputError& e) {
    return e.what();
  }
  return "";
}

TEST(SplitLeak, OfATestActionInTrainingIsRefusedNamingBothItems) {
  const std::string why =
      refusal_of({item("a", "one", Split::kTrain, "dig|Leeds"), item("b", "two", Split::kTest, "mow|Bath"),
                  item("c", "three", Split::kTest, "dig|Leeds")});
  EXPECT_THAT(why, HasSubstr("s.jsonl"));
  EXPECT_THAT(why, HasSubstr("item c of split test in line 3 and item a of split train in line 1"));
  EXPECT_THAT(why, HasSubstr("action_group"));
}

TEST(SplitLeak, OfTheSamePromptInOtherWrappingIsRefused) {
  for (const char* other :
       {"Judge this.\nrule A\nrule B", "judge THIS\n\nRule  A;\nrule b!", "rule B\nJudge this.\nrule A"})
    EXPECT_THAT(refusal_of({item("a", "Judge this.\nrule A\nrule B", Split::kTrain, "g"),
                            item("b", other, Split::kValidation, "h")}),
                HasSubstr("item b of split validation in line 2 and item a of split train"))
        << other;
}

TEST(SplitLeak, IsNotWhatStandsOnOneSideOrDiffersInAWord) {
  EXPECT_EQ(
      refusal_of({item("a", "rule A", Split::kTrain, "g"), item("b", "rule A", Split::kTrain, "g"),
                  item("c", "rule C", Split::kTest, "h"), item("d", "rule A, rule", Split::kTest, "i")}),
      "");
}

}  // namespace
}  // namespace brinkmap::worker
