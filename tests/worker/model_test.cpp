#include "worker/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>

#include "schedule/error.h"
#include "tests/reference.h"

namespace brinkmap::worker {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// A complete one-layer llama of zeros, of which a test changes one thing.
struct Parts {
  std::map<std::string, GgufValue> keys;
  std::map<std::string, std::vector<std::int64_t>> tensors;

  Parts() {
    const auto count = [&](const std::string& name, std::uint32_t v) { keys["llama." + name] = gguf_u32(v); };
    keys["general.architecture"] = gguf_text("llama");
    count("block_count", 1);
    count("embedding_length", 32);
    count("feed_forward_length", 64);
    count("attention.head_count", 4);
    count("attention.head_count_kv", 2);
    count("context_length", 100);
    keys["llama.attention.layer_norm_rms_epsilon"] = gguf_f32(1e-5f);
    tensors = {{"token_embd.weight", {32, 10}},
               {"output_norm.weight", {32}},
               {"output.weight", {32, 10}},
               {"blk.0.attn_norm.weight", {32}},
               {"blk.0.ffn_norm.weight", {32}},
               {"blk.0.attn_q.weight", {32, 32}},
               {"blk.0.attn_k.weight", {32, 16}},
               {"blk.0.attn_v.weight", {32, 16}},
               {"blk.0.attn_output.weight", {32, 32}},
               {"blk.0.ffn_gate.weight", {32, 64}},
               {"blk.0.ffn_up.weight", {32, 64}},
               {"blk.0.ffn_down.weight", {64, 32}}};
  }

  std::shared_ptr<const Model> load() const {
    const std::string path = testing::TempDir() + "model-" + std::to_string(::getpid()) + ".gguf";
    GgufWriter writer;
    for (const auto& [key, value] : keys) writer.add(key, value);
    const std::vector<std::byte> zeros(1 << 16);
    for (const auto& [name, shape] : tensors) {
      std::int64_t n = 1;
      for (auto d : shape) n *= d;
      writer.add_tensor(name, shape, kernels::Format::kF32,
                        std::span(zeros).first(static_cast<std::size_t>(4 * n)));
    }
    writer.write(path);
    kernels::ThreadPool pool(1);
    const auto file = Checkpoint::open(path);
    std::filesystem::remove(path);
    return load_model(make_row(file, "as-is", pool));
  }

