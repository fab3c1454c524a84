#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <list>
#include <string>
#include <vector>

#include "bench/random_llama.h"

// A tiny random GGUF model of every family. Norm weights and biases are random too, so that none can be left
// out unnoticed. 256 wide, so that every block format fits its rows.
namespace brinkmap::tests {

inline constexpr const char* kFamilies[] = {"llama", "qwen2",  "qwen3",  "phi2",
                                            "phi3",  "gemma2", "gemma3", "qwen35"};

class TinyModel {
 public:
  static constexpr int kWidth = 256, kHeads = 4, kHeadDim = 64, kFfn = 256, kVocab = 300, kContext = 256;
  static constexpr int kKeyHeads = 2, kValueHeads = 4, kKeyDim = 30;

  explicit TinyModel(const std::string& family)
      : family_(family), layers_(family == "qwen35" ? 3 : 2) {}  // qwen35: recurrent, attention, recurrent

  void write(const std::string& path) {
    keys();
    bench::detail::add_vocabulary(writer_, kVocab);
    matrix("token_embd", kVocab, kWidth, 8);
    norm("output_norm", kWidth);
    if (!gemma()) linear("output", kVocab, kWidth, family_ == "phi2", 3);
    if (family_ == "llama") vector("rope_freqs.weight", kHeadDim / 2, 0.5f, 2);
    if (family_ == "phi3") {
      vector("rope_factors_long.weight", kHeadDim / 2, 1, 20);
      vector("rope_factors_short.weight", kHeadDim / 2, 0.5f, 2);
    }
    for (int l = 0; l < layers_; ++l) layer("blk." + std::to_string(l) + ".", l);
    writer_.write(path);
  }

 private:
  bool gemma() const { return family_ == "gemma2" || family_ == "gemma3"; }

  void count(const std::string& key, int value) {
    writer_.add(family_ + "." + key, worker::gguf_u32(static_cast<std::uint32_t>(value)));
  }
  void number(const std::string& key, float value) {
    writer_.add(family_ + "." + key, worker::gguf_f32(value));
  }

