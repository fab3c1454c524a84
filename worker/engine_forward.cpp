#include "worker/engine_forward.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace brinkmap::worker {

namespace {

// Floats of logits held at once (64 MB): bounds the memory of a scored prompt whatever the vocabulary.
constexpr std::int64_t kLogitFloats = std::int64_t{1} << 24;

void grow(std::vector<float>& buffer, std::int64_t n) {
  if (buffer.size() < static_cast<std::size_t>(n)) buffer.resize(static_cast<std::size_t>(n));
}

void grow(std::vector<std::int32_t>& buffer, std::int64_t n) {
  if (buffer.size() < static_cast<std::size_t>(n)) buffer.resize(static_cast<std::size_t>(n));
}

}  // namespace

Forward::Forward(std::shared_ptr<const Model> model, const EngineOptions& options, kernels::ThreadPool& pool)
    : model_(std::move(model)), options_(options), pool_(pool) {
  const ModelConfig& c = model_->config;
  shape_.heads = c.heads;
  shape_.kv_heads = c.kv_heads;
  shape_.head_dim = c.head_dim;
  shape_.scale = 1.0f / std::sqrt(static_cast<float>(c.head_dim));
  shape_.window = c.window;
  shape_.kv = options.kv;
}

void Forward::reserve_positions(std::int64_t positions) {
  const ModelConfig& c = model_->config;
  if (c.rope_dims == 0 || (rope_ && rope_->positions() >= positions)) return;
  // Doubling, so that growing sequences do not rebuild the table each time.
  const std::int64_t twice = rope_ ? 2 * std::int64_t{rope_->positions()} : 64;
  const std::int64_t wanted = std::max(positions, std::min<std::int64_t>(c.context, twice));
  rope_.emplace(c.rope_dims, c.rope_base, model_->rope_factors, static_cast<int>(wanted));
}

void Forward::pass(std::span<PassSequence> sequences, int layers, const Capture& capture) {
  n_ = 0;
  for (PassSequence& s : sequences) {
    s.first_row = n_;
    s.rows = static_cast<std::int64_t>(s.tokens.size());
    n_ += s.rows;
  }
  const ModelConfig& c = model_->config;
  const std::int64_t mixed = static_cast<std::int64_t>(c.heads) * c.head_dim;
  grow(x_, n_ * c.width);
  grow(h_, n_ * c.width);
  grow(q_, n_ * mixed);
  grow(mix_, n_ * mixed);
  grow(kv_, n_ * 2 * c.kv_heads * c.head_dim);
  grow(gate_, n_ * c.ffn);
  grow(up_, n_ * c.ffn);
  grow(positions_, n_);
  for (const PassSequence& s : sequences)
    for (std::int64_t i = 0; i < s.rows; ++i)
      positions_[static_cast<std::size_t>(s.first_row + i)] =
          static_cast<std::int32_t>(s.prefix_length + s.held + i);
  embed(sequences);
  const std::vector<int>& wanted = options_.capture_layers;
  for (int l = 0; l < layers; ++l) {
    block(model_->layers[static_cast<std::size_t>(l)], l, sequences, l == layers - 1);
    if (capture && std::binary_search(wanted.begin(), wanted.end(), l)) capture(l, x_.data());
  }
}

void Forward::embed(std::span<const PassSequence> sequences) {
  const kernels::WeightView& e = model_->embedding;
  const std::size_t row = kernels::row_bytes(e.format, e.cols);
  pool_.parallel_for(static_cast<std::int64_t>(sequences.size()), [&](std::int64_t i, int) {
    const PassSequence& s = sequences[static_cast<std::size_t>(i)];
    float* to = x_.data() + s.first_row * e.cols;
    for (std::int32_t token : s.tokens) {
      kernels::dequantize(e.format, e.data + static_cast<std::size_t>(token) * row, to, e.cols);
      to += e.cols;
    }
  });
}

void Forward::load(const float* x, std::int64_t n, std::int64_t width) {
  batch_.load(x, n, width, width, options_.activations);
}

void Forward::multiply(const kernels::WeightView& w, std::vector<float>& y, std::int64_t offset,
                       std::int64_t ld) {
  kernels::gemm(w, batch_, y.data() + offset, ld, pool_, options_.isa);
}

void Forward::block(const LayerWeights& w, int layer, std::span<PassSequence> sequences, bool last) {
  attend(w, layer, sequences, last);
  if (n_ > 0) feed_forward(w);
}

