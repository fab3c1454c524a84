#include <algorithm>
#include <cstring>

#include "worker/engine_forward.h"

// What one block computes.
namespace brinkmap::worker {

void Forward::load(const float* x, std::int64_t n, std::int64_t width) {
  batch_.load(x, n, width, width, options_.activations);
}

// y[n, rows] at an offset and with leading dimension ld, from the n rows that are loaded.
void Forward::multiply(const Linear& linear, std::vector<float>& y, std::int64_t offset, std::int64_t ld,
                       std::int64_t n) {
  kernels::gemm(linear.weight, batch_, y.data() + offset, ld, pool_, options_.isa);
  if (linear.bias != nullptr)
    kernels::add_bias(y.data() + offset, linear.bias, n, linear.weight.rows, ld, pool_, options_.isa);
}

void Forward::norm(const Norm& norm, const float* x, float* y, std::int64_t n) {
  const ModelConfig& c = model_->config;
  if (c.architecture->layer_norm)
    kernels::layer_norm(x, norm.weight, norm.bias, y, n, c.width, c.norm_eps, pool_, options_.isa);
  else
    kernels::rms_norm(x, norm.weight, y, n, c.width, c.norm_eps, pool_, options_.isa);
}

void Forward::rotate(std::vector<float>& x, int heads, std::int64_t ld, int layer) {
  if (!rope_) return;
  const ModelConfig& c = model_->config;
  const bool local = c.kinds[static_cast<std::size_t>(layer)].local;
  kernels::rope(x.data(), n_, heads, c.head_dim, ld, positions_.data(), local ? *local_rope_ : *rope_,
                c.architecture->rope_pairing, pool_, options_.isa);
}

bool Forward::attend(const LayerWeights& w, int layer, std::span<PassSequence> sequences, bool last,
                     const See& see) {
  const ModelConfig& c = model_->config;
  norm(w.attn_norm, x_.data(), h_.data(), n_);
  load(h_.data(), n_, c.width);
  if (see && !see(Tap::kAttentionIn, h_.data(), n_, c.width)) return false;
  if (c.kinds[static_cast<std::size_t>(layer)].recurrent)
    mix_recurrent(w, layer, sequences, last);
  else
    mix(w, layer, sequences, last);
  if (n_ == 0) return true;
  const std::int64_t mixed = w.output.weight.cols;
  load(mix_.data(), n_, mixed);
  if (see && !see(Tap::kMix, mix_.data(), n_, mixed)) return false;
  multiply(w.output, sum_, 0, c.width, n_);
  return add_to_stream(w.attn_post_norm, Tap::kAttentionOut, see);
}

void Forward::mix(const LayerWeights& w, int layer, std::span<PassSequence> sequences, bool last) {
  const ModelConfig& c = model_->config;
  const std::int64_t mixed = std::int64_t{c.heads} * c.head_dim;
  keys_and_values(w, layer, sequences);
  if (last) keep_needed(sequences, 0);
  if (n_ == 0) return;
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    attention_[i].first_row = sequences[i].first_row;
    attention_[i].rows = sequences[i].rows;
  }
  queries(w, layer);
  kernels::AttentionShape shape = layout_.shape;
  shape.window = c.kinds[static_cast<std::size_t>(layer)].window;
  kernels::attention(shape, attention_, q_.data(), mixed, mix_.data(), mixed, scratch_, pool_, options_.isa);
  if (c.architecture->query_gate)
    kernels::sigmoid_gate(mix_.data(), z_.data(), n_ * mixed, pool_, options_.isa);
}

void Forward::queries(const LayerWeights& w, int layer) {
  const ModelConfig& c = model_->config;
  const std::int64_t mixed = std::int64_t{c.heads} * c.head_dim;
  if (c.architecture->query_gate) {  // per head [query | gate]
    multiply(w.q, fused_, 0, 2 * mixed, n_);
    const std::size_t bytes = static_cast<std::size_t>(c.head_dim) * sizeof(float);
    pool_.parallel_for(n_, [&](std::int64_t t, int) {
      for (std::int64_t h = 0; h < c.heads; ++h) {
        const float* from = fused_.data() + 2 * (t * mixed + h * c.head_dim);
        std::memcpy(q_.data() + t * mixed + h * c.head_dim, from, bytes);
        std::memcpy(z_.data() + t * mixed + h * c.head_dim, from + c.head_dim, bytes);
      }
    });
  } else {
    multiply(w.q, q_, 0, mixed, n_);
  }
  if (w.q_norm.weight != nullptr)
    kernels::rms_norm_heads(q_.data(), w.q_norm.weight, n_, c.heads, c.head_dim, mixed, c.norm_eps, pool_,
                            options_.isa);
  rotate(q_, c.heads, mixed, layer);
}

