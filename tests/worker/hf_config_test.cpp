#include "worker/hf_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "schedule/error.h"
#include "tests/worker/hf_files.h"

namespace brinkmap::worker {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

const std::string kFile = "m/config.json";

json config(const std::string& type, const json& more = json::object()) {
  json out = {
      {"model_type", type},       {"num_hidden_layers", 4},   {"hidden_size", 64}, {"intermediate_size", 96},
      {"num_attention_heads", 4}, {"num_key_value_heads", 2}, {"vocab_size", 300}, {"head_dim", 16}};
  out.update(more);
  return out;
}

HfConfig read(const json& root) { return parse_hf_config(root, kFile); }

std::string refusal(const json& root) {
  try {
    read(root);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

// A metadata value as text; "absent".
std::string value(const HfConfig& c, const std::string& key) {
  for (const auto& [name, found] : c.metadata) {
    if (name != c.architecture + "." + key && name != key) continue;
    if (const auto* text = std::get_if<std::string>(&found.value)) return *text;
    if (const auto* n = std::get_if<std::uint64_t>(&found.value)) return std::to_string(*n);
    if (const auto* d = std::get_if<double>(&found.value)) return json(static_cast<float>(*d)).dump();
    std::string list;
    for (const GgufValue& element : *std::get<std::shared_ptr<const GgufArray>>(found.value))
      if (const auto* flag = std::get_if<bool>(&element.value))
        list += *flag ? '1' : '0';
      else
        list += std::to_string(std::get<std::int64_t>(element.value)) + " ";
    return list;
  }
  return "absent";
}

TEST(HfConfig, GivesLlamaItsMetadata) {
  const HfConfig c = read(
      config("llama", {{"rms_norm_eps", 1e-5}, {"rope_theta", 500000}, {"max_position_embeddings", 512}}));
  EXPECT_EQ(c.architecture, "llama");
  EXPECT_FALSE(c.tied);
  EXPECT_EQ(value(c, "general.architecture"), "llama");
  EXPECT_EQ(value(c, "block_count"), "4");
  EXPECT_EQ(value(c, "context_length"), "512");
  EXPECT_EQ(value(c, "embedding_length"), "64");
  EXPECT_EQ(value(c, "feed_forward_length"), "96");
  EXPECT_EQ(value(c, "attention.head_count"), "4");
  EXPECT_EQ(value(c, "attention.head_count_kv"), "2");
  EXPECT_EQ(value(c, "attention.key_length"), "16");
  EXPECT_EQ(value(c, "rope.dimension_count"), "16");
  EXPECT_EQ(value(c, "rope.freq_base"), "500000.0");
  EXPECT_EQ(value(c, "attention.layer_norm_rms_epsilon"), "9.999999747378752e-06");
  EXPECT_EQ(value(c, "vocab_size"), "300");
  EXPECT_EQ(value(c, "attention.sliding_window"), "absent");
}

TEST(HfConfig, AssumesWhatAFamilysClassAssumes) {
  json bare = config("llama");
  bare.erase("num_key_value_heads");
  bare.erase("head_dim");
  EXPECT_EQ(value(read(bare), "attention.head_count_kv"), "4");
  EXPECT_EQ(value(read(bare), "attention.key_length"), "absent");
  EXPECT_EQ(value(read(bare), "rope.freq_base"), "10000.0");
  bare["model_type"] = "mistral";
  bare["num_attention_heads"] = 8;
  EXPECT_EQ(value(read(bare), "attention.head_count_kv"), "8");
  EXPECT_EQ(value(read(bare), "attention.sliding_window"), "4096");
  bare["num_key_value_heads"] = nullptr;
  bare["sliding_window"] = nullptr;
  EXPECT_EQ(value(read(bare), "attention.head_count_kv"), "8");
  EXPECT_EQ(value(read(bare), "attention.sliding_window"), "absent");
  bare["model_type"] = "qwen3";
  EXPECT_EQ(value(read(bare), "attention.key_length"), "128");
  EXPECT_TRUE(read(config("gemma2")).tied);
}

TEST(HfConfig, ReadsEveryRopeScalingInItsOldAndNewForm) {
  const auto scaled = [](const std::string& type, const json& scaling, const json& more = json::object()) {
    json root = config(type, {{"rope_scaling", scaling}});
    root.update(more);
    return read(root);
  };
  const HfConfig linear = scaled("llama", {{"type", "linear"}, {"factor", 4}});
  EXPECT_EQ(value(linear, "rope.scaling.type"), "linear");
  EXPECT_EQ(value(linear, "rope.scaling.factor"), "4.0");
  const HfConfig renamed = read(
      config("llama", {{"rope_parameters", {{"rope_type", "linear"}, {"factor", 4}, {"rope_theta", 77}}}}));
  EXPECT_EQ(value(renamed, "rope.scaling.factor"), "4.0");
  EXPECT_EQ(value(renamed, "rope.freq_base"), "77.0");

  const HfConfig llama3 = scaled("llama",
                                 {{"rope_type", "llama3"},
                                  {"factor", 8.0},
                                  {"low_freq_factor", 1.0},
                                  {"high_freq_factor", 4.0},
                                  {"original_max_position_embeddings", 64}},
                                 {{"rope_theta", 10000.0}});
  ASSERT_EQ(llama3.tensors.size(), 1u);
  EXPECT_EQ(llama3.tensors[0].first, "rope_freqs.weight");
  const std::vector<float>& f = llama3.tensors[0].second;
  ASSERT_EQ(f.size(), 8u);
  EXPECT_EQ(f[0], 1.0f);  // wavelength 6.28, below 64 / 4
  // Wavelength 19.87, between 16 and 64: smooth = (64 / 19.87 - 1) / 3.
  const double smooth = (64 / (2 * M_PI * std::pow(10000.0, 0.125)) - 1) / 3;
  EXPECT_FLOAT_EQ(f[1], static_cast<float>(1 / ((1 - smooth) / 8 + smooth)));
  EXPECT_EQ(f[7], 8.0f);  // above 64

  json factors = {{"type", "longrope"}, {"short_factor", json::array()}, {"long_factor", json::array()}};
  for (int i = 0; i < 8; ++i) {
    factors["short_factor"].push_back(1 + i);
    factors["long_factor"].push_back(2 + i);
  }
  const json lengths = {{"max_position_embeddings", 8192}, {"original_max_position_embeddings", 4096}};
  const HfConfig longrope = scaled("phi3", factors, lengths);
  ASSERT_EQ(longrope.tensors.size(), 2u);
  EXPECT_EQ(longrope.tensors[0].first, "rope_factors_long.weight");
  EXPECT_EQ(longrope.tensors[1].second[7], 8.0f);
  EXPECT_EQ(value(longrope, "rope.scaling.original_context_length"), "4096");
  const float attention = std::sqrt(static_cast<float>(1 + std::log(2.0) / std::log(4096.0)));
  EXPECT_EQ(value(longrope, "rope.scaling.attn_factor"), json(attention).dump());

  const HfConfig gemma =
      read(config("gemma3_text", {{"rope_scaling", {{"rope_type", "linear"}, {"factor", 8}}},
                                  {"rope_theta", 1e6},
                                  {"rope_local_base_freq", 20000}}));
  EXPECT_EQ(value(gemma, "rope.freq_base_swa"), "20000.0");
  const HfConfig split = read(config(
      "gemma3_text", {{"rope_parameters",
                       {{"full_attention", {{"rope_type", "linear"}, {"factor", 8}, {"rope_theta", 1e6}}},
                        {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 20000}}}}}}));
  for (const char* key : {"rope.freq_base", "rope.freq_base_swa", "rope.scaling.type", "rope.scaling.factor"})
    EXPECT_EQ(value(split, key), value(gemma, key)) << key;
}

TEST(HfConfig, GivesPhiAndGemmaWhatOnlyTheyHave) {
  const HfConfig phi2 = read(config("phi", {{"partial_rotary_factor", 0.5}, {"layer_norm_eps", 1e-5}}));
  EXPECT_EQ(phi2.architecture, "phi2");
  EXPECT_EQ(value(phi2, "rope.dimension_count"), "8");
  EXPECT_NE(value(phi2, "attention.layer_norm_epsilon"), "absent");
  EXPECT_EQ(value(phi2, "attention.layer_norm_rms_epsilon"), "absent");
  EXPECT_EQ(value(read(config("phi3", {{"sliding_window", 32}})), "attention.sliding_window"), "32");

  const HfConfig gemma2 = read(config("gemma2", {{"query_pre_attn_scalar", 16}}));
  EXPECT_EQ(value(gemma2, "attn_logit_softcapping"), "50.0");
  EXPECT_EQ(value(gemma2, "final_logit_softcapping"), "30.0");
  EXPECT_EQ(value(gemma2, "attention.scale"), "absent");
  EXPECT_EQ(value(gemma2, "attention.sliding_window_pattern"), "absent");
  EXPECT_EQ(value(read(config("gemma2", {{"query_pre_attn_scalar", 64}})), "attention.scale"), "0.125");
  EXPECT_EQ(value(read(config("gemma2", {{"final_logit_softcapping", nullptr}})), "final_logit_softcapping"),
            "absent");
  const json types = {"sliding_attention", "full_attention", "full_attention", "sliding_attention"};
  EXPECT_EQ(value(read(config("gemma3_text", {{"layer_types", types}})), "attention.sliding_window_pattern"),
            "1001");
  const json full = {"full_attention", "full_attention", "full_attention", "full_attention"};
  EXPECT_EQ(value(read(config("gemma2", {{"layer_types", full}})), "attention.sliding_window"), "0");
  const json window = {{"use_sliding_window", true}, {"sliding_window", 9}, {"max_window_layers", 3}};
  EXPECT_EQ(value(read(config("qwen2", window)), "attention.sliding_window_pattern"), "0001");
  EXPECT_EQ(value(read(config("qwen2", window)), "attention.sliding_window"), "9");
  EXPECT_EQ(value(read(config("qwen2", {{"sliding_window", 9}})), "attention.sliding_window"), "absent");
}

TEST(HfConfig, ReadsTheTextPartOfAMultimodalModel) {
  const json text = config("qwen3_5_text", {{"linear_num_key_heads", 2},
                                            {"linear_num_value_heads", 4},
                                            {"linear_key_head_dim", 8},
                                            {"linear_value_head_dim", 8},
                                            {"rope_parameters",
                                             {{"rope_theta", 1e7},
                                              {"partial_rotary_factor", 0.25},
                                              {"mrope_section", {1, 1, 0}},
                                              {"rope_type", "default"}}}});
  const HfConfig c = read({{"model_type", "qwen3_5"}, {"tie_word_embeddings", true}, {"text_config", text}});
  EXPECT_EQ(c.architecture, "qwen35");
  EXPECT_TRUE(c.tied);
  EXPECT_EQ(value(c, "rope.dimension_count"), "4");
  EXPECT_EQ(value(c, "rope.freq_base"), "10000000.0");
  EXPECT_EQ(value(c, "rope.dimension_sections"), "1 1 0 0 ");
  EXPECT_EQ(value(c, "ssm.conv_kernel"), "4");
  EXPECT_EQ(value(c, "ssm.state_size"), "8");
  EXPECT_EQ(value(c, "ssm.group_count"), "2");
  EXPECT_EQ(value(c, "ssm.time_step_rank"), "4");
  EXPECT_EQ(value(c, "ssm.inner_size"), "32");
  EXPECT_EQ(value(c, "full_attention_interval"), "4");
  EXPECT_EQ(value(c, "attention.recurrent_layers"), "absent");
}

TEST(HfConfig, RefusesWhatItCannotComputeNamingTheKey) {
  struct Case {
    json root;
    std::vector<std::string> parts;
  };
  json no_layers = config("llama");
  no_layers.erase("num_hidden_layers");
  json no_type = config("llama");
  no_type.erase("model_type");
  const Case cases[] = {
      {no_type, {"'model_type'", "missing"}},
      {config("mamba"), {"'model_type'", "llama, mistral, qwen2", "found 'mamba'"}},
      {config("llama", {{"model_type", 7}}), {"'model_type'", "expected text"}},
      {no_layers, {"'num_hidden_layers'", "missing"}},
      {config("llama", {{"num_hidden_layers", 0}}), {"'num_hidden_layers'", "found 0"}},
      {config("llama", {{"num_hidden_layers", 1e9}}), {"'num_hidden_layers'"}},
      {config("llama", {{"num_hidden_layers", 18446744073709551615u}}), {"'num_hidden_layers'"}},
      {config("llama", {{"hidden_size", -64}}), {"'hidden_size'", "found -64"}},
      {config("llama", {{"hidden_size", "64"}}), {"'hidden_size'", "found \"64\""}},
      {config("llama", {{"num_key_value_heads", 3}}), {"'num_key_value_heads'", "divisor of the 4"}},
      {config("llama", {{"head_dim", nullptr}, {"num_attention_heads", 6}}),
       {"'num_attention_heads'", "divisor"}},
      {config("llama", {{"head_dim", 1 << 20}}), {"'head_dim'", "more than"}},
      {config("llama", {{"head_dim", 15}}), {"even number"}},
      {config("llama", {{"hidden_act", "gelu"}}), {"'hidden_act'", "silu", "found 'gelu'"}},
      {config("llama", {{"rope_theta", 0}}), {"'rope_theta'", "positive"}},
      {config("llama", {{"rope_scaling", {{"type", "yarn"}, {"factor", 4}}}}),
       {"'rope_scaling.type'", "found 'yarn'"}},
      {config("llama", {{"rope_scaling", {{"rope_type", "dynamic"}}}}),
       {"'rope_scaling.rope_type'", "dynamic"}},
      {config("llama", {{"rope_scaling", {{"type", "linear"}}}}), {"'rope_scaling.factor'", "missing"}},
      {config("llama", {{"rope_scaling", 4}}), {"'rope_scaling'", "object"}},
      {config("llama", {{"rope_scaling", {{"rope_type", "llama3"}, {"factor", 8}}}}), {"'rope_scaling."}},
      {config("qwen2", {{"rope_scaling",
                         {{"rope_type", "llama3"},
                          {"factor", 8},
                          {"low_freq_factor", 1},
                          {"high_freq_factor", 4},
                          {"original_max_position_embeddings", 64}}}}),
       {"'rope_scaling.rope_type'", "llama only"}},
      {config("phi3", {{"rope_scaling", {{"type", "su"}, {"short_factor", {1}}, {"long_factor", {1}}}}}),
       {"'rope_scaling.long_factor'", "expected 8", "found 1"}},
      {config("llama", {{"tie_word_embeddings", "yes"}}), {"'tie_word_embeddings'", "true or false"}},
      {config("phi", {{"qk_layernorm", true}}), {"'qk_layernorm'", "found true"}},
      {config("llama", {{"num_local_experts", 8}}), {"'num_local_experts'", "found 8"}},
      {config("llama", {{"residual_multiplier", 0.5}}), {"'residual_multiplier'"}},
      {config("gemma3_text", {{"attn_logit_softcapping", 50}}), {"'attn_logit_softcapping'"}},
      {config("gemma3_text", {{"use_bidirectional_attention", true}}), {"'use_bidirectional_attention'"}},
      {config("gemma2", {{"layer_types", {"full_attention"}}}), {"'layer_types'", "found 1"}},
      {config("gemma2", {{"layer_types", {"a", "b", "c", "d"}}}), {"'layer_types'", "found 'a'"}},
      {config("qwen3_5_text", {{"attn_output_gate", false}}), {"'attn_output_gate'"}},
      {config("qwen3_5_text", {{"linear_num_value_heads", 33}}),
       {"'linear_num_value_heads'", "multiple of the 16"}},
      {config("llama", {{"text_config", 4}}), {"'text_config'", "object"}},
      {config("llama", {{"quantization_config", "4 bits"}}), {"'quantization_config'", "object"}},
  };
  for (const Case& c : cases) {
    const std::string found = refusal(c.root);
    EXPECT_THAT(found, HasSubstr("m/config.json: key ")) << c.root.dump();
    for (const std::string& part : c.parts) EXPECT_THAT(found, HasSubstr(part)) << c.root.dump();
  }
}

}  // namespace
}  // namespace brinkmap::worker
