#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "kernels/delta_net.h"
#include "kernels/gemm.h"
#include "schedule/unit.h"
#include "worker/architecture.h"
#include "worker/recipe.h"

namespace brinkmap::worker {

// What one block does differently from its neighbours.
struct LayerKind {
  bool recurrent = false;  // a gated delta net in place of attention
  int window = 0;          // sliding window in tokens; 0: full
  bool local = false;      // rotates with Model::local_rope
};

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
  double rope_scale = 1;      // linear scaling: angles are divided by it
  double rope_magnitude = 1;  // times cosines and sines (attention factor of long-rope)
  double local_rope_base = 10000.0;
  float norm_eps = 1e-5f;
  float attention_scale = 0;  // of q . k
  float attention_cap = 0;    // soft cap of scores: cap * tanh(score / cap); 0: none
  float logit_cap = 0;
  float embedding_scale = 1;
  int vocab = 0;
  int context = 0;               // tokens
  int window = 0;                // sliding window in tokens of the blocks that have one; 0: none has
  std::vector<LayerKind> kinds;  // [layers]
  int unused_layers = 0;         // blocks after the last one, for guessing several tokens ahead: not computed
  kernels::DeltaShape delta;     // of recurrent blocks
};

// y = W x + b.
struct Linear {
  kernels::WeightView weight;
  const float* bias = nullptr;  // null when there is none
};

struct Norm {
  const float* weight = nullptr;  // null: no norm here
  const float* bias = nullptr;    // of a layer norm
};

// What a recurrent block has in place of q, k and v.
struct DeltaNet {
  Linear qkv;          // [delta.channels(), width]
  Linear gate;         // [delta.values(), width]
  Linear alpha, beta;  // [delta.value_heads, width]
  kernels::DeltaWeights recurrence;
  const float* norm = nullptr;  // [delta.value_dim]
};

// A fused tensor (attn_qkv, or gate and up in ffn_up) is bound as its parts.
struct LayerWeights {
  Norm attn_norm;         // [width]
  Norm attn_post_norm;    // of what attention adds
  Norm ffn_norm;          // null in parallel blocks
  Norm ffn_post_norm;     // of what the feed-forward part adds
  Norm q_norm, k_norm;    // [head_dim]
  Linear q, k, v;         // [heads * head_dim (twice with a query gate), width], [kv_heads * head_dim, width]
                          // twice; null in recurrent blocks
  DeltaNet delta;         // null in attention blocks
  Linear output;          // [width, heads * head_dim, or delta.values()]
  Linear gate, up, down;  // [ffn, width] twice, [width, ffn]; gate is null where nothing is gated
};

// Angle of pair i at position p: p * base^(-2i/dims) / factors[i].
struct Rope {
  double base = 10000.0;
  std::vector<float> factors;  // [rope_dims / 2], or empty for 1
};

// A row ready to compute: weights as the recipe made them, norms in f32. Immutable and shared by threads.
struct Model {
  ModelConfig config;
  RowWeights row;
  kernels::WeightView embedding;  // [vocab, width]
  Linear output;                  // the embedding when tied
  Norm output_norm;
  std::vector<LayerWeights> layers;
  Rope rope;
  Rope local_rope;                    // of blocks whose kind says so
  std::list<std::vector<float>> f32;  // storage of norms and biases

  const std::string& path() const { return row.file->path(); }
};

// Reads the hyper-parameters only. Throws InputError for an unknown architecture (listing the known ones), a
// missing or absurd key, and for keys that ask for a computation this build does not have.
ModelConfig read_config(const Checkpoint& file);

// Throws InputError naming the tensor when one is missing, has another shape, or is none that the
// architecture uses: a bias that was left out would be a wrong result.
std::shared_ptr<const Model> load_model(RowWeights row);

schedule::ModelFacts model_facts(const Checkpoint& file);

}  // namespace brinkmap::worker
