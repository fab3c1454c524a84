#include "worker/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "schedule/error.h"
#include "tests/worker/engine_requests.h"

namespace brinkmap::worker {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class EveryRecipe : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Engine, EveryRecipe,
                         testing::Values("bf16", "f16", "q8_0", "q6_k", "q5_k_m", "q4_k_m", "q3_k_s",
                                         "q2_k"));

TEST_P(EveryRecipe, GivesTheSameBitsAloneInABatchInChunksAndOnThreads) {
  const auto model = make_model({}, GetParam());
  const auto requests = mixed_requests();
  const auto base = options_with(Kind::kQ8);
  const auto expected = alone(model, base, requests);
  expect_same_in_every_setting(model, base, requests, expected);
}

TEST(Engine, GivesTheSameBitsWithF32ActivationsHalfCachesAndWindows) {
  bench::RandomLlama random;
  random.window = 19;
  random.head_dim = 40;
  random.tied = true;
  const auto model = make_model(random, "q4_k_m");
  const auto requests = mixed_requests();
  for (Kind kind : {Kind::kF32, Kind::kQ8})
    for (kernels::KvType kv : {kernels::KvType::kF32, kernels::KvType::kF16}) {
      auto options = options_with(kind, kv);
      const auto expected = alone(model, options, requests);
      options.max_batch_tokens = 50;
      kernels::ThreadPool pool(3);
      Engine engine(model, options, pool);
      const auto found = engine.run(requests);
      for (std::size_t i = 0; i < requests.size(); ++i) expect_same(expected[i], found[i], std::to_string(i));
      const auto again = engine.run(requests);  // with used caches
      for (std::size_t i = 0; i < requests.size(); ++i) expect_same(expected[i], again[i], std::to_string(i));
    }
}

TEST(Engine, GivesTheSameBitsOnEveryInstructionSet) {
  const auto model = make_model({}, "q8_0");
  const auto requests = mixed_requests();
  kernels::ThreadPool pool(2);
  std::vector<Response> expected;
  for (kernels::Isa isa : kernels::supported_isas()) {
    auto options = options_with(Kind::kQ8);
    options.isa = isa;
    Engine engine(model, options, pool);
    const auto found = engine.run(requests);
    if (expected.empty()) expected = found;
    for (std::size_t i = 0; i < requests.size(); ++i)
      expect_same(expected[i], found[i],
                  std::string(kernels::isa_name(isa)) + " request " + std::to_string(i));
  }
}

TEST(Engine, TheMeanStateOfOneTokenIsItsLastStateAndLongerMeansAreMeans) {
  const auto model = make_model({});
  const auto options = options_with(Kind::kQ8);
  kernels::ThreadPool pool(1);
  Engine engine(model, options, pool);
  const Tokens prompt = random_tokens(12, 5);
  std::vector<Request> requests;
  for (std::size_t n = 1; n <= prompt.size(); ++n) {
    Request r;
    r.prompt.assign(prompt.begin(), prompt.begin() + static_cast<std::ptrdiff_t>(n));
    r.capture_last = r.capture_mean = true;
    requests.push_back(r);
  }
  const auto found = engine.run(requests);
  const std::size_t floats = 2 * 256;
  ASSERT_EQ(found[0].state_last.size(), floats);
  EXPECT_EQ(found[0].state_last, found[0].state_mean);
  // A causal model's state of token t is the last state of the prompt cut after t.
  for (std::size_t d = 0; d < floats; ++d) {
    double sum = 0;
    for (const Response& r : found) sum += static_cast<double>(r.state_last[d]);
    EXPECT_EQ(found.back().state_mean[d], static_cast<float>(sum / 12));
  }
}

TEST(Engine, StopsAboveTheHighestCapturedBlockWhenNothingNeedsLogits) {
  bench::RandomLlama random;
  random.layers = 4;
  const auto model = make_model(random);
  auto broken = std::make_shared<Model>();
  broken->config = model->config;
  broken->row = model->row;
  broken->embedding = model->embedding;
  broken->layers = model->layers;
  // Without weights above block 1, computing them would crash.
  broken->layers[2] = {};
  broken->layers[3] = {};
  auto options = options_with(Kind::kQ8);
  kernels::ThreadPool pool(2);
  auto requests = mixed_requests();
  for (Request& r : requests) {
    r.max_new_tokens = 0;
    r.continuations.clear();
    r.prompt_log_probs = false;
  }
  Engine whole(model, options, pool), cut(broken, options, pool);
  const auto expected = whole.run(requests);
  const auto found = cut.run(requests);
  for (std::size_t i = 0; i < requests.size(); ++i) expect_same(expected[i], found[i], std::to_string(i));
  EXPECT_FALSE(found[0].state_last.empty());
}

