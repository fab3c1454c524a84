#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "kernels/attention.h"
#include "kernels/gemm.h"
#include "kernels/ops.h"
#include "worker/engine.h"
#include "worker/engine_cache.h"

namespace brinkmap::worker {

// The new tokens of one sequence in one pass.
struct PassSequence {
  const SequenceCache* prefix = nullptr;  // shared positions [0, prefix_length); null when none
  std::int64_t prefix_length = 0;         // a multiple of kernels::kKvBlock
  const SequenceCache* own = nullptr;     // positions from prefix_length on
  std::int64_t held = 0;                  // positions in `own` before this pass
  std::span<const std::int32_t> tokens;   // not empty
  std::int64_t needed = 0;  // how many of its last rows are wanted after the last block; the others stop at
                            // their keys and values there
  // Set by the pass: the sequence's rows in what the pass shows are [first_row, first_row + rows), its last
  // ones.
  std::int64_t first_row = 0;
  std::int64_t rows = 0;
};

// A row of logits and what everyone wants to know of it.
struct LogitRow {
  const float* logits = nullptr;  // [vocab]
  kernels::Largest largest;
  double log_sum = 0;  // log-probability of token i = logits[i] - log_sum

  double log_probability(std::int32_t token) const { return static_cast<double>(logits[token]) - log_sum; }
};

// Computes transformer blocks over the ragged rows of many sequences. Buffers grow to the largest pass and
// stay.
class Forward {
 public:
  Forward(std::shared_ptr<const Model> model, const EngineOptions& options, kernels::ThreadPool& pool);

  const kernels::AttentionShape& shape() const noexcept { return shape_; }

  // Call before a pass that reaches position `positions` - 1.
  void reserve_positions(std::int64_t positions);

  // Shows x[rows, width], the residual stream after block `layer`.
  using Capture = std::function<void(int layer, const float* x)>;

  // Blocks [0, layers) over all sequences, whose caches get the new keys and values. `capture` is called
  // after each block in options.capture_layers.
  void pass(std::span<PassSequence> sequences, int layers, const Capture& capture);

  // Logits of rows of the last pass's output. show(i, row) for i = 0, 1, ..., from the calling thread;
  // row.logits lives until it returns.
  using Show = std::function<void(std::size_t i, const LogitRow& row)>;
  void logits(std::span<const std::int64_t> rows, bool log_sums, const Show& show);

 private:
  void embed(std::span<const PassSequence> sequences);
  void block(const LayerWeights& w, int layer, std::span<PassSequence> sequences, bool last);
  void attend(const LayerWeights& w, int layer, std::span<PassSequence> sequences, bool last);
  void feed_forward(const LayerWeights& w);
  void keep_needed(std::span<PassSequence> sequences);
  void load(const float* x, std::int64_t n, std::int64_t width);
  void multiply(const kernels::WeightView& w, std::vector<float>& y, std::int64_t offset, std::int64_t ld);

  std::shared_ptr<const Model> model_;
  EngineOptions options_;
  kernels::ThreadPool& pool_;
  kernels::AttentionShape shape_;
  std::optional<kernels::RopeTable> rope_;
  kernels::ActivationBatch batch_;
  kernels::AttentionScratch scratch_;

  std::int64_t n_ = 0;  // rows of x_
  std::vector<std::int32_t> positions_;
  std::vector<kernels::AttentionSequence> attention_;
  std::vector<float> x_;     // [n, width] residual stream
  std::vector<float> h_;     // [n, width] normed input, then what is added to x
  std::vector<float> q_;     // [n, heads * head_dim]
  std::vector<float> kv_;    // [n, 2, kv_heads * head_dim]
  std::vector<float> mix_;   // [n, heads * head_dim]
  std::vector<float> gate_;  // [n, ffn]
  std::vector<float> up_;
  std::vector<float> logits_;
  std::vector<LogitRow> rows_;
};

}  // namespace brinkmap::worker
