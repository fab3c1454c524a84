#include "worker/baseline_answers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "fake_tokenizer.h"
#include "schedule/error.h"

namespace brinkmap::worker {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Answers {
  Suite suite;
  FakeTokenizer tokenizer;
  PromptTemplate around = text_template("{prompt}");
  std::vector<int> none;
  std::vector<schedule::Field> fields;
  std::vector<Request> again;  // of the second run

  Answers() {
    suite.spec.kind = schedule::SuiteKind::kRefusal;
    suite.spec.max_new_tokens = 4;
    suite.spec.baseline_tokens = 2;
    schedule::Field f;
    f.name = "s_baseline_log_prob";
    f.dtype = schedule::DType::kF64;
    f.fill = kNan;
    fields.push_back(f);
  }

  PromptShard shard() { return {suite, 0, 3, around, tokenizer, nullptr, 64, none, none, 1}; }

  // Log-probabilities of three answers, each request's last one.
  std::vector<double> store(const PromptShard& shard, const std::vector<Request>& requests,
                            const std::vector<Response>& responses) {
    schedule::SlabSet slabs(fields, 3);
    store_baseline_answers(
        shard, requests, responses,
        [&](std::span<const Request> asked) {
          again.assign(asked.begin(), asked.end());
          std::vector<Response> out(asked.size());
          for (std::size_t i = 0; i < out.size(); ++i)
            out[i].continuation_log_probs = {-1.0 - static_cast<double>(i)};
          return out;
        },
        slabs);
    const auto values = slabs.get<double>("baseline_log_prob");
    return {values.begin(), values.end()};
  }
};

std::vector<Request> three_requests() {
  std::vector<Request> requests(3);
  for (Request& r : requests) r.prompt = {1};
  return requests;
}

TEST(BaselineAnswers, AreScoredUpToTheirFirstTokens) {
  Answers a;
  const std::vector<std::int32_t> tokens{5, 6, 7, -1, 8, -1, -1, -1, -1, -1, -1, -1}, count{3, 1, 0};
  PromptShard shard = a.shard();
  shard.answers = BaselineAnswers{tokens, count};
  std::vector<Request> requests = three_requests();
  ask_baseline_answers(shard, requests);
  ASSERT_EQ(requests[0].continuations.size(), 1u);
  EXPECT_EQ(requests[0].continuations[0].tokens, (std::vector<std::int32_t>{5, 6}));
  EXPECT_EQ(requests[0].continuations[0].score_from, 0);
  EXPECT_EQ(requests[1].continuations[0].tokens, (std::vector<std::int32_t>{8}));
  EXPECT_TRUE(requests[2].continuations.empty()) << "an empty answer has no beginning";

  std::vector<Response> responses(3);
  responses[0].continuation_log_probs = {-0.5};
  responses[1].continuation_log_probs = {kNan};
  responses[1].finite = false;
  const std::vector<double> p = a.store(shard, requests, responses);
  EXPECT_EQ(p[0], -0.5);
  EXPECT_TRUE(std::isnan(p[1]));
  EXPECT_TRUE(std::isnan(p[2]));
  EXPECT_TRUE(a.again.empty()) << "only the baseline itself needs a second run";
}

TEST(BaselineAnswers, OfTheBaselineItselfAreScoredInASecondRun) {
  Answers a;
  const PromptShard shard = a.shard();
  std::vector<Request> requests = three_requests();
  ask_baseline_answers(shard, requests);
  EXPECT_TRUE(requests[0].continuations.empty());
  std::vector<Response> responses(3);
  responses[0].tokens = {5, 6, 7};
  responses[2].tokens = {9};
  const std::vector<double> p = a.store(shard, requests, responses);
  ASSERT_EQ(a.again.size(), 2u);
  EXPECT_EQ(a.again[0].continuations[0].tokens, (std::vector<std::int32_t>{5, 6}));
  EXPECT_EQ(a.again[0].max_new_tokens, 0);
  EXPECT_EQ(p[0], -1);
  EXPECT_TRUE(std::isnan(p[1]));
  EXPECT_EQ(p[2], -2);
}

TEST(BaselineAnswers, ThatFailedLeaveTheRowsOwnAnswersAlone) {
  Answers a;
  const std::vector<std::int32_t> tokens(12, -1), count(3, -1);
  PromptShard shard = a.shard();
  shard.answers = BaselineAnswers{tokens, count};
  std::vector<Request> requests = three_requests();
  ask_baseline_answers(shard, requests);
  EXPECT_TRUE(requests[0].continuations.empty());
}

TEST(BaselineAnswers, OfAnotherShapeAreRefused) {
  Answers a;
  const std::vector<std::int32_t> tokens(12, 3), short_tokens(8, 3), count{1, 2, 5};
  std::vector<Request> requests = three_requests();
  PromptShard shard = a.shard();
  shard.answers = BaselineAnswers{tokens, count};
  EXPECT_THROW(ask_baseline_answers(shard, requests), Error);
  shard.answers = BaselineAnswers{short_tokens, count};
  EXPECT_THROW(ask_baseline_answers(shard, requests), Error);
}

}  // namespace
}  // namespace brinkmap::worker