  std::string refusal() const {
    try {
      load();
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  }
};

TEST(Model, ReadsHyperParametersAndBindsTensors) {
  const auto model = Parts().load();
  const ModelConfig& c = model->config;
  EXPECT_EQ(c.architecture->name, "llama");
  EXPECT_EQ(c.layers, 1);
  EXPECT_EQ(c.head_dim, 8);
  EXPECT_EQ(c.rope_dims, 8);
  EXPECT_EQ(c.vocab, 10);
  EXPECT_EQ(c.window, 0);
  EXPECT_EQ(model->layers[0].k.weight.rows, 16);
  EXPECT_EQ(model->layers[0].down.weight.cols, 64);
  EXPECT_NE(model->output.weight.data, model->embedding.data);
}

TEST(Model, TiesTheOutputToTheEmbeddingWhenThereIsNone) {
  Parts parts;
  parts.tensors.erase("output.weight");
  const auto model = parts.load();
  EXPECT_EQ(model->output.weight.data, model->embedding.data);
}

TEST(Model, CombinesFrequencyFactorsWithLinearScaling) {
  Parts parts;
  EXPECT_TRUE(parts.load()->rope.factors.empty());
  parts.keys["llama.rope.scaling.type"] = gguf_text("linear");
  parts.keys["llama.rope.scaling.factor"] = gguf_f32(4.0f);
  EXPECT_EQ(parts.load()->rope.factors, (std::vector<float>{4, 4, 4, 4}));
  parts.tensors["rope_freqs.weight"] = {4};
  EXPECT_THAT(parts.refusal(), AllOf(HasSubstr("rope_freqs.weight"), HasSubstr("positive")));
}

TEST(Model, NamesTheKeyThatIsMissingAbsurdOrContradictory) {
  const struct {
    std::string key;
    std::optional<GgufValue> value;
    std::vector<std::string> says;
  } cases[] = {
      {"general.architecture", gguf_text("mamba"), {"general.architecture", "llama", "mamba"}},
      {"llama.block_count", std::nullopt, {"llama.block_count"}},
      {"llama.block_count", gguf_u32(0), {"llama.block_count", "from 1"}},
      {"llama.block_count", gguf_u32(4000000000u), {"llama.block_count", "4000000000"}},
      {"llama.embedding_length", gguf_u32(4000000000u), {"llama.embedding_length"}},
      {"llama.attention.head_count", gguf_u32(5), {"llama.attention.head_count"}},
      {"llama.attention.head_count_kv", gguf_u32(3), {"llama.attention.head_count_kv", "divisor"}},
      {"llama.attention.head_count_kv", gguf_u32(0), {"llama.attention.head_count_kv"}},
      {"llama.attention.value_length", gguf_u32(16), {"llama.attention.value_length", "8"}},
      {"llama.rope.dimension_count", gguf_u32(7), {"llama.rope.dimension_count", "even"}},
      {"llama.rope.dimension_count", gguf_u32(10), {"llama.rope.dimension_count", "8"}},
      {"llama.rope.freq_base", gguf_f32(-1.0f), {"llama.rope.freq_base"}},
      {"llama.rope.scaling.type", gguf_text("yarn"), {"llama.rope.scaling.type", "yarn", "linear"}},
      {"llama.attention.layer_norm_rms_epsilon", std::nullopt, {"layer_norm_rms_epsilon"}},
      {"llama.attention.layer_norm_rms_epsilon", gguf_f32(2.0f), {"layer_norm_rms_epsilon"}},
      {"llama.context_length", gguf_u32(0), {"llama.context_length"}},
      {"llama.vocab_size", gguf_u32(11), {"llama.vocab_size", "10", "11"}},
      {"llama.expert_count", gguf_u32(8), {"llama.expert_count", "8"}},
      {"llama.logit_scale", gguf_f32(0.5f), {"llama.logit_scale"}},
      {"tokenizer.ggml.tokens",
       gguf_texts(std::vector<std::string>{"a", "b"}),
       {"tokenizer.ggml.tokens", "10", "2"}},
  };
  for (const auto& c : cases) {
    Parts parts;
    if (c.value)
      parts.keys[c.key] = *c.value;
    else
      parts.keys.erase(c.key);
    const std::string error = parts.refusal();
    for (const std::string& text : c.says) EXPECT_THAT(error, HasSubstr(text)) << c.key;
  }
}

TEST(Model, NamesTheTensorThatIsMissingMisshapenOrUnused) {
  const auto refusal = [](const std::function<void(Parts&)>& change) {
    Parts parts;
    change(parts);
    return parts.refusal();
  };
  EXPECT_THAT(refusal([](Parts& p) { p.tensors.erase("blk.0.ffn_up.weight"); }),
              AllOf(HasSubstr("blk.0.ffn_up.weight"), HasSubstr("missing")));
  EXPECT_THAT(refusal([](Parts& p) { p.tensors.erase("token_embd.weight"); }),
              HasSubstr("token_embd.weight"));
  EXPECT_THAT(refusal([](Parts& p) {
                p.tensors["blk.0.attn_k.weight"] = {32, 32};
              }),
              AllOf(HasSubstr("blk.0.attn_k.weight"), HasSubstr("[32, 16]"), HasSubstr("[32, 32]")));
  EXPECT_THAT(refusal([](Parts& p) { p.tensors["output_norm.weight"] = {33}; }),
              HasSubstr("output_norm.weight"));
  EXPECT_THAT(refusal([](Parts& p) { p.tensors["blk.0.attn_norm.bias"] = {32}; }),
              AllOf(HasSubstr("blk.0.attn_norm.bias"), HasSubstr("no such tensor")));
  EXPECT_THAT(refusal([](Parts& p) { p.tensors["blk.0.attn_q.bias"] = {16}; }),
              AllOf(HasSubstr("blk.0.attn_q.bias"), HasSubstr("[32]")));
  EXPECT_THAT(refusal([](Parts& p) { p.tensors["blk.1.attn_norm.weight"] = {32}; }),
              HasSubstr("blk.1.attn_norm.weight"));
}

// The same model of another family.
Parts of_family(const std::string& family) {
  Parts parts;
  std::map<std::string, GgufValue> keys;
  for (auto& [key, value] : parts.keys)
    keys[key.starts_with("llama.") ? family + key.substr(5) : key] = value;
  keys["general.architecture"] = gguf_text(family);
  parts.keys = keys;
  return parts;
}

TEST(Model, BindsAFusedTensorAsItsParts) {
  Parts parts = of_family("phi3");
  for (const char* name : {"attn_q", "attn_k", "attn_v", "ffn_gate", "ffn_up"})
    parts.tensors.erase("blk.0." + std::string(name) + ".weight");
  parts.tensors["blk.0.attn_qkv.weight"] = {32, 64};
  parts.tensors["blk.0.ffn_up.weight"] = {32, 128};
  const auto model = parts.load();
  const LayerWeights& w = model->layers[0];
  EXPECT_EQ(w.k.weight.data, w.q.weight.data + 32 * 32 * 4);
  EXPECT_EQ(w.v.weight.data, w.k.weight.data + 16 * 32 * 4);
  EXPECT_EQ(w.v.weight.rows, 16);
  EXPECT_EQ(w.up.weight.data, w.gate.weight.data + 64 * 32 * 4);
  EXPECT_EQ(w.up.weight.rows, 64);
  parts.tensors["blk.0.attn_q.weight"] = {32, 32};
  EXPECT_THAT(parts.refusal(), HasSubstr("blk.0.attn_q.weight"));
}

TEST(Model, NeedsTheBiasesOfItsFamily) {
  Parts parts = of_family("qwen2");
  EXPECT_THAT(parts.refusal(), AllOf(HasSubstr("blk.0.attn_q.bias"), HasSubstr("missing")));
  parts.tensors["blk.0.attn_q.bias"] = {32};
  parts.tensors["blk.0.attn_k.bias"] = parts.tensors["blk.0.attn_v.bias"] = {16};
  const auto model = parts.load();
  EXPECT_NE(model->layers[0].q.bias, nullptr);
  EXPECT_EQ(model->layers[0].output.bias, nullptr);
}

std::vector<int> windows(const Parts& parts) {
  std::vector<int> out;
  const auto model = parts.load();
  for (const LayerKind& kind : model->config.kinds) out.push_back(kind.window * (kind.local ? -1 : 1));
  return out;
}

// Seven layers of the first one's tensors.
void stretch(Parts& parts, const std::string& family) {
  parts.keys[family + ".block_count"] = gguf_u32(7);
  auto tensors = parts.tensors;
  for (const auto& [name, shape] : tensors)
    for (int l = 1; l < 7; ++l)
      if (name.starts_with("blk.0.")) parts.tensors["blk." + std::to_string(l) + name.substr(5)] = shape;
}

TEST(Model, GivesWindowsToTheBlocksOfTheFamilysPattern) {
  Parts parts = of_family("llama");
  stretch(parts, "llama");
  EXPECT_EQ(windows(parts), (std::vector<int>{0, 0, 0, 0, 0, 0, 0}));
  parts.keys["llama.attention.sliding_window"] = gguf_u32(9);
  EXPECT_EQ(windows(parts), (std::vector<int>{9, 9, 9, 9, 9, 9, 9}));

  parts = of_family("gemma2");
  parts.tensors["blk.0.post_attention_norm.weight"] = parts.tensors["blk.0.post_ffw_norm.weight"] = {32};
  stretch(parts, "gemma2");
  EXPECT_EQ(windows(parts), (std::vector<int>{4096, 0, 4096, 0, 4096, 0, 4096}));
  EXPECT_EQ(parts.load()->config.attention_cap, 50.0f);
  EXPECT_EQ(parts.load()->config.logit_cap, 30.0f);
  EXPECT_EQ(parts.load()->config.embedding_scale, std::sqrt(32.0f));

  parts = of_family("gemma3");
  parts.tensors["blk.0.post_attention_norm.weight"] = parts.tensors["blk.0.post_ffw_norm.weight"] = {32};
  parts.tensors["blk.0.attn_q_norm.weight"] = parts.tensors["blk.0.attn_k_norm.weight"] = {8};
  stretch(parts, "gemma3");
  EXPECT_EQ(windows(parts), (std::vector<int>{0, 0, 0, 0, 0, 0, 0}));
  parts.keys["gemma3.attention.sliding_window"] = gguf_u32(9);
  EXPECT_EQ(windows(parts), (std::vector<int>{-9, -9, -9, -9, -9, 0, -9}));
  parts.keys["gemma3.attention.sliding_window_pattern"] = gguf_u32(3);
  EXPECT_EQ(windows(parts), (std::vector<int>{-9, -9, 0, -9, -9, 0, -9}));
}

TEST(Model, ReadsWhichBlocksAreRecurrentAndLeavesTheGuessingBlocksOut) {
  Parts parts = of_family("qwen35");
  parts.keys["qwen35.block_count"] = gguf_u32(2);
  parts.keys["qwen35.nextn_predict_layers"] = gguf_u32(1);
  parts.keys["qwen35.full_attention_interval"] = gguf_u32(1);
  parts.tensors["blk.0.attn_q.weight"] = {32, 64};
  parts.tensors["blk.0.attn_q_norm.weight"] = parts.tensors["blk.0.attn_k_norm.weight"] = {8};
  parts.tensors["blk.0.post_attention_norm.weight"] = {32};
  parts.tensors.erase("blk.0.ffn_norm.weight");
  parts.tensors["blk.1.nextn.eh_proj.weight"] = {64, 32};
  const auto attention = parts.load();
  EXPECT_EQ(attention->config.layers, 1);
  EXPECT_FALSE(attention->config.kinds[0].recurrent);
  EXPECT_EQ(attention->layers[0].q.weight.rows, 64);
  parts.tensors["blk.2.attn_norm.weight"] = {32};
  EXPECT_THAT(parts.refusal(), HasSubstr("blk.2.attn_norm.weight"));
  parts.tensors.erase("blk.2.attn_norm.weight");

  parts.keys["qwen35.full_attention_interval"] = gguf_u32(4);
  EXPECT_THAT(parts.refusal(), HasSubstr("qwen35.ssm.conv_kernel"));
  parts.keys["qwen35.ssm.conv_kernel"] = gguf_u32(4);
  parts.keys["qwen35.ssm.state_size"] = gguf_u32(8);
  parts.keys["qwen35.ssm.group_count"] = gguf_u32(2);
  parts.keys["qwen35.ssm.time_step_rank"] = gguf_u32(3);
  parts.keys["qwen35.ssm.inner_size"] = gguf_u32(40);
  EXPECT_THAT(parts.refusal(), AllOf(HasSubstr("qwen35.ssm.time_step_rank"), HasSubstr("2 key heads")));
  parts.keys["qwen35.ssm.time_step_rank"] = gguf_u32(4);
  EXPECT_THAT(parts.refusal(), AllOf(HasSubstr("blk.0.attn_qkv.weight"), HasSubstr("[32, 72]")));
  for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_q_norm", "attn_k_norm", "attn_output"})
    parts.tensors.erase("blk.0." + std::string(name) + ".weight");
  parts.tensors["blk.0.attn_qkv.weight"] = {32, 72};
  parts.tensors["blk.0.attn_gate.weight"] = {32, 40};
  parts.tensors["blk.0.ssm_alpha.weight"] = parts.tensors["blk.0.ssm_beta.weight"] = {32, 4};
  parts.tensors["blk.0.ssm_conv1d.weight"] = {4, 72};
  parts.tensors["blk.0.ssm_a"] = parts.tensors["blk.0.ssm_dt.bias"] = {4};
  parts.tensors["blk.0.ssm_norm.weight"] = {10};
  parts.tensors["blk.0.ssm_out.weight"] = {40, 32};
  const auto model = parts.load();
  EXPECT_TRUE(model->config.kinds[0].recurrent);
  EXPECT_EQ(model->layers[0].output.weight.cols, 40);
  EXPECT_EQ(model->config.delta.value_dim, 10);
}

TEST(Model, StaysWithinTheOriginalContextOfLongRope) {
  Parts parts = of_family("phi3");
  parts.tensors["rope_factors_long.weight"] = {4};
  parts.tensors["rope_factors_short.weight"] = {4};
  EXPECT_THAT(parts.refusal(), HasSubstr("phi3.rope.scaling.original_context_length"));
  parts.keys["phi3.rope.scaling.original_context_length"] = gguf_u32(40);
  EXPECT_THAT(parts.refusal(), AllOf(HasSubstr("rope_factors_long.weight"), HasSubstr("positive")));
  parts.keys["phi3.rope.scaling.type"] = gguf_text("linear");
  EXPECT_THAT(parts.refusal(), AllOf(HasSubstr("phi3.rope.scaling.type"), HasSubstr("linear")));
}

TEST(Model, ScalesScoresByTheStatedFactor) {
  Parts parts;
  EXPECT_EQ(parts.load()->config.attention_scale, 1 / std::sqrt(8.0f));
  parts.keys["llama.attention.scale"] = gguf_f32(0.25f);
  EXPECT_EQ(parts.load()->config.attention_scale, 0.25f);
  parts.keys["llama.attention.scale"] = gguf_f32(-0.25f);
  EXPECT_THAT(parts.refusal(), HasSubstr("llama.attention.scale"));
}

TEST(Model, FactsOfAReferenceFile) {
  BRINKMAP_NEEDS_REFERENCE("logits/llama/llama-F16.gguf");
  const auto facts = model_facts(*Checkpoint::open(tests::reference("logits/llama/llama-F16.gguf").string()));
  EXPECT_EQ(facts.layers, 3);
  EXPECT_EQ(facts.width, 256);
  EXPECT_EQ(facts.attention_width, 3 * 256);
  EXPECT_EQ(facts.vocab, 512);
  EXPECT_EQ(facts.context, 512);
  EXPECT_EQ(facts.file_bytes, 4083552u);
  EXPECT_EQ(facts.sha256, "0d12107c64c2f31a84a691f4b3035158e9f17e6df565829a328f044087d0d7f1");
}

}  // namespace
}  // namespace brinkmap::worker
