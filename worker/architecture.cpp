#include "worker/architecture.h"

namespace brinkmap::worker {

namespace {

const std::vector<Architecture>& table() {
  static const std::vector<Architecture> known = {
      // Llama 1-3 and Mistral. GGUF files hold the query and key rows permuted for adjacent pairs.
      {.name = "llama", .rope_pairing = kernels::RopePairing::kAdjacent},
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
