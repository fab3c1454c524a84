#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "kernels/attention.h"
#include "kernels/delta_net.h"
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

// What a block shows of its inside: inputs X[n, cols] of its linear layers, and what its two halves add to
// the residual stream, [n, width]. n counts the rows of all sequences, in order.
enum class Tap : std::uint8_t {
  kAttentionIn,  // of q, k and v, or of all that a recurrent block has instead; in parallel blocks also of up
  kMix,          // of the output layer
  kAttentionOut,  // added by attention, after its post-norm
  kFeedIn,        // of gate and up
  kDownIn,        // of down
  kFeedOut,       // added by the feed-forward part, after its post-norm
};
// False: the rest is not wanted, the block ends there.
using See = std::function<bool(Tap tap, const float* x, std::int64_t n, std::int64_t cols)>;

enum class BlockPart : std::uint8_t { kWhole, kAttention, kFeedForward };

// Computes transformer blocks over the ragged rows of many sequences. Buffers grow to the largest pass and
// stay.
class Forward {
 public:
  Forward(std::shared_ptr<const Model> model, const EngineOptions& options, kernels::ThreadPool& pool);

  const CacheLayout& layout() const noexcept { return layout_; }

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

  // Calibration keeps the residual streams itself and runs one block after the other, with weights that it
  // changes as it goes.
  //
  // x[tokens, width]: the input of the first block.
  void embed(std::span<const std::int32_t> tokens, float* x);
  // x[sum of lengths, width], in place: the stream after block `layer` (or after one half of it) computed
  // with `w`, whatever the model's own weights are. Sequences of these lengths (each > 0) lie one after the
  // other, each from position 0. `see` may be empty; when it ends the block, x stays as it was. The
  // feed-forward half alone cannot run in a parallel block.
  void block(const LayerWeights& w, int layer, std::span<const std::int64_t> lengths, float* x,
             const See& see, BlockPart part = BlockPart::kWhole);

 private:
  void begin(std::span<PassSequence> sequences);
  // These two: false when `see` ended the block.
  bool attend(const LayerWeights& w, int layer, std::span<PassSequence> sequences, bool last, const See& see);
  bool feed_forward(const LayerWeights& w, const See& see);
  void mix(const LayerWeights& w, int layer, std::span<PassSequence> sequences, bool last);
  void mix_recurrent(const LayerWeights& w, int layer, std::span<PassSequence> sequences, bool last);
  void queries(const LayerWeights& w, int layer);
  void keys_and_values(const LayerWeights& w, int layer, std::span<PassSequence> sequences);
  void keep_needed(std::span<PassSequence> sequences, std::int64_t mixed);
  void rotate(std::vector<float>& x, int heads, std::int64_t ld, int layer);
  void norm(const Norm& norm, const float* x, float* y, std::int64_t n);
  bool add_to_stream(const Norm& post_norm, Tap tap, const See& see);
  void load(const float* x, std::int64_t n, std::int64_t width);
  void multiply(const Linear& linear, std::vector<float>& y, std::int64_t offset, std::int64_t ld,
                std::int64_t n);

  std::shared_ptr<const Model> model_;
  EngineOptions options_;
  kernels::ThreadPool& pool_;
  CacheLayout layout_;
  CacheLayout block_layout_;  // of block(): one layer of each kind
  std::optional<kernels::RopeTable> rope_;
  std::optional<kernels::RopeTable> local_rope_;
  kernels::ActivationBatch batch_;
  kernels::AttentionScratch scratch_;
  kernels::DeltaScratch delta_scratch_;

  std::int64_t n_ = 0;              // rows of x_
  std::optional<int> cache_layer_;  // where the caches hold a block alone
  std::vector<std::int32_t> positions_;
  std::vector<kernels::AttentionSequence> attention_;
  std::vector<kernels::DeltaSequence> deltas_;
  std::vector<float> x_;             // [n, width] residual stream
  std::vector<float> h_;             // [n, width] normed input
  std::vector<float> sum_;           // [n, width] what is added to x
  std::vector<float> q_;             // [n, heads * head_dim]
  std::vector<float> fused_;         // [n, 2 heads * head_dim] queries and gates, or [n, delta.channels()]
  std::vector<float> z_;             // [n, heads * head_dim or delta.values()] gates of the mix
  std::vector<float> alpha_, beta_;  // [n, delta.value_heads]
  std::vector<float> kv_;            // [n, 2, kv_heads * head_dim]
  std::vector<float> mix_;           // [n, heads * head_dim or delta.values()]
  std::vector<float> gate_;          // [n, ffn]
  std::vector<float> up_;
  std::vector<float> logits_;
  std::vector<std::unique_ptr<SequenceCache>> block_caches_;  // of block()
  std::vector<LogitRow> rows_;
};

}  // namespace brinkmap::worker
