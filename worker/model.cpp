#include "worker/model.h"

#include <cmath>
#include <set>

#include "schedule/error.h"
#include "worker/gguf_parse.h"

namespace brinkmap::worker {

namespace {

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

// Binds the tensors of a row to their places, and knows in the end which were not asked for.
class Loader {
 public:
  explicit Loader(RowWeights row) : model_(std::make_shared<Model>()) {
    model_->config = read_config(*row.file);
    model_->row = std::move(row);
  }

  std::shared_ptr<const Model> load() {
    const ModelConfig& c = model_->config;
    model_->embedding = matrix("token_embd.weight", c.vocab, c.width);
    if (model_->embedding.order != nullptr)
      fail("token_embd.weight", "its rows are read as they stand, so that its columns may have no order");
    model_->output_norm = norm("output_norm", c.width);
    if (has("output.weight"))
      model_->output = linear("output", c.vocab, c.width, c.architecture->biases == Biases::kAll);
    else
      model_->output.weight = model_->embedding;
    for (int l = 0; l < c.layers; ++l)
      load_layer("blk." + std::to_string(l) + ".", c.kinds[static_cast<std::size_t>(l)]);
    load_rope();
    for (const auto& [name, tensor] : model_->row.tensors)
      if (!used_.contains(name) && !of_unused_layer(name))
        fail(name, "architecture " + c.architecture->name +
                       " has no such tensor; without it the result would be wrong");
    return model_;
  }

 private:
  [[noreturn]] void fail(const std::string& tensor, const std::string& what) const {
    throw InputError(model_->path(), "tensor '" + printable(tensor) + "'", what);
  }

  bool has(const std::string& name) const { return model_->row.tensors.contains(name); }

  const RowTensor& find(const std::string& name, const std::vector<std::int64_t>& shape) {
    const auto it = model_->row.tensors.find(name);
    if (it == model_->row.tensors.end()) fail(name, "is missing; expected shape " + shape_text(shape));
    if (it->second.shape != shape)
      fail(name, "expected shape " + shape_text(shape) + ", found " + shape_text(it->second.shape));
    used_.insert(name);
    return it->second;
  }

  kernels::WeightView matrix(const std::string& name, std::int64_t rows, std::int64_t cols) {
    const RowTensor& tensor = find(name, {cols, rows});
    if (cols % kernels::format_info(tensor.format).block != 0)
      fail(name, "rows of " + std::to_string(cols) + " weights are no whole blocks of " +
                     std::string(kernels::format_info(tensor.format).name));
    if (tensor.order != nullptr && static_cast<std::int64_t>(tensor.order->size()) != cols)
      fail(name, "expected an order of " + std::to_string(cols) + " columns, found " +
                     std::to_string(tensor.order->size()));
    return {tensor.format, tensor.data.data(), rows, cols,
            tensor.order == nullptr ? nullptr : tensor.order->data()};
  }

  const float* vector(const std::string& name, std::int64_t n) {
    const RowTensor& tensor = find(name, {n});
    std::vector<float>& values = model_->f32.emplace_back(static_cast<std::size_t>(n));
    kernels::dequantize(tensor.format, tensor.data.data(), values.data(), n);
    return values.data();
  }

  Norm norm(const std::string& name, std::int64_t n) {
    Norm out;
    out.weight = vector(name + ".weight", n);
    if (model_->config.architecture->layer_norm) out.bias = vector(name + ".bias", n);
    return out;
  }

  Linear linear(const std::string& name, std::int64_t rows, std::int64_t cols, bool needs_bias) {
    Linear out;
    out.weight = matrix(name + ".weight", rows, cols);
    if (needs_bias || has(name + ".bias")) out.bias = vector(name + ".bias", rows);
    return out;
  }

  // Rows [first, first + rows) of a fused layer.
  static Linear part(const Linear& whole, std::int64_t first, std::int64_t rows) {
    Linear out = whole;
    out.weight.data +=
        static_cast<std::size_t>(first) * kernels::row_bytes(whole.weight.format, whole.weight.cols);
    out.weight.rows = rows;
    if (out.bias != nullptr) out.bias += first;
    return out;
  }

  bool of_unused_layer(const std::string& name) const {
    const ModelConfig& c = model_->config;
    for (int l = c.layers; l < c.layers + c.unused_layers; ++l)
      if (name.starts_with("blk." + std::to_string(l) + ".")) return true;
    return false;
  }

  void load_layer(const std::string& block, const LayerKind& kind) {
    const ModelConfig& c = model_->config;
    const Architecture& a = *c.architecture;
    LayerWeights w;
    w.attn_norm = norm(block + "attn_norm", c.width);
    if (kind.recurrent)
      load_delta_net(block, w);
    else
      load_attention(block, w);
    if (!a.parallel) w.ffn_norm = norm(block + a.ffn_norm, c.width);
    if (a.post_norms) {
      w.attn_post_norm = norm(block + "post_attention_norm", c.width);
      w.ffn_post_norm = norm(block + "post_ffw_norm", c.width);
    }
    const bool biases = a.biases == Biases::kAll;
    if (!a.gated) {
      w.up = linear(block + "ffn_up", c.ffn, c.width, biases);
    } else if (has(block + "ffn_gate.weight")) {
      w.gate = linear(block + "ffn_gate", c.ffn, c.width, biases);
      w.up = linear(block + "ffn_up", c.ffn, c.width, biases);
    } else {
      const Linear fused = linear(block + "ffn_up", 2 * std::int64_t{c.ffn}, c.width, biases);
      w.gate = part(fused, 0, c.ffn);
      w.up = part(fused, c.ffn, c.ffn);
    }
    w.down = linear(block + "ffn_down", c.width, c.ffn, biases);
    model_->layers.push_back(w);
  }

