#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/head_step.h"
#include "kernels/philox.h"
#include "worker/heads.h"

namespace brinkmap::worker {

// What a stream of random numbers is for; part of its key, so the order is fixed.
enum class HeadDraw : std::uint8_t { kInputWeight, kInputBias, kOutputWeight, kOutputBias, kOrder, kDropout };

// FNV-1a over the experiment id, the seed and the purpose, with the job's seed as the generator's key.
kernels::RandomStream head_stream(const HeadKey& key, HeadDraw purpose);

// One head with its optimiser state and scratch. All memory is taken in the constructor; a net is trained
// again with another seed after init(). Not for two threads at once.
class HeadNet {
 public:
  HeadNet(std::int64_t width, const schedule::ExperimentSpec& spec, kernels::Isa isa);

  // Weights and biases uniform in +-1/sqrt(fan in); moments and step count zero.
  void init(const HeadKey& key);

  // Forward, loss gradient, backward and AdamW for one batch of at most spec.batch items.
  void step(const HeadData& data, std::span<const std::uint32_t> items);

  // Class-weighted mean cross-entropy without dropout, f64 in item order; fills logits [items, 3] when not
  // empty.
  double evaluate(const HeadData& data, std::span<const std::uint32_t> items, std::span<float> logits);

  void keep_weights();     // remembers the weights as they are
  void restore_weights();  // brings the remembered ones back

 private:
  kernels::HeadShape load(const HeadData& data, std::span<const std::uint32_t> items);
  kernels::AdamStep next_adam();

  std::int64_t width_, hidden_, batch_;
  double dropout_, learning_rate_, weight_decay_;
  const kernels::HeadKernels& kernels_;
  std::int64_t inputs_, panels_;
  // Weights: input weights, input bias, output weights, output bias; moments alike; gradients from the bias
  // on.
  std::int64_t bias_at_, output_at_, output_bias_at_, size_;
  AlignedFloats weights_, first_, second_, kept_, gradient_;
  AlignedFloats packed_, z_, keep_, a_, slope_, logits_, d_logits_;
  std::vector<const float*> rows_;
  kernels::RandomStream dropout_stream_;
  std::uint64_t steps_ = 0;
  double beta1_power_ = 1, beta2_power_ = 1;
};

}  // namespace brinkmap::worker
