#include "worker/hf_names.h"

#include <charconv>

namespace brinkmap::worker {

namespace {

using enum HfChange;

// Names: transformers, modeling_*.py of each family; llama.cpp, gguf-py/gguf/tensor_mapping.py.
constexpr HfName kGlobals[] = {
    {"model.embed_tokens", "token_embd"}, {"model.norm", "output_norm"}, {"lm_head", "output"}};
constexpr HfName kGlobalsPlusOne[] = {
    {"model.embed_tokens", "token_embd"}, {"model.norm", "output_norm", kPlusOne}, {"lm_head", "output"}};
constexpr HfName kGlobalsPhi2[] = {
    {"model.embed_tokens", "token_embd"}, {"model.final_layernorm", "output_norm"}, {"lm_head", "output"}};

constexpr HfName kLlama[] = {
    {"input_layernorm", "attn_norm"},
    {"self_attn.q_proj", "attn_q", kPermuteQ},
    {"self_attn.k_proj", "attn_k", kPermuteK},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"post_attention_layernorm", "ffn_norm"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
};
constexpr HfName kQwen[] = {
    {"input_layernorm", "attn_norm"},    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},      {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"}, {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"}, {"post_attention_layernorm", "ffn_norm"},
    {"mlp.gate_proj", "ffn_gate"},       {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
};
constexpr HfName kPhi2[] = {
    {"input_layernorm", "attn_norm"}, {"self_attn.q_proj", "attn_q"},     {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},   {"self_attn.dense", "attn_output"}, {"mlp.fc1", "ffn_up"},
    {"mlp.fc2", "ffn_down"},
};
constexpr HfName kPhi3[] = {
    {"input_layernorm", "attn_norm"},    {"self_attn.qkv_proj", "attn_qkv"},
    {"self_attn.o_proj", "attn_output"}, {"post_attention_layernorm", "ffn_norm"},
    {"mlp.gate_up_proj", "ffn_up"},      {"mlp.down_proj", "ffn_down"},
};
constexpr HfName kGemma[] = {
    {"input_layernorm", "attn_norm", kPlusOne},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm", kPlusOne},
    {"self_attn.k_norm", "attn_k_norm", kPlusOne},
    {"post_attention_layernorm", "post_attention_norm", kPlusOne},
    {"pre_feedforward_layernorm", "ffn_norm", kPlusOne},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
    {"post_feedforward_layernorm", "post_ffw_norm", kPlusOne},
};
constexpr HfName kQwen35[] = {
    {"input_layernorm", "attn_norm", kPlusOne},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm", kPlusOne},
    {"self_attn.k_norm", "attn_k_norm", kPlusOne},
    {"linear_attn.in_proj_qkv", "attn_qkv", kTileQkvRows},
    {"linear_attn.in_proj_z", "attn_gate", kTileRows},
    {"linear_attn.in_proj_b", "ssm_beta", kTileHeads},
    {"linear_attn.in_proj_a", "ssm_alpha", kTileHeads},
    {"linear_attn.conv1d", "ssm_conv1d", kConvolution},
    {"linear_attn.A_log", "ssm_a", kNegativeExp, true},
    {"linear_attn.dt_bias", "ssm_dt.bias", kTileHeads, true},
    {"linear_attn.norm", "ssm_norm"},
    {"linear_attn.out_proj", "ssm_out", kTileColumns},
    {"post_attention_layernorm", "post_attention_norm", kPlusOne},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
};

constexpr std::string_view kBlocks = "model.layers.";

bool is_multimodal(HfFamily family) { return family == HfFamily::kGemma3 || family == HfFamily::kQwen35; }

bool is_skipped(HfFamily family, std::string_view tensor) {
  // A buffer of old checkpoints; the configuration says the same.
  if (tensor.ends_with(".rotary_emb.inv_freq")) return true;
  if (!is_multimodal(family)) return false;
  for (const std::string_view prefix :
       {"model.visual.", "visual.", "model.vision_tower.", "vision_tower.", "model.multi_modal_projector.",
        "multi_modal_projector.", "model.mtp.", "mtp."})
    if (tensor.starts_with(prefix)) return true;
  return false;
}

// The names of a text model inside a multimodal one, as the text model alone has them.
std::string text_name(HfFamily family, std::string_view tensor) {
  struct Prefix {
    std::string_view from, to;
  };
  static constexpr Prefix kPrefixes[] = {{"model.language_model.", "model."},
                                         {"language_model.model.", "model."},
                                         {"language_model.lm_head.", "lm_head."}};
  if (is_multimodal(family))
    for (const Prefix& prefix : kPrefixes)
      if (tensor.starts_with(prefix.from))
        return std::string(prefix.to) + std::string(tensor.substr(prefix.from.size()));
  return std::string(tensor);
}

// Fills name, module and part when `rest` is one of `names` or a part of it.
bool match(std::span<const HfName> names, std::string_view rest, std::string_view tensor, HfPlace& place) {
  for (const HfName& name : names) {
    if (!rest.starts_with(name.hf)) continue;
    const std::string_view part = rest.substr(name.hf.size());
    if (name.bare ? !part.empty() : part.size() < 2 || part.front() != '.') continue;
    place.name = &name;
    place.part = name.bare ? "" : part.substr(1);
    place.module = tensor.substr(0, tensor.size() - part.size());
    return true;
  }
  return false;
}

}  // namespace

std::span<const HfName> hf_block_names(HfFamily family) {
  switch (family) {
    case HfFamily::kLlama:
      return kLlama;
    case HfFamily::kQwen2:
    case HfFamily::kQwen3:
      return kQwen;
    case HfFamily::kPhi2:
      return kPhi2;
    case HfFamily::kPhi3:
      return kPhi3;
    case HfFamily::kGemma2:
    case HfFamily::kGemma3:
      return kGemma;
    case HfFamily::kQwen35:
      return kQwen35;
  }
  return {};
}

std::span<const HfName> hf_global_names(HfFamily family) {
  if (family == HfFamily::kPhi2) return kGlobalsPhi2;
  if (family == HfFamily::kGemma2 || is_multimodal(family)) return kGlobalsPlusOne;
  return kGlobals;
}

HfLookup find_hf_name(HfFamily family, std::int64_t layers, std::string_view tensor) {
  if (is_skipped(family, tensor)) return {true, {}};
  const std::string text = text_name(family, tensor);
  const std::string_view name = text;
  HfPlace place;
  if (!name.starts_with(kBlocks))
    return match(hf_global_names(family), name, tensor, place) ? HfLookup{true, place} : HfLookup{};
  const std::string_view rest = name.substr(kBlocks.size());
  const std::size_t dot = rest.find('.');
  if (dot == std::string_view::npos) return {};
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + dot, place.block);
  // No second spelling of a number: 07 is no block.
  if (error != std::errc{} || end != rest.data() + dot || place.block < 0 || place.block >= layers ||
      std::to_string(place.block).size() != dot)
    return {};
  return match(hf_block_names(family), rest.substr(dot + 1), tensor, place) ? HfLookup{true, place}
                                                                            : HfLookup{};
}

}  // namespace brinkmap::worker
