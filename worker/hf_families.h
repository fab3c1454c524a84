#pragma once

#include <cstdint>
#include <span>

#include "worker/hf_config.h"

namespace brinkmap::worker {

// A family by its model_type: its GGUF name, and what its configuration class assumes for keys that a file
// leaves out (transformers, configuration_*.py).
struct HfFamilyRow {
  const char* model_type;
  const char* architecture;
  HfFamily family;
  const char* activation;
  bool tied = false;
  std::int64_t heads = 0;     // 0: the key must be there
  std::int64_t kv_heads = 0;  // 0: as many as heads
  std::int64_t head_dim = 0;  // 0: width / heads
  std::int64_t context = 2048;
  double norm_eps = 1e-6;
  double rope_theta = 10000;
  double partial_rotary = 1;
};

std::span<const HfFamilyRow> hf_families();

}  // namespace brinkmap::worker
