// Question: what does one seed of the decision heads cost, and how far is a training step from the time that
// OpenBLAS needs for its three products (input forward, input weight gradient, output) alone?
//
// Prints, for widths 256 and 2560 with hidden 256 and batch 64: seconds a seed (420 train, 90 validation and
// 90 test items, fixed number of epochs), microseconds a step, microseconds of the three products with one
// thread, and their ratio. bench/peer_heads_torch.py trains the same heads with PyTorch.
//
// Last answer (November 2026, Sapphire Rapids, AVX-512, 1 thread, machine shared with builds): a step takes
// 0.6 to 0.8 of the products' time with the core OpenBLAS chooses there (Haswell), 1.0 to 1.4 with
// OPENBLAS_CORETYPE=SkylakeX. A seed of 20 epochs takes 0.12 s at width 256 and 1.2 s at width 2560; PyTorch
// 2.15 took 1.0 s and 5.2 s beside it.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <vector>

#include "kernels/blas.h"
#include "kernels/philox.h"
#include "worker/heads.h"
#include "worker/heads_net.h"

namespace {

using namespace brinkmap;

constexpr int kItems = 600, kSeeds = 4, kEpochs = 20, kBatch = 64;

double seconds_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct Times {
  double best;
  double median;
};

// Seconds of one call, best and median of 15 rounds of `calls`.
Times measure(int calls, const std::function<void()>& work) {
  std::vector<double> rounds;
  for (int r = 0; r < 15; ++r)
    rounds.push_back(seconds_of([&] {
                       for (int i = 0; i < calls; ++i) work();
                     }) /
                     calls);
  std::sort(rounds.begin(), rounds.end());
  return {rounds.front(), rounds[rounds.size() / 2]};
}

worker::HeadData random_data(int width) {
  const kernels::RandomStream random{1, 1};
  std::vector<float> states(static_cast<std::size_t>(kItems * width));
  std::vector<std::uint8_t> labels;
  std::vector<schedule::Split> splits;
  for (std::size_t i = 0; i < kItems; ++i) {
    labels.push_back(static_cast<std::uint8_t>(i % 3));
    splits.push_back(i < 420   ? schedule::Split::kTrain
                     : i < 510 ? schedule::Split::kValidation
                               : schedule::Split::kTest);
  }
  for (std::size_t i = 0; i < states.size(); ++i) states[i] = static_cast<float>(random.normal(i));
  return worker::make_head_data(states, width, labels, splits);
}

Times products(int width, const schedule::ExperimentSpec& spec) {
  const std::int64_t d = width, h = spec.hidden, n = kBatch;
  std::vector<float> x(static_cast<std::size_t>(n * d), 0.5f), w(static_cast<std::size_t>(h * d), 0.5f);
  std::vector<float> dw(w), z(static_cast<std::size_t>(n * h), 0.5f),
      w2(static_cast<std::size_t>(3 * h), 0.5f);
  std::vector<float> logits(static_cast<std::size_t>(3 * n));
  return measure(5, [&] {
    kernels::sgemm(false, true, n, h, d, 1, x.data(), d, w.data(), d, 0, z.data(), h);
    kernels::sgemm(false, true, n, 3, h, 1, z.data(), h, w2.data(), h, 0, logits.data(), 3);
    kernels::sgemm(true, false, h, d, n, 1, z.data(), h, x.data(), d, 0, dw.data(), d);
  });
}

void run(int width, int threads) {
  schedule::ExperimentSpec spec;
  spec.id = "bench";
  spec.max_epochs = kEpochs;
  spec.patience = kEpochs;
  const worker::HeadData data = random_data(width);

  worker::HeadNet net(width, spec, kernels::active_isa());
  net.init({1, spec.id, 0});
  const Times step = measure(7, [&, at = 0]() mutable {
    net.step(data, std::span(data.train).subspan(static_cast<std::size_t>(at), kBatch));
    at = (at + kBatch) % 320;
  });
  const Times blas = products(width, spec);

  kernels::ThreadPool pool(threads);
  const double seconds = seconds_of([&] { worker::train_heads(data, spec, 1, 0, kSeeds, pool); }) / kSeeds;
  fmt::print(
      "width {:5}: {:7.1f} ms a seed ({} epochs, {} threads), step {:6.0f} us best {:6.0f} median, products "
      "{:6.0f} best "
      "{:6.0f} median, ratio {:.2f} best {:.2f} median\n",
      width, seconds * 1e3, kEpochs, threads, step.best * 1e6, step.median * 1e6, blas.best * 1e6,
      blas.median * 1e6, step.best / blas.best, step.median / blas.median);
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::max(1, std::atoi(argv[1])) : 1;
  kernels::pin_blas();
  fmt::print("instruction set {}, OpenBLAS core {}\n", kernels::isa_name(kernels::active_isa()),
             kernels::blas_core());
  for (int width : {256, 2560}) run(width, threads);
}
