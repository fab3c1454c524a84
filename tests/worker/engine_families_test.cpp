#include <algorithm>
#include <cmath>

#include "tests/worker/engine_requests.h"
#include "tests/worker/tiny_models.h"

// One tiny model of every family through the engine.
namespace brinkmap::worker {
namespace {

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

}  // namespace
}  // namespace brinkmap::worker
