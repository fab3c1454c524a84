#include "worker/architecture.h"

namespace brinkmap::worker {

namespace {

// Facts: the model definitions of the transformers library, and the keys and defaults of llama.cpp's reader
// (src/models/*.cpp).
const std::vector<Architecture>& table() {
  static const std::vector<Architecture> known = {
      // Llama 1-3 and Mistral. GGUF files hold the query and key rows permuted for adjacent pairs.
      {.name = "llama", .rope_pairing = kernels::RopePairing::kAdjacent},
      // Qwen 2 and 2.5.
      {.name = "qwen2", .biases = Biases::kQkv},
      {.name = "qwen3", .head_norms = true},
      // Phi-1.5 and Phi-2.
      {.name = "phi2",
       .layer_norm = true,
       .parallel = true,
       .gated = false,
       .activation = Activation::kGelu,
       .biases = Biases::kAll},
      // Phi-3, 3.5 and 4.
      {.name = "phi3"},
      {.name = "gemma2",
       .activation = Activation::kGelu,
       .post_norms = true,
       .scaled_embedding = true,
       .local_period = 2,
       .window = 4096,
       .attention_cap = 50,
       .logit_cap = 30,
       .layers_scaled_by_width = 46},  // 27B
      {.name = "gemma3",
       .activation = Activation::kGelu,
       .head_norms = true,
       .post_norms = true,
       .scaled_embedding = true,
       .local_period = 6,
       .local_rope_base = 10000,
       .layers_scaled_by_width = 62},  // 27B
      // Qwen 3.5, dense.
      {.name = "qwen35",
       .head_norms = true,
       .ffn_norm = "post_attention_norm",
       .query_gate = true,
       .full_period = 4},
  };
  return known;
}

}  // namespace

const Architecture* find_architecture(std::string_view name) noexcept {
  for (const Architecture& a : table())
    if (a.name == name) return &a;
  return nullptr;
}

std::vector<std::string> architecture_names() {
  std::vector<std::string> names;
  for (const Architecture& a : table()) names.push_back(a.name);
  return names;
}

}  // namespace brinkmap::worker
