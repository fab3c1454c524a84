#include "worker/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "bench/random_llama.h"
#include "schedule/error.h"
#include "tests/worker/tiny_models.h"

namespace brinkmap::worker {
namespace {

using Kind = kernels::ActivationBatch::Kind;
using testing::AllOf;
using testing::HasSubstr;
using Tokens = std::vector<std::int32_t>;

// Writes the model, reads it as a row, and removes the file.
template <class Random>
std::shared_ptr<const Model> write_and_load(Random random, const std::string& recipe) {
  const std::string path = testing::TempDir() + "engine-" + std::to_string(::getpid()) + ".gguf";
  random.write(path);
  kernels::ThreadPool pool(1);
  auto model = load_model(make_row(Checkpoint::open(path), recipe, pool));
  std::filesystem::remove(path);
  return model;
}

std::shared_ptr<const Model> make_model(const bench::RandomLlama& random,
                                        const std::string& recipe = "bf16") {
  return write_and_load(random, recipe);
}

Tokens random_tokens(std::size_t n, std::uint64_t seed) {
  const kernels::RandomStream random{seed, 7};
  Tokens out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<std::int32_t>(random.below(i, 300));
  return out;
}

// Prompts of many lengths that begin alike, every kind of wish among them.
std::vector<Request> mixed_requests() {
  const Tokens common = random_tokens(21, 1);
  std::vector<Request> out;
  const std::size_t lengths[] = {3, 40, 1, 17, 64, 9, 2, 30, 5, 11};
  for (std::size_t i = 0; i < std::size(lengths); ++i) {
    Request r;
    r.prompt = common;
    const Tokens rest = random_tokens(lengths[i], 100 + i);
    r.prompt.insert(r.prompt.end(), rest.begin(), rest.end());
    if (i % 3 != 2) r.max_new_tokens = static_cast<std::int32_t>(1 + 3 * i);
    if (i % 2 == 0) {
      const Tokens a = random_tokens(4, 200 + i);
      r.continuations = {{a, 0}, {{a[0], a[1], 5}, 1}, {{a[0]}, 0}, {random_tokens(7, 300), 3}, {a, 2},
                         {{}, 0}};
    }
    r.prompt_log_probs = i % 4 == 1;
    r.capture_last = i % 3 == 0;
    r.capture_mean = i % 5 < 2;
    out.push_back(r);
  }
  return out;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

void expect_same(const Response& a, const Response& b, const std::string& what) {
  EXPECT_EQ(a.tokens, b.tokens) << what;
  EXPECT_EQ(a.ended, b.ended) << what;
  EXPECT_EQ(a.finite, b.finite) << what;
  EXPECT_TRUE(same_bits(a.continuation_log_probs, b.continuation_log_probs)) << what;
  EXPECT_TRUE(same_bits(a.prompt_log_probs, b.prompt_log_probs)) << what;
  EXPECT_TRUE(same_bits(a.state_last, b.state_last)) << what;
  EXPECT_TRUE(same_bits(a.state_mean, b.state_mean)) << what;
}

EngineOptions options_with(Kind activations, kernels::KvType kv = kernels::KvType::kF32) {
  EngineOptions options;
  options.activations = activations;
  options.kv = kv;
  options.capture_layers = {0, 1};
  options.end_tokens = {17, 40, 99, 211};
  return options;
}

std::vector<Response> alone(const std::shared_ptr<const Model>& model, const EngineOptions& options,
                            const std::vector<Request>& requests) {
  kernels::ThreadPool pool(1);
  std::vector<Response> out;
  for (const Request& r : requests) {
    Engine engine(model, options, pool);
    out.push_back(engine.run(std::span(&r, 1))[0]);
  }
  return out;
}

// Batches cut small and large, few and many slots, threads, with and without the shared prefix.
void expect_same_in_every_setting(const std::shared_ptr<const Model>& model, const EngineOptions& base,
                                  const std::vector<Request>& requests,
                                  const std::vector<Response>& expected) {
  const struct {
    std::int64_t batch, slots;
    int threads;
    bool share;
  } settings[] = {
      {512, 64, 1, true}, {512, 64, 3, false}, {7, 64, 2, true}, {33, 3, 1, true}, {1, 2, 1, false}};
  for (const auto& s : settings) {
    auto options = base;
    options.max_batch_tokens = s.batch;
    options.max_slots = s.slots;
    options.share_prefix = s.share;
    kernels::ThreadPool pool(s.threads);
    Engine engine(model, options, pool);
    const auto found = engine.run(requests);
    for (std::size_t i = 0; i < requests.size(); ++i)
      expect_same(expected[i], found[i],
                  "request " + std::to_string(i) + " batch " + std::to_string(s.batch));
  }
}

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

class EveryFamily : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Engine, EveryFamily, testing::ValuesIn(tests::kFamilies));

TEST_P(EveryFamily, GivesTheSameBitsAloneInABatchInChunksAndOnThreads) {
  const auto model = write_and_load(tests::TinyModel(GetParam()), "q6_k");
  const auto requests = mixed_requests();
  const auto base = options_with(Kind::kQ8, kernels::KvType::kF16);
  expect_same_in_every_setting(model, base, requests, alone(model, base, requests));
}

TEST_P(EveryFamily, GivesTheSameBitsOnEveryInstructionSet) {
  const auto model = write_and_load(tests::TinyModel(GetParam()), "q8_0");
  auto requests = mixed_requests();
  requests.resize(3);
  kernels::ThreadPool pool(2);
  std::vector<Response> expected;
  for (kernels::Isa isa : kernels::supported_isas()) {
    auto options = options_with(Kind::kQ8);
    options.isa = isa;
    const auto found = Engine(model, options, pool).run(requests);
    if (expected.empty()) expected = found;
    for (std::size_t i = 0; i < requests.size(); ++i)
      expect_same(expected[i], found[i],
                  std::string(kernels::isa_name(isa)) + " request " + std::to_string(i));
  }
}

TEST_P(EveryFamily, CapturesTheSameStatesWhenTheBlocksAboveAreNotComputed) {
  const auto model = write_and_load(tests::TinyModel(GetParam()), "bf16");
  auto requests = mixed_requests();
  auto options = options_with(Kind::kF32);
  options.max_batch_tokens = 29;
  kernels::ThreadPool pool(2);
  for (int layer = 0; layer < model->config.layers; ++layer) {
    options.capture_layers = {layer};
    const auto whole = Engine(model, options, pool).run(requests);
    auto only_states = requests;
    for (Request& r : only_states) {
      r.max_new_tokens = 0;
      r.continuations.clear();
      r.prompt_log_probs = false;
    }
    const auto cut = Engine(model, options, pool).run(only_states);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      EXPECT_TRUE(same_bits(whole[i].state_last, cut[i].state_last)) << layer << " " << i;
      EXPECT_TRUE(same_bits(whole[i].state_mean, cut[i].state_mean)) << layer << " " << i;
    }
  }
}

// The slow way: every step from the logits of the whole sequence so far.
double naive_log_probability(const float* logits, int vocab, std::int32_t token) {
  double top = -1e300, sum = 0;
  for (int i = 0; i < vocab; ++i) top = std::max(top, static_cast<double>(logits[i]));
  for (int i = 0; i < vocab; ++i) sum += std::exp(static_cast<double>(logits[i]) - top);
  return static_cast<double>(logits[token]) - top - std::log(sum);
}

TEST_P(EveryFamily, GeneratesAndScoresWhatTheLogitsSay) {
  const auto model = write_and_load(tests::TinyModel(GetParam()), "q6_k");
  const int vocab = model->config.vocab;
  const auto requests = mixed_requests();
  auto options = options_with(Kind::kQ8);
  options.end_tokens.clear();
  for (int token = 1; token < vocab; token += 5) options.end_tokens.push_back(token);
  kernels::ThreadPool pool(2);
  Engine engine(model, options, pool);
  const auto found = engine.run(requests);
  int ended = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const Request& r = requests[i];
    const Response& response = found[i];
    EXPECT_TRUE(response.finite);
    Tokens sequence = r.prompt;
    Tokens generated;
    bool end = false;
    while (generated.size() < static_cast<std::size_t>(r.max_new_tokens)) {
      const auto logits = engine.logits(sequence);
      const float* row = logits.data() + (sequence.size() - 1) * static_cast<std::size_t>(vocab);
      const auto token = static_cast<std::int32_t>(std::max_element(row, row + vocab) - row);
      if ((end = std::count(options.end_tokens.begin(), options.end_tokens.end(), token) > 0)) break;
      generated.push_back(token);
      sequence.push_back(token);
    }
    EXPECT_EQ(response.tokens, generated) << i;
    EXPECT_EQ(response.ended, end) << i;
    ended += end;
    ASSERT_EQ(response.continuation_log_probs.size(), r.continuations.size());
    for (std::size_t c = 0; c < r.continuations.size(); ++c) {
      Tokens whole = r.prompt;
      const Continuation& continuation = r.continuations[c];
      whole.insert(whole.end(), continuation.tokens.begin(), continuation.tokens.end());
      const auto logits = engine.logits(whole);
      double expected = 0;
      for (std::size_t t = static_cast<std::size_t>(continuation.score_from); t < continuation.tokens.size();
           ++t)
        expected +=
            naive_log_probability(logits.data() + (r.prompt.size() + t - 1) * static_cast<std::size_t>(vocab),
                                  vocab, continuation.tokens[t]);
      EXPECT_NEAR(response.continuation_log_probs[c], expected, 1e-5) << i << " continuation " << c;
    }
    if (!r.prompt_log_probs) {
      EXPECT_TRUE(response.prompt_log_probs.empty());
      continue;
    }
    ASSERT_EQ(response.prompt_log_probs.size(), r.prompt.size() - 1);
    const auto logits = engine.logits(r.prompt);
    for (std::size_t t = 0; t + 1 < r.prompt.size(); ++t)
      EXPECT_NEAR(
          static_cast<double>(response.prompt_log_probs[t]),
          naive_log_probability(logits.data() + t * static_cast<std::size_t>(vocab), vocab, r.prompt[t + 1]),
          1e-5)
          << i << " token " << t;
  }
  EXPECT_GT(ended, 0) << "no request ended: choose other end tokens";
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
