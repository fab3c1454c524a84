#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/ops.h"
#include "schedule/unit.h"
#include "worker/recipe.h"

namespace brinkmap::worker {

// One description per architecture: what differs between families, as data. The forward pass reads it; there is no
// forward pass per family. Later architectures add fields and a row in architecture.cpp.
struct Architecture {
  std::string name;  // general.architecture
  kernels::RopePairing rope_pairing = kernels::RopePairing::kAdjacent;
};

// Hyper-parameters of one model, checked against its tensors.
struct ModelConfig {
  const Architecture* architecture = nullptr;
  int layers = 0;
  int width = 0;
  int ffn = 0;
  int heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
  int rope_dims = 0;
  double rope_base = 10000.0;
  float norm_eps = 1e-5f;
  int vocab = 0;
  int context = 0;
  int window = 0;  // sliding window in tokens; 0: full
};

struct LayerWeights {
  const float* attn_norm = nullptr;  // [width]
  const float* ffn_norm = nullptr;
  kernels::WeightView q, k, v, output;  // [heads * head_dim, width], ..., [width, heads * head_dim]
  kernels::WeightView gate, up, down;
};

// A row ready to compute: weights as the recipe made them, norms in f32. Immutable and shared by threads.
struct Model {
  ModelConfig config;
  RowWeights row;
  kernels::WeightView embedding;  // [vocab, width]
  kernels::WeightView output;     // = embedding when tied
  const float* output_norm = nullptr;
  std::vector<LayerWeights> layers;
  std::unique_ptr<kernels::RopeTable> rope;
  std::vector<std::vector<float>> f32;  // storage of the norms
};

// Reads the hyper-parameters only. Throws InputError for an unknown architecture (listing the known ones), a missing or
// absurd key.
ModelConfig read_config(const GgufFile& file);

// Throws InputError naming the tensor when one is missing or has another shape.
std::shared_ptr<const Model> load_model(RowWeights row);

// Layer that `auto` means for decision heads: round(0.61 * layers), the depth of L19 of 32.
int auto_layer(int layers);

schedule::ModelFacts model_facts(const GgufFile& file);

}  // namespace brinkmap::worker
