#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "kernels/gemm.h"
#include "schedule/unit.h"
#include "worker/architecture.h"
#include "worker/recipe.h"

namespace brinkmap::worker {

// Hyper-parameters of one model, checked against its tensors.
struct ModelConfig {
  const Architecture* architecture = nullptr;
  int layers = 0;
  int width = 0;
  int ffn = 0;
  int heads = 0;
  int kv_heads = 0;  // divides heads
  int head_dim = 0;
  int rope_dims = 0;  // even, at most head_dim
  double rope_base = 10000.0;
  double rope_scale = 1;  // linear scaling: angles are divided by it
  float norm_eps = 1e-5f;
  int vocab = 0;
  int context = 0;  // tokens
  int window = 0;   // sliding window in tokens; 0: full
};

struct LayerWeights {
  const float* attn_norm = nullptr;  // [width]
  const float* ffn_norm = nullptr;
  kernels::WeightView q, k, v,
      output;  // [heads * head_dim, width], [kv_heads * head_dim, width] twice, [width, heads * head_dim]
  kernels::WeightView gate, up, down;  // [ffn, width] twice, [width, ffn]
};

// A row ready to compute: weights as the recipe made them, norms in f32. Immutable and shared by threads.
struct Model {
  ModelConfig config;
  RowWeights row;
  kernels::WeightView embedding;  // [vocab, width]
  kernels::WeightView output;     // = embedding when tied
  const float* output_norm = nullptr;
  std::vector<LayerWeights> layers;
  std::vector<float> rope_factors;    // [rope_dims / 2], or empty: each angle is divided by its factor
  std::list<std::vector<float>> f32;  // storage of the norms

  const std::string& path() const { return row.file->path(); }
};

// Reads the hyper-parameters only. Throws InputError for an unknown architecture (listing the known ones), a
// missing or absurd key, and for keys that ask for a computation this build does not have.
ModelConfig read_config(const GgufFile& file);

// Throws InputError naming the tensor when one is missing, has another shape, or is none that the
// architecture uses: a bias that was left out would be a wrong result.
std::shared_ptr<const Model> load_model(RowWeights row);

schedule::ModelFacts model_facts(const GgufFile& file);

}  // namespace brinkmap::worker
