#include "worker/first_token.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/worker/engine_requests.h"

namespace brinkmap::worker {
namespace {

FirstToken of(const std::vector<float>& logits) {
  const auto largest = std::max_element(logits.begin(), logits.end()) - logits.begin();
  return first_token(logits, static_cast<std::int32_t>(largest), kernels::active_isa());
}

TEST(FirstToken, OfEqualLogitsIsUniform) {
  const FirstToken f = of(std::vector<float>(8, 3.0F));
  EXPECT_EQ(f.token, 0);
  EXPECT_NEAR(f.entropy, std::log(8.0), 1e-12);
  EXPECT_EQ(f.top1, 1.0 / 8);
  EXPECT_EQ(f.top5, 5.0 / 8);
  EXPECT_EQ(f.gini, 7.0 / 8);
  EXPECT_EQ(f.range, 0.0);
}

TEST(FirstToken, HasTheFiguresOfProbabilitiesMadeByHand) {
  // Probabilities 0.1, 0.6, 0.3 in this order.
  const FirstToken f = of({0.0F, std::log(6.0F), std::log(3.0F)});
  EXPECT_EQ(f.token, 1);
  EXPECT_NEAR(f.entropy, -(0.1 * std::log(0.1) + 0.6 * std::log(0.6) + 0.3 * std::log(0.3)), 1e-6);
  EXPECT_NEAR(f.top1, 0.6, 1e-6);
  EXPECT_EQ(f.top5, 1.0);
  EXPECT_NEAR(f.gini, 1 - 0.36 - 0.09 - 0.01, 1e-6);
  EXPECT_NEAR(f.range, std::log(6.0), 1e-6);
}

TEST(FirstToken, OfACertainTokenHasNoEntropy) {
  const FirstToken f = of({-200.0F, 0.0F, -200.0F, -200.0F});
  EXPECT_EQ(f.entropy, 0.0);
  EXPECT_EQ(f.top1, 1.0);
  EXPECT_EQ(f.gini, 0.0);
  EXPECT_EQ(f.range, 200.0);
}

TEST(FirstToken, HasTheSameBitsOnEveryInstructionSet) {
  const kernels::RandomStream random{5, 1};
  std::vector<float> logits(1003);
  for (std::size_t i = 0; i < logits.size(); ++i)
    logits[i] = static_cast<float>(random.below(i, 10000)) / 500 - 10;
  const auto largest =
      static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  const FirstToken expected = first_token(logits, largest, kernels::Isa::kScalar);
  for (const kernels::Isa isa : kernels::supported_isas()) {
    const FirstToken f = first_token(logits, largest, isa);
    EXPECT_EQ(f.entropy, expected.entropy);
    EXPECT_EQ(f.top5, expected.top5);
    EXPECT_EQ(f.gini, expected.gini);
  }
}

TEST(FirstToken, OfTheEngineIsThatOfTheLogitsAfterThePromptWhateverTheBatch) {
  const auto model = make_model({});
  const EngineOptions options = options_with(Kind::kQ8);
  std::vector<Request> requests = mixed_requests();
  for (Request& r : requests) r.first_token = true;
  for (const bool share : {false, true}) {
    EngineOptions chosen = options;
    chosen.share_prefix = share;
    kernels::ThreadPool pool(2);
    Engine engine(model, chosen, pool);
    const std::vector<Response> responses = engine.run(requests);
    for (std::size_t i = 0; i < requests.size(); ++i) {
      const std::vector<float> all = engine.logits(requests[i].prompt);
      const std::size_t vocab = all.size() / requests[i].prompt.size();
      const FirstToken expected = of({all.end() - static_cast<std::ptrdiff_t>(vocab), all.end()});
      EXPECT_EQ(responses[i].first.token, expected.token) << i;
      EXPECT_EQ(responses[i].first.entropy, expected.entropy) << i;
      EXPECT_EQ(responses[i].first.top1, expected.top1) << i;
      EXPECT_EQ(responses[i].first.range, expected.range) << i;
    }
  }
}

TEST(FirstToken, IsNotComputedUnlessAskedForAndChangesNothingElse) {
  const auto model = make_model({});
  std::vector<Request> requests = mixed_requests();
  const std::vector<Response> plain = alone(model, options_with(Kind::kF32), requests);
  EXPECT_EQ(plain[0].first.token, -1);
  for (Request& r : requests) r.first_token = true;
  const std::vector<Response> asked = alone(model, options_with(Kind::kF32), requests);
  for (std::size_t i = 0; i < requests.size(); ++i)
    expect_same(plain[i], asked[i], "request " + std::to_string(i));
}

}  // namespace
}  // namespace brinkmap::worker
