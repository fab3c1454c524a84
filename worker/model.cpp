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
    const std::int64_t attention = static_cast<std::int64_t>(c.heads) * c.head_dim;
    const std::int64_t kv = static_cast<std::int64_t>(c.kv_heads) * c.head_dim;
    model_->embedding = matrix("token_embd.weight", c.vocab, c.width);
    model_->output_norm = vector("output_norm.weight", c.width);
    model_->output = has("output.weight") ? matrix("output.weight", c.vocab, c.width) : model_->embedding;
    for (int l = 0; l < c.layers; ++l) {
      const std::string block = "blk." + std::to_string(l) + ".";
      LayerWeights w;
      w.attn_norm = vector(block + "attn_norm.weight", c.width);
      w.q = matrix(block + "attn_q.weight", attention, c.width);
      w.k = matrix(block + "attn_k.weight", kv, c.width);
      w.v = matrix(block + "attn_v.weight", kv, c.width);
      w.output = matrix(block + "attn_output.weight", c.width, attention);
      w.ffn_norm = vector(block + "ffn_norm.weight", c.width);
      w.gate = matrix(block + "ffn_gate.weight", c.ffn, c.width);
      w.up = matrix(block + "ffn_up.weight", c.ffn, c.width);
      w.down = matrix(block + "ffn_down.weight", c.width, c.ffn);
      model_->layers.push_back(w);
    }
    load_rope_factors();
    for (const auto& [name, tensor] : model_->row.tensors)
      if (!used_.contains(name))
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
    return {tensor.format, tensor.data.data(), rows, cols};
  }

  const float* vector(const std::string& name, std::int64_t n) {
    const RowTensor& tensor = find(name, {n});
    std::vector<float>& values = model_->f32.emplace_back(static_cast<std::size_t>(n));
    kernels::dequantize(tensor.format, tensor.data.data(), values.data(), n);
    return values.data();
  }

  // Llama 3.1's long-context frequencies come as a tensor; linear scaling divides every angle.
  void load_rope_factors() {
    const ModelConfig& c = model_->config;
    const std::size_t pairs = static_cast<std::size_t>(c.rope_dims / 2);
    if (has("rope_freqs.weight")) {
      const float* factors = vector("rope_freqs.weight", static_cast<std::int64_t>(pairs));
      model_->rope_factors.assign(factors, factors + pairs);
      for (float f : model_->rope_factors)
        if (!(f > 0 && std::isfinite(f)))
          fail("rope_freqs.weight", "expected positive numbers, found " + std::to_string(f));
    }
    if (c.rope_scale == 1) return;
    if (model_->rope_factors.empty()) model_->rope_factors.assign(pairs, 1.0f);
    for (float& f : model_->rope_factors) f = static_cast<float>(static_cast<double>(f) * c.rope_scale);
  }

  std::shared_ptr<Model> model_;
  std::set<std::string, std::less<>> used_;
};

}  // namespace

std::shared_ptr<const Model> load_model(RowWeights row) { return Loader(std::move(row)).load(); }

}  // namespace brinkmap::worker
