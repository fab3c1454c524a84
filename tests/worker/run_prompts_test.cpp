#include "worker/run_prompts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "fake_tokenizer.h"
#include "schedule/error.h"

namespace brinkmap::worker {
namespace {

using schedule::Decision;
using schedule::DType;
using schedule::Field;
using schedule::SlabSet;
using schedule::SuiteKind;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Field field(const std::string& name, DType type, double fill, std::vector<std::uint64_t> inner = {}) {
  Field f;
  f.name = name;
  f.dtype = type;
  f.fill = fill;
  for (std::uint64_t size : inner) f.inner.push_back({"axis", size, {}});
  return f;
}

std::vector<Field> answer_fields() {
  return {field("s_tokens", DType::kI32, -1, {4}), field("s_token_count", DType::kI32, -1),
          field("s_ended", DType::kU8, 255), field("s_finite", DType::kU8, 255)};
}

// A shard over three items; the engine is replaced by a function from request number to response.
struct Shard {
  Suite suite;
  FakeTokenizer tokenizer;
  RefusalScorer scorer = RefusalScorer::load("");
  PromptTemplate around = text_template("<u>{prompt}<a>");
  std::vector<int> capture, engine_layers;
  std::int64_t context = 64, width = 2;
  std::vector<Request> seen;

  explicit Shard(SuiteKind kind, std::vector<std::string> prompts = {"one", "two", "three"}) {
    suite.spec.id = "s";
    suite.spec.kind = kind;
    suite.spec.max_new_tokens = 4;
    for (std::string& p : prompts) {
      SuiteItem item;
      item.id = "item-" + p.substr(0, 5);
      item.prompt = std::move(p);
      suite.items.push_back(item);
    }
  }

