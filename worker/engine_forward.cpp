#include "worker/engine_forward.h"

#include <algorithm>
#include <cstring>

namespace brinkmap::worker {

namespace {

// Floats of logits held at once (64 MB): bounds the memory of a scored prompt whatever the vocabulary.
constexpr std::int64_t kLogitFloats = std::int64_t{1} << 24;

template <class T>
void grow(std::vector<T>& buffer, std::int64_t n) {
  if (buffer.size() < static_cast<std::size_t>(n)) buffer.resize(static_cast<std::size_t>(n));
}

}  // namespace

Forward::Forward(std::shared_ptr<const Model> model, const EngineOptions& options, kernels::ThreadPool& pool)
    : model_(std::move(model)), options_(options), pool_(pool) {
  const ModelConfig& c = model_->config;
  kernels::AttentionShape& shape = layout_.shape;
  shape.heads = c.heads;
  shape.kv_heads = c.kv_heads;
  shape.head_dim = c.head_dim;
  shape.scale = c.attention_scale;
  shape.cap = c.attention_cap;
  shape.kv = options.kv;
  layout_.state_floats = c.delta.state_floats();
  for (const LayerKind& kind : c.kinds) layout_.recurrent.push_back(kind.recurrent);
  block_layout_ = layout_;
  block_layout_.recurrent = {false, true};
}

void Forward::reserve_positions(std::int64_t positions) {
  const ModelConfig& c = model_->config;
  if (c.rope_dims == 0 || (rope_ && rope_->positions() >= positions)) return;
  // Doubling, so that growing sequences do not rebuild the table each time.
  const std::int64_t twice = rope_ ? 2 * std::int64_t{rope_->positions()} : 64;
  const int wanted = static_cast<int>(std::max(positions, std::min<std::int64_t>(c.context, twice)));
  const auto make = [&](const Rope& rope) {
    return kernels::RopeTable(c.rope_dims, rope.base, rope.factors, wanted, c.rope_magnitude);
  };
  rope_.emplace(make(model_->rope));
  if (std::any_of(c.kinds.begin(), c.kinds.end(), [](const LayerKind& kind) { return kind.local; }))
    local_rope_.emplace(make(model_->local_rope));
}

// Lays the sequences' rows out and makes room for them.
void Forward::begin(std::span<PassSequence> sequences) {
  n_ = 0;
  for (PassSequence& s : sequences) {
    s.first_row = n_;
    n_ += s.rows;
  }
  const ModelConfig& c = model_->config;
  const std::int64_t attention = std::int64_t{c.heads} * c.head_dim;
  const std::int64_t mixed = std::max(attention, c.delta.values());
  grow(x_, n_ * c.width);
  grow(h_, n_ * c.width);
  grow(sum_, n_ * c.width);
  grow(q_, n_ * attention);
  grow(mix_, n_ * mixed);
  grow(kv_, n_ * 2 * c.kv_heads * c.head_dim);
  if (c.architecture->query_gate) {
    grow(fused_, n_ * std::max(2 * attention, c.delta.channels()));
    grow(z_, n_ * mixed);
    grow(alpha_, n_ * c.delta.value_heads);
    grow(beta_, n_ * c.delta.value_heads);
  }
  if (c.architecture->gated) grow(gate_, n_ * c.ffn);
  grow(up_, n_ * c.ffn);
  grow(positions_, n_);
  for (const PassSequence& s : sequences)
    for (std::int64_t i = 0; i < s.rows; ++i)
      positions_[static_cast<std::size_t>(s.first_row + i)] =
          static_cast<std::int32_t>(s.prefix_length + s.held + i);
}

void Forward::pass(std::span<PassSequence> sequences, int layers, const Capture& capture) {
  for (PassSequence& s : sequences) s.rows = static_cast<std::int64_t>(s.tokens.size());
  begin(sequences);
  const std::int64_t width = model_->config.width;
  pool_.parallel_for(static_cast<std::int64_t>(sequences.size()), [&](std::int64_t i, int) {
    const PassSequence& s = sequences[static_cast<std::size_t>(i)];
    embed(s.tokens, x_.data() + s.first_row * width);
  });
  const std::vector<int>& wanted = options_.capture_layers;
  for (int l = 0; l < layers; ++l) {
    const LayerWeights& w = model_->layers[static_cast<std::size_t>(l)];
    attend(w, l, sequences, l == layers - 1, {});
    if (n_ > 0) feed_forward(w, {});
    if (capture && std::binary_search(wanted.begin(), wanted.end(), l)) capture(l, x_.data());
  }
}

void Forward::embed(std::span<const std::int32_t> tokens, float* x) {
  const kernels::WeightView& e = model_->embedding;
  const std::size_t row = kernels::row_bytes(e.format, e.cols);
  const float scale = model_->config.embedding_scale;
  for (std::int32_t token : tokens) {
    kernels::dequantize(e.format, e.data + static_cast<std::size_t>(token) * row, x, e.cols);
    if (scale != 1)
      for (std::int64_t i = 0; i < e.cols; ++i) x[i] *= scale;
    x += e.cols;
  }
}

void Forward::block(const LayerWeights& w, int layer, std::span<const std::int64_t> lengths, float* x,
                    const See& see, BlockPart part) {
  const std::int64_t longest = *std::max_element(lengths.begin(), lengths.end());
  const std::int64_t capacity = (longest + kernels::kKvBlock - 1) / kernels::kKvBlock * kernels::kKvBlock;
  reserve_positions(longest);
  if (!block_caches_.empty() && block_caches_.front()->capacity() < capacity) block_caches_.clear();
  while (block_caches_.size() < lengths.size()) {
    const std::int64_t all = block_caches_.empty() ? capacity : block_caches_.front()->capacity();
    block_caches_.push_back(std::make_unique<SequenceCache>(block_layout_, 2, all));
  }
  std::vector<PassSequence> sequences(lengths.size());
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    block_caches_[i]->clear_states();
    sequences[i].own = block_caches_[i].get();
    sequences[i].rows = sequences[i].needed = lengths[i];
  }
  begin(sequences);
  const std::size_t bytes = static_cast<std::size_t>(n_ * model_->config.width) * sizeof(float);
  std::memcpy(x_.data(), x, bytes);
  cache_layer_ = model_->config.kinds[static_cast<std::size_t>(layer)].recurrent ? 1 : 0;
  const bool whole = (part == BlockPart::kFeedForward || attend(w, layer, sequences, false, see)) &&
                     (part == BlockPart::kAttention || feed_forward(w, see));
  cache_layer_.reset();
  if (whole) std::memcpy(x, x_.data(), bytes);
}