  void keys() {
    writer_.add("general.architecture", worker::gguf_text(family_));
    writer_.add("general.file_type", worker::gguf_u32(32));
    count("block_count", layers_);
    count("embedding_length", kWidth);
    count("feed_forward_length", kFfn);
    count("attention.head_count", kHeads);
    count("attention.head_count_kv", kv_heads());
    count("attention.key_length", kHeadDim);
    count("attention.value_length", kHeadDim);
    count("context_length", kContext);
    number(family_ == "phi2" ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon", 1e-6f);
    if (family_ == "phi2") count("rope.dimension_count", 24);
    if (family_ == "phi3") {
      number("rope.scaling.attn_factor", 1.2f);
      count("rope.scaling.original_context_length", kContext);
      count("attention.sliding_window", 37);
    }
    if (family_ == "gemma2") number("attn_logit_softcapping", 5);
    if (family_ == "gemma2") number("final_logit_softcapping", 4);
    if (gemma()) count("attention.sliding_window", 19);
    if (family_ == "qwen35") {
      count("rope.dimension_count", 16);
      count("full_attention_interval", 2);
      count("ssm.conv_kernel", 4);
      count("ssm.state_size", kKeyDim);
      count("ssm.group_count", kKeyHeads);
      count("ssm.time_step_rank", kValueHeads);
      count("ssm.inner_size", kWidth);
    }
    if (family_ == "gemma3") {
      count("attention.sliding_window_pattern", 2);
      number("rope.freq_base", 1e6f);
      writer_.add("gemma3.rope.scaling.type", worker::gguf_text("linear"));
      number("rope.scaling.factor", 8);
    }
  }

  int kv_heads() const { return family_ == "phi2" ? kHeads : 2; }

  void delta_net(const std::string& block) {
    const int channels = 2 * kKeyHeads * kKeyDim + kWidth;
    linear(block + "attn_qkv", channels, kWidth, false, 2);
    linear(block + "attn_gate", kWidth, kWidth, false, 1);
    linear(block + "ssm_alpha", kValueHeads, kWidth, false, 1);
    linear(block + "ssm_beta", kValueHeads, kWidth, false, 1);
    vector(block + "ssm_conv1d.weight", 4 * channels, -1, 1, {4, channels});
    vector(block + "ssm_a", kValueHeads, -1, -0.05f);
    vector(block + "ssm_dt.bias", kValueHeads, -0.5f, 0.5f);
    vector(block + "ssm_norm.weight", kWidth / kValueHeads, 0.5f, 1.5f);
    linear(block + "ssm_out", kWidth, kWidth, false, 1);
  }

  void attention(const std::string& block) {
    const bool phi2 = family_ == "phi2", qwen35 = family_ == "qwen35";
    const int mixed = kHeads * kHeadDim, kv = kv_heads() * kHeadDim;
    if (phi2 || family_ == "phi3") {
      linear(block + "attn_qkv", mixed + 2 * kv, kWidth, phi2, 2);
    } else {
      const bool bias = family_ == "qwen2";
      linear(block + "attn_q", qwen35 ? 2 * mixed : mixed, kWidth, bias, 2);
      linear(block + "attn_k", kv, kWidth, bias, 2);
      linear(block + "attn_v", kv, kWidth, bias, 1);
    }
    linear(block + "attn_output", kWidth, mixed, phi2, 1);
    if (qwen35 || family_ == "qwen3" || family_ == "gemma3") {
      norm(block + "attn_q_norm", kHeadDim);
      norm(block + "attn_k_norm", kHeadDim);
    }
  }

  void layer(const std::string& block, int index) {
    const bool phi2 = family_ == "phi2";
    norm(block + "attn_norm", kWidth);
    if (family_ == "qwen35" && index % 2 == 0)
      delta_net(block);
    else
      attention(block);
    if (gemma()) {
      norm(block + "post_attention_norm", kWidth);
      norm(block + "post_ffw_norm", kWidth);
    }
    if (!phi2) norm(block + (family_ == "qwen35" ? "post_attention_norm" : "ffn_norm"), kWidth);
    if (!phi2 && family_ != "phi3") linear(block + "ffn_gate", kFfn, kWidth, false, 1);
    linear(block + "ffn_up", family_ == "phi3" ? 2 * kFfn : kFfn, kWidth, phi2, 1);
    linear(block + "ffn_down", kWidth, kFfn, phi2, 1);
  }

  void matrix(const std::string& name, std::int64_t rows, std::int64_t cols, float gain) {
    bench::detail::fill(data_.emplace_back(), kernels::Format::kBF16, rows * cols, cols, gain, 1, stream_++);
    writer_.add_tensor(name + ".weight", {cols, rows}, kernels::Format::kBF16, data_.back());
  }
  void linear(const std::string& name, std::int64_t rows, std::int64_t cols, bool bias, float gain) {
    matrix(name, rows, cols, gain);
    if (bias) vector(name + ".bias", rows, -0.5f, 0.5f);
  }
  void norm(const std::string& name, std::int64_t n) {
    vector(name + ".weight", n, 0.5f, 1.5f);
    if (family_ == "phi2") vector(name + ".bias", n, -0.5f, 0.5f);
  }
  void vector(const std::string& name, std::int64_t n, float low, float high,
              std::vector<std::int64_t> shape = {}) {
    const kernels::RandomStream random{2, stream_++};
    std::vector<std::byte>& bytes = data_.emplace_back(static_cast<std::size_t>(4 * n));
    for (std::int64_t i = 0; i < n; ++i) {
      const float x =
          low + (high - low) * static_cast<float>(random.below(static_cast<std::uint64_t>(i), 4096)) / 4096;
      std::memcpy(bytes.data() + 4 * i, &x, 4);
    }
    if (shape.empty()) shape = {n};
    writer_.add_tensor(name, shape, kernels::Format::kF32, bytes);
  }

  std::string family_;
  int layers_;
  worker::GgufWriter writer_;
  std::list<std::vector<std::byte>> data_;
  std::uint64_t stream_ = 0;
};

}  // namespace brinkmap::tests
