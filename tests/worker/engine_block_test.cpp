#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <map>

#include "bench/random_llama.h"
#include "worker/engine.h"
#include "worker/engine_forward.h"

// Blocks one at a time over residual streams that the caller keeps, as calibration runs them.
namespace brinkmap::worker {
namespace {

std::shared_ptr<const Model> make_model() {
  const std::string path = testing::TempDir() + "block-" + std::to_string(::getpid()) + ".gguf";
  bench::RandomLlama random;
  random.layers = 3;
  random.write(path);
  kernels::ThreadPool pool(1);
  auto model = load_model(make_row(Checkpoint::open(path), "bf16", pool));
  std::filesystem::remove(path);
  return model;
}

const std::vector<std::int32_t> kTokens = {5, 9, 200, 31, 77, 4, 18, 250, 99, 3,
                                           4, 5, 6,   7,  8,  9, 10, 11,  12};

EngineOptions f32_options() {
  EngineOptions options;
  options.activations = kernels::ActivationBatch::Kind::kF32;
  options.capture_layers = {0, 1, 2};
  return options;
}

TEST(ForwardBlock, GivesTheStreamsOfTheEngineForSequencesSideBySide) {
  const auto model = make_model();
  kernels::ThreadPool pool(2);
  const std::vector<std::int64_t> lengths = {17, 2};
  std::vector<Request> requests(2);
  requests[0].prompt.assign(kTokens.begin(), kTokens.begin() + 17);
  requests[1].prompt.assign(kTokens.begin() + 17, kTokens.end());
  for (Request& r : requests) r.capture_last = true;
  const auto expected = Engine(model, f32_options(), pool).run(requests);

  Forward forward(model, f32_options(), pool);
  std::vector<float> x(kTokens.size() * 256);
  forward.embed(kTokens, x.data());
  for (int l = 0; l < 3; ++l) {
    forward.block(model->layers[static_cast<std::size_t>(l)], l, lengths, x.data(), {});
    const float* wanted[] = {expected[0].state_last.data() + l * 256,
                             expected[1].state_last.data() + l * 256};
    EXPECT_EQ(std::memcmp(x.data() + 16 * 256, wanted[0], 1024), 0) << l;
    EXPECT_EQ(std::memcmp(x.data() + 18 * 256, wanted[1], 1024), 0) << l;
  }
}

TEST(ForwardBlock, ShowsTheInputsOfItsLinearLayersAndWhatItsHalvesAdd) {
  const auto model = make_model();
  kernels::ThreadPool pool(1);
  Forward forward(model, f32_options(), pool);
  const std::vector<std::int64_t> lengths = {10, 9};
  std::vector<float> x(kTokens.size() * 256);
  forward.embed(kTokens, x.data());
  std::vector<float> whole = x, halves = x;
  std::map<Tap, std::vector<float>> seen;
  std::map<Tap, std::int64_t> cols;
  const See see = [&](Tap tap, const float* values, std::int64_t n, std::int64_t width) {
    EXPECT_EQ(n, 19);
    EXPECT_TRUE(seen.emplace(tap, std::vector<float>(values, values + n * width)).second);
    cols[tap] = width;
    return true;
  };
  const LayerWeights& w = model->layers[1];
  forward.block(w, 1, lengths, whole.data(), see);
  forward.block(w, 1, lengths, halves.data(), {}, BlockPart::kAttention);
  forward.block(w, 1, lengths, halves.data(), {}, BlockPart::kFeedForward);
  EXPECT_EQ(whole, halves);
  const std::map<Tap, std::int64_t> expected = {{Tap::kAttentionIn, 256},  {Tap::kMix, 256},
                                                {Tap::kAttentionOut, 256}, {Tap::kFeedIn, 256},
                                                {Tap::kDownIn, 512},       {Tap::kFeedOut, 256}};
  EXPECT_EQ(cols, expected);
  for (std::size_t i = 0; i < x.size(); ++i)
    EXPECT_EQ(x[i] + seen[Tap::kAttentionOut][i] + seen[Tap::kFeedOut][i], whole[i]);

  // The taps are what the layers were given: down's product of kDownIn is kFeedOut.
  kernels::ActivationBatch batch;
  batch.load(seen[Tap::kDownIn].data(), 19, 512, 512, kernels::ActivationBatch::Kind::kF32);
  std::vector<float> product(x.size());
  kernels::gemm(w.down.weight, batch, product.data(), 256, pool);
  EXPECT_EQ(product, seen[Tap::kFeedOut]);
}

TEST(ForwardBlock, EndsWhereTheViewerWantsAndLeavesTheStream) {
  const auto model = make_model();
  kernels::ThreadPool pool(1);
  Forward forward(model, f32_options(), pool);
  const std::vector<std::int64_t> lengths = {19};
  std::vector<float> x(kTokens.size() * 256);
  forward.embed(kTokens, x.data());
  const std::vector<float> before = x;
  for (Tap last :
       {Tap::kAttentionIn, Tap::kMix, Tap::kAttentionOut, Tap::kFeedIn, Tap::kDownIn, Tap::kFeedOut}) {
    Tap seen{};
    const See see = [&](Tap tap, const float*, std::int64_t, std::int64_t) {
      seen = tap;
      return tap != last;
    };
    forward.block(model->layers[0], 0, lengths, x.data(), see);
    EXPECT_EQ(seen, last);
    EXPECT_EQ(x, before);
  }
}

}  // namespace
}  // namespace brinkmap::worker
