#include "worker/hf_families.h"

namespace brinkmap::worker {

namespace {

constexpr HfFamilyRow kFamilies[] = {
    {.model_type = "llama", .architecture = "llama", .family = HfFamily::kLlama, .activation = "silu"},
    {.model_type = "mistral",
     .architecture = "llama",
     .family = HfFamily::kLlama,
     .activation = "silu",
     .kv_heads = 8,
     .context = 4096 * 32},
    {.model_type = "qwen2",
     .architecture = "qwen2",
     .family = HfFamily::kQwen2,
     .activation = "silu",
     .kv_heads = 32,
     .context = 32768},
    {.model_type = "qwen3",
     .architecture = "qwen3",
     .family = HfFamily::kQwen3,
     .activation = "silu",
     .kv_heads = 32,
     .head_dim = 128,
     .context = 32768},
    {.model_type = "phi",
     .architecture = "phi2",
     .family = HfFamily::kPhi2,
     .activation = "gelu_new",
     .norm_eps = 1e-5,
     .partial_rotary = 0.5},
    {.model_type = "phi3",
     .architecture = "phi3",
     .family = HfFamily::kPhi3,
     .activation = "silu",
     .context = 4096,
     .norm_eps = 1e-5},
    {.model_type = "gemma2",
     .architecture = "gemma2",
     .family = HfFamily::kGemma2,
     .activation = "gelu_pytorch_tanh",
     .tied = true,
     .heads = 8,
     .kv_heads = 4,
     .head_dim = 256,
     .context = 8192},
    {.model_type = "gemma3_text",
     .architecture = "gemma3",
     .family = HfFamily::kGemma3,
     .activation = "gelu_pytorch_tanh",
     .tied = true,
     .heads = 8,
     .kv_heads = 4,
     .head_dim = 256,
     .context = 131072,
     .rope_theta = 1e6},
    {.model_type = "qwen3_5_text",
     .architecture = "qwen35",
     .family = HfFamily::kQwen35,
     .activation = "silu",
     .heads = 16,
     .kv_heads = 4,
     .head_dim = 256,
     .context = 32768,
     .partial_rotary = 0.25},
};

}  // namespace

std::span<const HfFamilyRow> hf_families() { return kFamilies; }

}  // namespace brinkmap::worker
