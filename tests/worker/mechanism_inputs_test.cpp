#include "worker/mechanism_inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "schedule/error.h"
#include "tests/worker/fake_tokenizer.h"

namespace brinkmap::worker {
namespace {

using schedule::DType;
using schedule::Field;
using testing::ElementsAre;

// A shard over two items of a model of two blocks and width 2; the field has room for three blocks of width
// 3.
class MechanismInputs : public testing::Test {
 protected:
  MechanismInputs() {
    suite.spec.id = "s";
    suite.spec.kind = schedule::SuiteKind::kRefusal;
    suite.spec.max_new_tokens = 4;
    for (const char* prompt : {"one", "two"}) {
      suite.items.push_back({});
      suite.items.back().id = suite.items.back().prompt = prompt;
    }
    add("s_tokens", DType::kI32, -1, {4});
    add("s_token_count", DType::kI32, -1);
    add("s_ended", DType::kU8, 255);
    add("s_finite", DType::kU8, 255);
    add("s_text_hash", DType::kU8, 255, {32});
    add("s_refusal", DType::kU8, 255);
    add("s_opening", DType::kU8, 255, {64});
    add("s_first_token", DType::kI32, -1);
    for (const char* name :
         {"s_repetition", "s_first_entropy", "s_first_top1", "s_first_top5", "s_first_gini", "s_first_range"})
      add(name, DType::kF64, std::nan(""));
    add("s_block_last", DType::kF32, std::nan(""), {3, 3});
  }

  void add(const std::string& name, DType type, double fill, std::vector<std::uint64_t> inner = {}) {
    Field f;
    f.name = name;
    f.dtype = type;
    f.fill = fill;
    for (const std::uint64_t size : inner) f.inner.push_back({"axis", size, {}});
    fields.push_back(std::move(f));
  }

  // The engine gives state values 1, 2, ...; the second response is not finite.
  schedule::SlabSet run(std::size_t state_values = 4) {
    schedule::SlabSet slabs(fields, 2);
    PromptShard shard{suite, 0, 2, around, tokenizer, &scorer, 64, {}, engine_layers, 2};
    shard.tokens.mechanism_depth = 2;
    run_prompts(
        shard, fields,
        [&](std::span<const Request> requests) {
          seen.assign(requests.begin(), requests.end());
          std::vector<Response> out(2);
          for (std::size_t i = 0; i < state_values; ++i)
            out[0].state_last.push_back(static_cast<float>(i + 1));
          out[0].first = {7, 0.5, 0.75, 0.9, 0.25, 12};
          out[1].finite = false;
          return out;
        },
        slabs);
    return slabs;
  }

  Suite suite;
  FakeTokenizer tokenizer;
  RefusalScorer scorer = RefusalScorer::load("");
  PromptTemplate around = text_template("{prompt}");
  std::vector<int> engine_layers{0, 1};
  std::vector<Field> fields;
  std::vector<Request> seen;
};

TEST_F(MechanismInputs, AreAskedOfTheEngineAndStoredPaddedToTheField) {
  schedule::SlabSet slabs = run();
  EXPECT_TRUE(seen[0].first_token);
  EXPECT_TRUE(seen[0].capture_last);
  EXPECT_FALSE(seen[0].capture_all);
  const auto states = slabs.get<float>("block_last");
  EXPECT_EQ(states[0], 1.0F);
  EXPECT_EQ(states[1], 2.0F);
  EXPECT_TRUE(std::isnan(states[2]));
  EXPECT_EQ(states[3], 3.0F);
  EXPECT_EQ(states[4], 4.0F);
  EXPECT_TRUE(std::isnan(states[6])) << "a block that the model lacks";
  EXPECT_EQ(slabs.get<std::int32_t>("first_token")[0], 7);
  EXPECT_EQ(slabs.get<double>("first_entropy")[0], 0.5);
  EXPECT_EQ(slabs.get<double>("first_top1")[0], 0.75);
  EXPECT_EQ(slabs.get<double>("first_top5")[0], 0.9);
  EXPECT_EQ(slabs.get<double>("first_gini")[0], 0.25);
  EXPECT_EQ(slabs.get<double>("first_range")[0], 12.0);
}

TEST_F(MechanismInputs, OfAnAnswerThatIsNotFiniteStayUnset) {
  schedule::SlabSet slabs = run();
  EXPECT_EQ(slabs.get<std::int32_t>("first_token")[1], -1);
  EXPECT_TRUE(std::isnan(slabs.get<double>("first_entropy")[1]));
  for (std::size_t k = 9; k < 18; ++k) EXPECT_TRUE(std::isnan(slabs.get<float>("block_last")[k]));
}

TEST_F(MechanismInputs, ThatDoNotFitAreRefused) {
  EXPECT_THROW(run(3), Error);
  fields.back().inner[0].size = 1;
  EXPECT_THROW(run(), Error);
}

}  // namespace
}  // namespace brinkmap::worker
