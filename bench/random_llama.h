#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <list>
#include <string>
#include <utility>
#include <vector>

#include "kernels/half.h"
#include "kernels/philox.h"
#include "worker/gguf.h"

namespace brinkmap::bench {

// A llama model with random weights, for benchmarks and tests: what matters is that every tensor of the
// architecture is there and that activations keep about unit size. Other programs can read it too: it has a
// small SentencePiece vocabulary (three control tokens, 256 bytes, then made-up words).
struct RandomLlama {
  int layers = 2;
  int width = 256;
  int ffn = 512;
  int heads = 4;
  int kv_heads = 2;
  int head_dim = 64;
  int vocab = 300;
  int context = 256;
  int window = 0;
  bool tied = false;
  float output_gain = 1;  // scales the output tensor
  std::uint64_t seed = 1;
  kernels::Format format = kernels::Format::kBF16;  // or kF32, for rows that are read as-is

  void write(const std::string& path) const;
};

namespace detail {

// Uniform in [-a, a] with a = sqrt(3 / fan_in): products keep the variance of their input.
inline void fill(std::vector<std::byte>& out, kernels::Format format, std::int64_t n, std::int64_t fan_in,
                 float gain, std::uint64_t seed, std::uint64_t stream) {
  const kernels::RandomStream random{seed, stream};
  const float a = gain * std::sqrt(3.0f / static_cast<float>(fan_in));
  out.resize(kernels::row_bytes(format, n));
  for (std::int64_t i = 0; i < n; i += 4) {
    const auto words = random.block(static_cast<std::uint64_t>(i));
    for (std::int64_t j = i; j < n && j < i + 4; ++j) {
      const float unit =
          static_cast<float>(static_cast<std::int32_t>(words[static_cast<std::size_t>(j - i)])) * 0x1p-31f;
      const float w = unit * a;
      if (format == kernels::Format::kF32) {
        const auto bits = std::bit_cast<std::uint32_t>(w);
        for (int b = 0; b < 4; ++b)
          out[static_cast<std::size_t>(4 * j + b)] = static_cast<std::byte>(bits >> (8 * b));
      } else {
        const std::uint16_t bits = kernels::f32_to_bf16(w);
        out[static_cast<std::size_t>(2 * j)] = static_cast<std::byte>(bits);
        out[static_cast<std::size_t>(2 * j + 1)] = static_cast<std::byte>(bits >> 8);
      }
    }
  }
}

inline std::vector<std::byte> ones(std::int64_t n) {
  std::vector<std::byte> out(static_cast<std::size_t>(4 * n));
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    out[4 * i + 2] = static_cast<std::byte>(0x80);
    out[4 * i + 3] = static_cast<std::byte>(0x3f);
  }
  return out;
}

inline void add_vocabulary(worker::GgufWriter& writer, int vocab) {
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<std::int32_t> types;
  for (int i = 0; i < vocab; ++i) {
    const char* hex = "0123456789ABCDEF";
    if (i < 3) {
      tokens.push_back(i == 0 ? "<unk>" : i == 1 ? "<s>" : "</s>");
      types.push_back(i == 0 ? 2 : 3);
    } else if (i < 259) {
      tokens.push_back(std::string("<0x") + hex[(i - 3) >> 4] + hex[(i - 3) & 15] + ">");
      types.push_back(6);
    } else {
      tokens.push_back("\xe2\x96\x81w" + std::to_string(i));
      types.push_back(1);
    }
    scores.push_back(-static_cast<float>(i));
  }
  writer.add("tokenizer.ggml.model", worker::gguf_text("llama"));
  writer.add("tokenizer.ggml.tokens", worker::gguf_texts(tokens));
  writer.add("tokenizer.ggml.scores", worker::gguf_f32s(scores));
  writer.add("tokenizer.ggml.token_type", worker::gguf_i32s(types));
  writer.add("tokenizer.ggml.bos_token_id", worker::gguf_u32(1));
  writer.add("tokenizer.ggml.eos_token_id", worker::gguf_u32(2));
}

}  // namespace detail

inline void RandomLlama::write(const std::string& path) const {
  worker::GgufWriter writer;
  const auto count = [&](const std::string& key, int value) {
    writer.add("llama." + key, worker::gguf_u32(static_cast<std::uint32_t>(value)));
  };
  writer.add("general.architecture", worker::gguf_text("llama"));
  writer.add("general.name", worker::gguf_text("random llama"));
  writer.add("general.file_type", worker::gguf_u32(format == kernels::Format::kF32 ? 0 : 32));
  count("block_count", layers);
  count("embedding_length", width);
  count("feed_forward_length", ffn);
  count("attention.head_count", heads);
  count("attention.head_count_kv", kv_heads);
  count("attention.key_length", head_dim);
  count("attention.value_length", head_dim);
  count("rope.dimension_count", head_dim);
  count("context_length", context);
  count("vocab_size", vocab);
  if (window > 0) count("attention.sliding_window", window);
  writer.add("llama.attention.layer_norm_rms_epsilon", worker::gguf_f32(1e-5f));
  writer.add("llama.rope.freq_base", worker::gguf_f32(10000.0f));
  detail::add_vocabulary(writer, vocab);

  std::list<std::vector<std::byte>> data;
  std::uint64_t stream = 0;
  const auto matrix = [&](const std::string& name, std::int64_t rows, std::int64_t cols, float gain) {
    detail::fill(data.emplace_back(), format, rows * cols, cols, gain, seed, stream++);
    writer.add_tensor(name, {cols, rows}, format, data.back());
  };
  const auto norm = [&](const std::string& name) {
    writer.add_tensor(name, {width}, kernels::Format::kF32, data.emplace_back(detail::ones(width)));
  };
  // The embedding has unit rows, as a block's input.
  matrix("token_embd.weight", vocab, width, std::sqrt(static_cast<float>(width)) * 0.5f);
  norm("output_norm.weight");
  if (!tied) matrix("output.weight", vocab, width, 3 * output_gain);
  for (int l = 0; l < layers; ++l) {
    const std::string block = "blk." + std::to_string(l) + ".";
    norm(block + "attn_norm.weight");
    matrix(block + "attn_q.weight", heads * head_dim, width, 2);
    matrix(block + "attn_k.weight", kv_heads * head_dim, width, 2);
    matrix(block + "attn_v.weight", kv_heads * head_dim, width, 1);
    matrix(block + "attn_output.weight", width, heads * head_dim, 1);
    norm(block + "ffn_norm.weight");
    matrix(block + "ffn_gate.weight", ffn, width, 1);
    matrix(block + "ffn_up.weight", ffn, width, 1);
    matrix(block + "ffn_down.weight", width, ffn, 1);
  }
  writer.write(path);
}

}  // namespace brinkmap::bench