TEST(Engine, ComputesTheSharedPrefixOnce) {
  const auto model = make_model({});
  kernels::ThreadPool pool(1);
  std::vector<Request> requests(5);
  const Tokens common = random_tokens(50, 9);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    requests[i].prompt = common;
    requests[i].prompt.push_back(static_cast<std::int32_t>(i));
    requests[i].max_new_tokens = 1;
  }
  Engine sharing(model, options_with(Kind::kQ8), pool);
  sharing.run(requests);
  EXPECT_EQ(sharing.tokens_computed(), 50u + 5u);
  auto options = options_with(Kind::kQ8);
  options.share_prefix = false;
  Engine apart(model, options, pool);
  apart.run(requests);
  EXPECT_EQ(apart.tokens_computed(), 5u * 51u);
}

TEST(Engine, ScoresContinuationsFromThePromptsCacheAndSharesTheirBeginnings) {
  const auto model = make_model({});
  kernels::ThreadPool pool(1);
  Request r;
  r.prompt = random_tokens(30, 3);
  r.continuations = {{{1, 2, 3, 4}, 0}, {{1, 2, 9}, 0}, {{1, 2, 3, 5}, 0}, {{8}, 0}};
  Engine engine(model, options_with(Kind::kQ8), pool);
  engine.run(std::span(&r, 1));
  EXPECT_EQ(engine.tokens_computed(), 30u + 3u);  // 1, 2, 3: nothing else has a scored successor
}

TEST(Engine, UsesFewerSlotsWhenCachesAreScarceAndRefusesWhatCannotFit) {
  const auto model = make_model({});
  const auto requests = mixed_requests();
  auto options = options_with(Kind::kQ8);
  const auto expected = alone(model, options, requests);
  // 2 layers, keys and values, 2 heads of 64: 2 KiB a position; the longest request has 98 positions.
  options.cache_bytes = 2048 * 128;
  kernels::ThreadPool pool(1);
  Engine tight(model, options, pool);
  const auto found = tight.run(requests);
  for (std::size_t i = 0; i < requests.size(); ++i) expect_same(expected[i], found[i], std::to_string(i));
  options.cache_bytes = 2048 * 64;
  Engine hopeless(model, options, pool);
  try {
    hopeless.run(requests);
    FAIL() << "no error";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("request 5"), HasSubstr("bytes of cache")));
  }
  Request small;
  small.prompt = {1, 2, 3};
  small.max_new_tokens = 2;
  EXPECT_EQ(hopeless.run(std::span(&small, 1))[0].tokens.size(), 2u) << "usable after an error";
}

TEST(Engine, ReportsLogitsThatAreNotFiniteAndStopsThere) {
  bench::RandomLlama random;
  random.output_gain = 1e38f;
  const auto model = make_model(random, "bf16");
  auto options = options_with(Kind::kF32);
  auto requests = mixed_requests();
  const auto expected = alone(model, options, requests);
  kernels::ThreadPool pool(2);
  options.max_batch_tokens = 13;
  Engine engine(model, options, pool);
  const auto found = engine.run(requests);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    expect_same(expected[i], found[i], std::to_string(i));
    const bool wants = requests[i].max_new_tokens > 0 || !requests[i].continuations.empty();
    EXPECT_EQ(found[i].finite, !wants && !requests[i].prompt_log_probs) << i;
    EXPECT_TRUE(found[i].tokens.empty());
    for (double x : found[i].continuation_log_probs) EXPECT_TRUE(std::isnan(x));
  }
}

TEST(Engine, RefusesRequestsThatDoNotFitTheModel) {
  const auto model = make_model({});
  kernels::ThreadPool pool(1);
  Engine engine(model, options_with(Kind::kQ8), pool);
  const auto refusal = [&](const Request& r) -> std::string {
    std::vector<Request> both(2);
    both[0].prompt = {1};
    both[1] = r;
    try {
      engine.run(both);
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  };
  Request r;
  EXPECT_THAT(refusal(r), AllOf(HasSubstr("request 2"), HasSubstr("no tokens")));
  r.prompt = {1, 300};
  EXPECT_THAT(refusal(r), HasSubstr("token 300 is not in the vocabulary of 300"));
  r.prompt = {1, -1};
  EXPECT_THAT(refusal(r), HasSubstr("token -1"));
  r.prompt.assign(250, 1);
  r.max_new_tokens = 7;
  EXPECT_THAT(refusal(r), AllOf(HasSubstr("257"), HasSubstr("256")));
  r.max_new_tokens = 0;
  r.continuations = {{{1, 2}, 3}};
  EXPECT_THAT(refusal(r), HasSubstr("score_from 3"));
  r.continuations = {{{1, 999}, 0}};
  EXPECT_THAT(refusal(r), HasSubstr("token 999"));
}

TEST(Engine, RefusesOptionsThatMakeNoSense) {
  const auto model = make_model({});
  kernels::ThreadPool pool(1);
  auto options = options_with(Kind::kQ8);
  options.capture_layers = {1, 0};
  EXPECT_THROW(Engine(model, options, pool), Error);
  options.capture_layers = {2};
  EXPECT_THROW(Engine(model, options, pool), Error);
  options.capture_layers = {};
  options.max_batch_tokens = 0;
  EXPECT_THROW(Engine(model, options, pool), Error);
}

}  // namespace
}  // namespace brinkmap::worker