void Forward::mix_recurrent(const LayerWeights& w, int layer, std::span<PassSequence> sequences, bool last) {
  const ModelConfig& c = model_->config;
  const kernels::DeltaShape& d = c.delta;
  multiply(w.delta.qkv, fused_, 0, d.channels(), n_);
  multiply(w.delta.alpha, alpha_, 0, d.value_heads, n_);
  multiply(w.delta.beta, beta_, 0, d.value_heads, n_);
  deltas_.clear();
  for (const PassSequence& s : sequences)
    deltas_.push_back({s.own->state(cache_layer_.value_or(layer)), s.first_row, s.rows});
  kernels::delta_net(d, w.delta.recurrence, deltas_, fused_.data(), alpha_.data(), beta_.data(), mix_.data(),
                     delta_scratch_, pool_, options_.isa);
  if (last) keep_needed(sequences, d.values());
  if (n_ == 0) return;
  multiply(w.delta.gate, z_, 0, d.values(), n_);
  kernels::rms_norm_heads(mix_.data(), w.delta.norm, n_, d.value_heads, d.value_dim, d.values(), c.norm_eps,
                          pool_, options_.isa);
  kernels::swiglu(z_.data(), mix_.data(), mix_.data(), n_, d.values(), pool_, options_.isa);
}

// Of all rows: later tokens need them even where a row itself is not wanted any more.
void Forward::keys_and_values(const LayerWeights& w, int layer, std::span<PassSequence> sequences) {
  const ModelConfig& c = model_->config;
  const std::int64_t kv = std::int64_t{c.kv_heads} * c.head_dim;
  multiply(w.k, kv_, 0, 2 * kv, n_);
  multiply(w.v, kv_, kv, 2 * kv, n_);
  if (w.k_norm.weight != nullptr)
    kernels::rms_norm_heads(kv_.data(), w.k_norm.weight, n_, c.kv_heads, c.head_dim, 2 * kv, c.norm_eps,
                            pool_, options_.isa);
  rotate(kv_, c.kv_heads, 2 * kv, layer);
  const int piece = cache_layer_.value_or(layer);
  attention_.resize(sequences.size());
  pool_.parallel_for(static_cast<std::int64_t>(sequences.size()), [&](std::int64_t i, int) {
    const PassSequence& s = sequences[static_cast<std::size_t>(i)];
    kernels::AttentionSequence& a = attention_[static_cast<std::size_t>(i)];
    a = {};
    if (s.prefix_length > 0) {
      a.prefix = s.prefix->piece(piece);
      a.prefix.length = s.prefix_length;
    }
    a.own = s.own->piece(piece);
    a.own.length = s.held + s.rows;
    const float* k = kv_.data() + s.first_row * 2 * kv;
    kernels::store_kv(layout_.shape, k, k + kv, s.rows, 2 * kv, a.own, s.held);
  });
}

// Moves the last `needed` rows of every sequence together, in x, h, the positions and mix[n, mixed], and
// loads h again.
void Forward::keep_needed(std::span<PassSequence> sequences, std::int64_t mixed) {
  const std::int64_t before = n_;
  const auto move = [](std::vector<float>& rows, std::int64_t width, std::int64_t from, std::int64_t to,
                       std::int64_t n) {
    std::memmove(rows.data() + to * width, rows.data() + from * width,
                 static_cast<std::size_t>(n * width) * sizeof(float));
  };
  const std::int64_t width = model_->config.width;
  std::int64_t to = 0;
  for (PassSequence& s : sequences) {
    const std::int64_t from = s.first_row + s.rows - s.needed;
    if (from != to && s.needed > 0) {
      move(x_, width, from, to, s.needed);
      move(h_, width, from, to, s.needed);
      move(mix_, mixed, from, to, s.needed);
      std::copy_n(positions_.begin() + from, s.needed, positions_.begin() + to);
    }
    s.first_row = to;
    s.rows = s.needed;
    to += s.needed;
  }
  n_ = to;
  if (n_ != before && n_ > 0) load(h_.data(), n_, width);
}

bool Forward::feed_forward(const LayerWeights& w, const See& see) {
  const ModelConfig& c = model_->config;
  const Architecture& a = *c.architecture;
  if (!a.parallel) norm(w.ffn_norm, x_.data(), h_.data(), n_);
  load(h_.data(), n_, c.width);
  if (see && !see(Tap::kFeedIn, h_.data(), n_, c.width)) return false;
  multiply(w.up, up_, 0, c.ffn, n_);
  if (a.gated) {
    multiply(w.gate, gate_, 0, c.ffn, n_);
    const auto gated = a.activation == Activation::kSilu ? kernels::swiglu : kernels::geglu;
    gated(gate_.data(), up_.data(), up_.data(), n_, c.ffn, pool_, options_.isa);
  } else {
    kernels::gelu(up_.data(), n_ * c.ffn, pool_, options_.isa);
  }
  load(up_.data(), n_, c.ffn);
  if (see && !see(Tap::kDownIn, up_.data(), n_, c.ffn)) return false;
  multiply(w.down, sum_, 0, c.width, n_);
  return add_to_stream(w.ffn_post_norm, Tap::kFeedOut, see);
}

bool Forward::add_to_stream(const Norm& post_norm, Tap tap, const See& see) {
  const std::int64_t width = model_->config.width;
  if (post_norm.weight != nullptr) norm(post_norm, sum_.data(), sum_.data(), n_);
  if (see && !see(tap, sum_.data(), n_, width)) return false;
  kernels::add(x_.data(), sum_.data(), n_ * width, pool_, options_.isa);
  return true;
}

}  // namespace brinkmap::worker