  SlabSet run(std::span<const Field> fields,
              const std::function<Response(const Request&, std::size_t)>& answer, std::uint32_t begin = 0) {
    const auto end = static_cast<std::uint32_t>(suite.items.size());
    SlabSet slabs(fields, end - begin);
    const PromptShard shard{suite,   begin,   end,     around,        tokenizer,
                            &scorer, context, capture, engine_layers, width};
    run_prompts(
        shard, fields,
        [&](std::span<const Request> requests) {
          seen.assign(requests.begin(), requests.end());
          std::vector<Response> responses;
          for (std::size_t i = 0; i < requests.size(); ++i) responses.push_back(answer(requests[i], i));
          return responses;
        },
        slabs);
    return slabs;
  }
};

Response says(const std::string& text) {
  Response r;
  for (char c : text) r.tokens.push_back(static_cast<unsigned char>(c));
  r.ended = true;
  return r;
}

TEST(RunPrompts, FillsRefusalSlabsForTheShardOnly) {
  Shard shard(SuiteKind::kRefusal);
  auto fields = answer_fields();
  fields.push_back(field("s_refusal", DType::kU8, 255));
  SlabSet slabs = shard.run(
      fields, [](const Request&, std::size_t i) { return says(i == 0 ? "" : "ok"); }, 1);
  ASSERT_EQ(shard.seen.size(), 2u);
  EXPECT_EQ(shard.seen[0].prompt, (std::vector<std::int32_t>{1002, 1000, 't', 'w', 'o', 1001}));
  EXPECT_EQ(shard.seen[0].max_new_tokens, 4);
  EXPECT_THAT(slabs.get<std::uint8_t>("refusal"), testing::ElementsAre(2, 0));
  EXPECT_THAT(slabs.get<std::int32_t>("tokens"), testing::ElementsAre(-1, -1, -1, -1, 'o', 'k', -1, -1));
  EXPECT_THAT(slabs.get<std::int32_t>("token_count"), testing::ElementsAre(0, 2));
  EXPECT_THAT(slabs.get<std::uint8_t>("ended"), testing::ElementsAre(1, 1));
  EXPECT_THAT(slabs.get<std::uint8_t>("finite"), testing::ElementsAre(1, 1));
}

TEST(RunPrompts, ABrokenAnswerIsNoRefusal) {
  Shard shard(SuiteKind::kRefusal, {"one"});
  auto fields = answer_fields();
  fields.push_back(field("s_refusal", DType::kU8, 255));
  SlabSet slabs = shard.run(fields, [](const Request&, std::size_t) {
    Response r;
    r.finite = false;
    return r;
  });
  EXPECT_EQ(slabs.get<std::uint8_t>("refusal")[0], 255);
  EXPECT_EQ(slabs.get<std::uint8_t>("finite")[0], 0);
}

std::vector<Field> decision_fields() {
  auto fields = answer_fields();
  fields.push_back(field("s_decision", DType::kU8, 255));
  fields.push_back(field("s_choice", DType::kU8, 255));
  fields.push_back(field("s_choice_log_prob", DType::kF64, kNan, {3}));
  fields.push_back(field("s_veto_margin", DType::kF64, kNan));
  return fields;
}

TEST(RunPrompts, FillsDecisionSlabs) {
  Shard shard(SuiteKind::kDecision);
  const std::vector<Field> fields = decision_fields();
  SlabSet slabs = shard.run(fields, [](const Request&, std::size_t i) {
    Response r = says(i == 0 ? "VETO" : "?");
    r.continuation_log_probs = i == 2   ? std::vector{-1.0, kNan, -2.0}
                               : i == 1 ? std::vector{-1.5, -1.5, -3.0}
                                        : std::vector{-5.0, -4.0, -0.5};
    return r;
  });
  EXPECT_THAT(slabs.get<std::uint8_t>("decision"), testing::ElementsAre(2, 3, 3));
  EXPECT_THAT(slabs.get<std::uint8_t>("choice"), testing::ElementsAre(2, 0, 3))
      << "ties to the lowest, NaN invalid";
  EXPECT_EQ(slabs.get<double>("veto_margin")[0], 4.5);
  EXPECT_EQ(slabs.get<double>("choice_log_prob")[5], -3.0);
  ASSERT_EQ(shard.seen[0].continuations.size(), 3u);
  EXPECT_EQ(shard.seen[0].continuations[2].score_from, 14);
}

TEST(RunPrompts, ABrokenDecisionIsInvalidNotApproved) {
  Shard shard(SuiteKind::kDecision, {"one"});
  shard.tokenizer = FakeTokenizer({"APPROVE"});
  const std::vector<Field> fields = decision_fields();
  SlabSet slabs = shard.run(fields, [](const Request&, std::size_t) {
    Response r;
    r.tokens = {256};
    r.finite = false;
    r.continuation_log_probs = {0.0, -1.0, -2.0};
    return r;
  });
  EXPECT_EQ(slabs.get<std::uint8_t>("decision")[0], 3);
  EXPECT_EQ(slabs.get<std::uint8_t>("choice")[0], 3);
}

TEST(RunPrompts, CopiesCapturedLayersToTheirSlots) {
  Shard shard(SuiteKind::kRefusal, {"one", "two"});
  shard.capture = {5, 2, 5};
  shard.engine_layers = {2, 5};
  auto fields = answer_fields();
  fields.push_back(field("s_refusal", DType::kU8, 255));
  fields.push_back(field("s_state_last", DType::kF32, kNan, {3, 3}));
  SlabSet slabs = shard.run(fields, [](const Request& request, std::size_t i) {
    EXPECT_TRUE(request.capture_last);
    EXPECT_FALSE(request.capture_mean);
    Response r = says("ok");
    const auto base = static_cast<float>(10 * i);
    r.state_last = {base + 1, base + 2, base + 3, base + 4};  // layers 2 and 5, width 2
    return r;
  });
  const auto states = slabs.get<float>("state_last");
  const std::vector<float> expected{3, 4, 1, 2, 3, 4, 13, 14, 11, 12, 13, 14};
  for (std::size_t slot = 0; slot < 6; ++slot) {
    EXPECT_EQ(states[slot * 3], expected[slot * 2]);
    EXPECT_EQ(states[slot * 3 + 1], expected[slot * 2 + 1]);
    EXPECT_TRUE(std::isnan(states[slot * 3 + 2])) << "wider than the model";
  }
}

TEST(RunPrompts, NamesAPromptThatDoesNotFit) {
  Shard shard(SuiteKind::kRefusal, {"short", std::string(60, 'x')});
  auto fields = answer_fields();
  fields.push_back(field("s_refusal", DType::kU8, 255));
  try {
    shard.run(fields, [](const Request&, std::size_t) { return says("ok"); });
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(),
                 "item-xxxxx: prompt of 63 tokens and 4 after it do not fit the model's context of 64");
  }
}

TEST(RunPrompts, AnEngineThatAnswersTooLittleIsAnError) {
  Shard shard(SuiteKind::kDecision, {"one"});
  EXPECT_THROW(shard.run(decision_fields(), [](const Request&, std::size_t) { return says("VETO"); }), Error);
}

TEST(RunPrompts, PerplexityCutsWindowsAndScoresAllButTheirFirstTokens) {
  Shard shard(SuiteKind::kPerplexity, {std::string(8, 'a'), "b", std::string(4, 'c')});
  shard.context = 4;
  const std::vector<Field> fields{field("s_token_count", DType::kI32, -1), field("s_nll", DType::kF64, kNan),
                                  field("s_finite", DType::kU8, 255)};
  SlabSet slabs = shard.run(fields, [](const Request& request, std::size_t) {
    EXPECT_TRUE(request.prompt_log_probs);
    Response r;
    r.prompt_log_probs.assign(request.prompt.size() - 1, -0.5f);
    return r;
  });
  // With BOS: 9 tokens = 4 + 4 + 1 (3 + 3 scored), 2 tokens (1), 5 = 4 + 1 (3).
  EXPECT_THAT(slabs.get<std::int32_t>("token_count"), testing::ElementsAre(6, 1, 3));
  EXPECT_THAT(slabs.get<double>("nll"), testing::ElementsAre(3.0, 0.5, 1.5));
  EXPECT_THAT(slabs.get<std::uint8_t>("finite"), testing::ElementsAre(1, 1, 1));
  ASSERT_EQ(shard.seen.size(), 4u);
  EXPECT_EQ(shard.seen[1].prompt, (std::vector<std::int32_t>{'a', 'a', 'a', 'a'}));
}

TEST(RunPrompts, ATextWithInfiniteLossIsMarked) {
  Shard shard(SuiteKind::kPerplexity, {"aa"});
  const std::vector<Field> fields{field("s_token_count", DType::kI32, -1), field("s_nll", DType::kF64, kNan),
                                  field("s_finite", DType::kU8, 255)};
  SlabSet slabs = shard.run(fields, [](const Request&, std::size_t) {
    Response r;
    r.prompt_log_probs = {-1.0f, -std::numeric_limits<float>::infinity()};
    return r;
  });
  EXPECT_EQ(slabs.get<std::uint8_t>("finite")[0], 0);
}

}  // namespace
}  // namespace brinkmap::worker
