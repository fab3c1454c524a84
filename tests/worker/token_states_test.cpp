#include "worker/token_states.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "schedule/error.h"
#include "tests/worker/fake_tokenizer.h"
#include "worker/evidence_lines.h"

namespace brinkmap::worker {
namespace {

using schedule::DType;
using schedule::Field;

constexpr std::int64_t kWidth = 2;

Field field(const std::string& name, DType dtype, std::vector<std::uint64_t> inner) {
  Field f;
  f.name = "s_" + name;
  f.dtype = dtype;
  f.fill = dtype == DType::kI32 ? -1 : std::numeric_limits<double>::quiet_NaN();
  for (const std::uint64_t size : inner) f.inner.push_back({"axis", size, {}});
  return f;
}

// Two lines at most, three span tokens at most, two blocks; one column more than the model has.
std::vector<Field> fields() {
  return {field("span_token", DType::kF32, {1, 3, 3}), field("span_offset", DType::kI32, {3}),
          field("prompt_token_count", DType::kI32, {}), field("span_mean", DType::kF32, {2, 2, 3})};
}

// A prompt of five tokens with lines [1, 2) and [2, 4).
EvidencePrompt prompt() { return {{1, 2, 3, 4, 5}, {{1, 2}, {2, 4}}}; }

// The state of token t behind block b is (10 b + t, -t).
Response response() {
  Response r;
  for (int b = 0; b < 2; ++b)
    for (int t = 0; t < 5; ++t) r.state_all.insert(r.state_all.end(), {10.0F * b + t, -1.0F * t});
  return r;
}

struct Shard {
  Suite suite;
  PromptTemplate around;
  FakeTokenizer tokenizer;
  std::vector<int> layers{0, 1};

  Shard() {
    suite.items.resize(1);
    suite.items[0].id = "first";
    suite.items[0].evidence.resize(2);
  }
  schedule::SlabSet store(const std::vector<Field>& f, const Response& r) const {
    PromptShard shard{suite, 0, 1, around, tokenizer, nullptr, 64, layers, layers, kWidth};
    shard.tokens = {{1}, true};
    schedule::SlabSet slabs(f, 1);
    store_token_states(shard, f, prompt(), r, 0, slabs);
    return slabs;
  }
};

TEST(TokenStates, ComeBackWithoutPadding) {
  const Shard shard;
  const auto f = fields();
  schedule::SlabSet slabs = shard.store(f, response());
  EXPECT_THAT(slabs.get<std::int32_t>("span_offset"), testing::ElementsAre(0, 1, 3));
  EXPECT_EQ(slabs.get<std::int32_t>("prompt_token_count")[0], 5);
  // As a reading of the model's width gives it.
  const auto stored = slabs.get<float>("span_token");
  std::vector<float> read;
  for (std::size_t t = 0; t < 3; ++t) read.insert(read.end(), {stored[3 * t], stored[3 * t + 1]});
  const SuiteSpans spans = unpack_spans(shard.suite, read, slabs.get<std::int32_t>("span_offset"), kWidth);
  EXPECT_THAT(spans.states, testing::ElementsAre(11, -1, 12, -2, 13, -3));
  EXPECT_THAT(spans.offsets, testing::ElementsAre(0, 1, 3));
  EXPECT_THAT(spans.first, testing::ElementsAre(0, 2));
}

TEST(TokenStates, GiveTheMeanOfALineBehindEveryBlock) {
  const Shard shard;
  const auto f = fields();
  schedule::SlabSet slabs = shard.store(f, response());
  const auto mean = slabs.get<float>("span_mean");
  EXPECT_EQ(mean[0], 1.0F);
  EXPECT_EQ(mean[3], 11.0F);
  EXPECT_EQ(mean[6], 2.5F);
  EXPECT_EQ(mean[7], -2.5F);
  // As a reading of one block and the model's width gives them.
  const std::vector<float> read{mean[3], mean[4], mean[9], mean[10]};
  const SuiteMeans lines = unpack_means(shard.suite, read, slabs.get<std::int32_t>("span_offset"), kWidth);
  EXPECT_THAT(lines.means, testing::ElementsAre(11, -1, 12.5, -2.5));
  EXPECT_THAT(lines.tokens, testing::ElementsAre(1, 2));
  EXPECT_THAT(lines.first, testing::ElementsAre(0, 2));
}

TEST(TokenStates, ThatAreMissingNameTheirItem) {
  const Shard shard;
  const std::vector<std::int32_t> offsets{0, 1, 3};
  std::vector<float> states{1, 2, 3, 4, 5, std::numeric_limits<float>::quiet_NaN()};
  const auto reason = [&](auto unpack) -> std::string {
    try {
      unpack();
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_THAT(reason([&] { unpack_spans(shard.suite, states, offsets, kWidth); }),
              testing::HasSubstr("item first"));
  states[3] = states[5];
  EXPECT_THAT(reason([&] { unpack_means(shard.suite, std::span(states).first(4), offsets, kWidth); }),
              testing::HasSubstr("_state_status"));
}

TEST(TokenStates, OfABrokenResponseStayUnsetAndAreRefusedLater) {
  const Shard shard;
  const auto f = fields();
  Response broken = response();
  broken.finite = false;
  schedule::SlabSet slabs = shard.store(f, broken);
  EXPECT_EQ(slabs.get<std::int32_t>("prompt_token_count")[0], -1);
  EXPECT_THROW(
      unpack_spans(shard.suite, std::vector<float>(6), slabs.get<std::int32_t>("span_offset"), kWidth),
      Error);
}

TEST(TokenStates, ThatDoNotFitTheirFieldAreRefused) {
  const Shard shard;
  auto f = fields();
  f[0].inner[1].size = 2;
  EXPECT_THROW(shard.store(f, response()), Error);
  Response few = response();
  few.state_all.pop_back();
  EXPECT_THROW(shard.store(fields(), few), Error);
}

Suite suite_with(const std::string& evidence) {
  schedule::SuiteSpec spec;
  spec.id = "d";
  spec.file = "d.jsonl";
  spec.kind = schedule::SuiteKind::kDecision;
  return parse_suite(spec,
                     R"({"id": "a", "prompt": "p", "label": "VETO", "split": "train", "action_group": "g", )"
                     R"("evidence": )" +
                         evidence + "}");
}

TEST(EvidenceLines, AreReadInOrder) {
  const Suite suite = suite_with(R"([{"label": "other", "statement": "x", "cited": false}, )"
                                 R"({"label": "harm", "statement": "y", "cited": true}])");
  EXPECT_EQ(statements(suite.items[0]), (std::vector<std::string>{"x", "y"}));
  const auto facts = evidence_facts(suite);
  EXPECT_EQ(facts[0][0].label, 3);
  EXPECT_EQ(facts[0][0].cited, 0);
  EXPECT_EQ(facts[0][1].label, 0);
  EXPECT_EQ(facts[0][1].cited, 1);
}

TEST(EvidenceLines, ThatAreBrokenAreRefused) {
  for (const char* bad : {"[]", "3", "[3]", R"([{"label": "harm", "statement": "x"}])",
                          R"([{"label": "evil", "statement": "x", "cited": true}])",
                          R"([{"label": "harm", "statement": "", "cited": true}])",
                          R"([{"label": "harm", "statement": "x\ny", "cited": true}])",
                          R"([{"label": "harm", "statement": "x", "cited": 1}])"})
    EXPECT_THROW(suite_with(bad), InputError) << bad;
}

}  // namespace
}  // namespace brinkmap::worker