void Forward::attend(const LayerWeights& w, int layer, std::span<PassSequence> sequences, bool last) {
  const ModelConfig& c = model_->config;
  const kernels::RopePairing pairing = c.architecture->rope_pairing;
  const std::int64_t mixed = static_cast<std::int64_t>(c.heads) * c.head_dim;
  const std::int64_t kv = static_cast<std::int64_t>(c.kv_heads) * c.head_dim;

  kernels::rms_norm(x_.data(), w.attn_norm, h_.data(), n_, c.width, c.norm_eps, pool_, options_.isa);
  load(h_.data(), n_, c.width);
  multiply(w.k, kv_, 0, 2 * kv);
  multiply(w.v, kv_, kv, 2 * kv);
  if (rope_)
    kernels::rope(kv_.data(), n_, c.kv_heads, c.head_dim, 2 * kv, positions_.data(), *rope_, pairing, pool_,
                  options_.isa);
  attention_.resize(sequences.size());
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    const PassSequence& s = sequences[i];
    kernels::AttentionSequence& a = attention_[i];
    a = {};
    if (s.prefix_length > 0) {
      a.prefix = s.prefix->piece(layer);
      a.prefix.length = s.prefix_length;
    }
    a.own = s.own->piece(layer);
    a.own.length = s.held + static_cast<std::int64_t>(s.tokens.size());
  }
  pool_.parallel_for(static_cast<std::int64_t>(sequences.size()), [&](std::int64_t i, int) {
    const PassSequence& s = sequences[static_cast<std::size_t>(i)];
    const float* k = kv_.data() + s.first_row * 2 * kv;
    kernels::store_kv(shape_, k, k + kv, s.rows, 2 * kv, attention_[static_cast<std::size_t>(i)].own, s.held);
  });

  if (last) {
    const std::int64_t before = n_;
    keep_needed(sequences);
    if (n_ == 0) return;
    if (n_ != before) load(h_.data(), n_, c.width);
  }
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    attention_[i].first_row = sequences[i].first_row;
    attention_[i].rows = sequences[i].rows;
  }
  multiply(w.q, q_, 0, mixed);
  if (rope_)
    kernels::rope(q_.data(), n_, c.heads, c.head_dim, mixed, positions_.data(), *rope_, pairing, pool_,
                  options_.isa);
  kernels::attention(shape_, attention_, q_.data(), mixed, mix_.data(), mixed, scratch_, pool_, options_.isa);
  load(mix_.data(), n_, mixed);
  multiply(w.output, h_, 0, c.width);
  kernels::add(x_.data(), h_.data(), n_ * c.width, pool_, options_.isa);
}

// Moves the last `needed` rows of every sequence together, in x, h and the positions.
void Forward::keep_needed(std::span<PassSequence> sequences) {
  const std::int64_t width = model_->config.width;
  std::int64_t to = 0;
  for (PassSequence& s : sequences) {
    const std::int64_t from = s.first_row + s.rows - s.needed;
    if (from != to && s.needed > 0) {
      const std::size_t bytes = static_cast<std::size_t>(s.needed * width) * sizeof(float);
      std::memmove(x_.data() + to * width, x_.data() + from * width, bytes);
      std::memmove(h_.data() + to * width, h_.data() + from * width, bytes);
      std::copy_n(positions_.begin() + from, s.needed, positions_.begin() + to);
    }
    s.first_row = to;
    s.rows = s.needed;
    to += s.needed;
  }
  n_ = to;
}

void Forward::feed_forward(const LayerWeights& w) {
  const ModelConfig& c = model_->config;
  kernels::rms_norm(x_.data(), w.ffn_norm, h_.data(), n_, c.width, c.norm_eps, pool_, options_.isa);
  load(h_.data(), n_, c.width);
  multiply(w.gate, gate_, 0, c.ffn);
  multiply(w.up, up_, 0, c.ffn);
  kernels::swiglu(gate_.data(), up_.data(), gate_.data(), n_, c.ffn, pool_, options_.isa);
  load(gate_.data(), n_, c.ffn);
  multiply(w.down, h_, 0, c.width);
  kernels::add(x_.data(), h_.data(), n_ * c.width, pool_, options_.isa);
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
    kernels::rms_norm(h_.data(), model_->output_norm, h_.data(), here, c.width, c.norm_eps, pool_,
                      options_.isa);
    load(h_.data(), here, c.width);
    multiply(model_->output, logits_, 0, c.vocab);
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