void Forward::logits(std::span<const std::int64_t> rows, bool log_sums, const Show& show) {
  const ModelConfig& c = model_->config;
  const std::int64_t n = static_cast<std::int64_t>(rows.size());
  const std::int64_t chunk =
      std::clamp<std::int64_t>(kLogitFloats / c.vocab, 1, std::max<std::int64_t>(n, 1));
  grow(logits_, chunk * c.vocab);
  grow(h_, chunk * c.width);
  rows_.resize(static_cast<std::size_t>(chunk));
  for (std::int64_t first = 0; first < n; first += chunk) {
    const std::int64_t here = std::min(chunk, n - first);
    for (std::int64_t i = 0; i < here; ++i)
      std::memcpy(h_.data() + i * c.width, x_.data() + rows[static_cast<std::size_t>(first + i)] * c.width,
                  static_cast<std::size_t>(c.width) * sizeof(float));
    norm(model_->output_norm, h_.data(), h_.data(), here);
    load(h_.data(), here, c.width);
    multiply(model_->output, logits_, 0, c.vocab, here);
    if (c.logit_cap > 0) kernels::soft_cap(logits_.data(), c.logit_cap, here * c.vocab, pool_, options_.isa);
    pool_.parallel_for(here, [&](std::int64_t i, int) {
      LogitRow& row = rows_[static_cast<std::size_t>(i)];
      row.logits = logits_.data() + i * c.vocab;
      row.largest = kernels::largest(row.logits, c.vocab, options_.isa);
      row.log_sum = log_sums ? kernels::log_sum_exp(row.logits, c.vocab, options_.isa) : 0;
    });
    for (std::int64_t i = 0; i < here; ++i)
      show(static_cast<std::size_t>(first + i), rows_[static_cast<std::size_t>(i)]);
  }
}

}  // namespace brinkmap::worker