  void load_attention(const std::string& block, LayerWeights& w) {
    const ModelConfig& c = model_->config;
    const Architecture& a = *c.architecture;
    const std::int64_t mixed = std::int64_t{c.heads} * c.head_dim;
    const std::int64_t kv = std::int64_t{c.kv_heads} * c.head_dim;
    const bool biases = a.biases != Biases::kOptional;
    if (!a.query_gate && has(block + "attn_qkv.weight")) {
      const Linear fused = linear(block + "attn_qkv", mixed + 2 * kv, c.width, biases);
      w.q = part(fused, 0, mixed);
      w.k = part(fused, mixed, kv);
      w.v = part(fused, mixed + kv, kv);
    } else {
      w.q = linear(block + "attn_q", a.query_gate ? 2 * mixed : mixed, c.width, biases);
      w.k = linear(block + "attn_k", kv, c.width, biases);
      w.v = linear(block + "attn_v", kv, c.width, biases);
    }
    w.output = linear(block + "attn_output", c.width, mixed, a.biases == Biases::kAll);
    if (!a.head_norms) return;
    w.q_norm = norm(block + "attn_q_norm", c.head_dim);
    w.k_norm = norm(block + "attn_k_norm", c.head_dim);
  }

  void load_delta_net(const std::string& block, LayerWeights& w) {
    const ModelConfig& c = model_->config;
    const kernels::DeltaShape& d = c.delta;
    w.delta.qkv = linear(block + "attn_qkv", d.channels(), c.width, false);
    w.delta.gate = linear(block + "attn_gate", d.values(), c.width, false);
    w.delta.alpha = linear(block + "ssm_alpha", d.value_heads, c.width, false);
    w.delta.beta = linear(block + "ssm_beta", d.value_heads, c.width, false);
    w.delta.recurrence.convolution = transposed(block + "ssm_conv1d.weight", d.taps, d.channels());
    w.delta.recurrence.decay = vector(block + "ssm_a", d.value_heads);
    w.delta.recurrence.step_bias = vector(block + "ssm_dt.bias", d.value_heads);
    w.delta.norm = vector(block + "ssm_norm.weight", d.value_dim);
    w.output = linear(block + "ssm_out", c.width, d.values(), false);
  }

  // A tensor of `rows` rows of `cols` values as [cols, rows].
  const float* transposed(const std::string& name, std::int64_t cols, std::int64_t rows) {
    const RowTensor& tensor = find(name, {cols, rows});
    if (kernels::format_info(tensor.format).block != 1)
      fail(name, "expected floats, found " + std::string(kernels::format_info(tensor.format).name));
    std::vector<float> values(static_cast<std::size_t>(rows * cols));
    kernels::dequantize(tensor.format, tensor.data.data(), values.data(), rows * cols);
    std::vector<float>& out = model_->f32.emplace_back(values.size());
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t col = 0; col < cols; ++col)
        out[static_cast<std::size_t>(col * rows + r)] = values[static_cast<std::size_t>(r * cols + col)];
    return out.data();
  }

  // Frequency factors come as a tensor: Llama 3.1's, or long-rope's, of which the short ones hold within the
  // original context, beyond which read_config lets no sequence go. Linear scaling divides every angle.
  void load_rope() {
    const ModelConfig& c = model_->config;
    model_->rope.base = c.rope_base;
    model_->local_rope.base = c.local_rope_base;
    if (has("rope_freqs.weight")) model_->rope.factors = rope_factors("rope_freqs.weight");
    if (has("rope_factors_short.weight") || has("rope_factors_long.weight")) {
      rope_factors("rope_factors_long.weight");
      model_->rope.factors = rope_factors("rope_factors_short.weight");
    }
    if (c.rope_scale == 1) return;
    std::vector<float>& factors = model_->rope.factors;
    if (factors.empty()) factors.assign(static_cast<std::size_t>(c.rope_dims / 2), 1.0f);
    for (float& f : factors) f = static_cast<float>(static_cast<double>(f) * c.rope_scale);
  }

  std::vector<float> rope_factors(const std::string& name) {
    const std::int64_t pairs = model_->config.rope_dims / 2;
    const float* values = vector(name, pairs);
    for (std::int64_t i = 0; i < pairs; ++i)
      if (!(values[i] > 0 && std::isfinite(values[i])))
        fail(name, "expected positive numbers, found " + std::to_string(values[i]));
    return {values, values + pairs};
  }

  std::shared_ptr<Model> model_;
  std::set<std::string, std::less<>> used_;
};

}  // namespace

std::shared_ptr<const Model> load_model(RowWeights row) { return Loader(std::move(row)).load(); }

}  // namespace brinkmap::worker
