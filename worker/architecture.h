#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/ops.h"

// One description per architecture: what differs between families, as data. The forward pass reads it; there
// is no forward pass per family. A new architecture adds fields here and a row in architecture.cpp.
namespace brinkmap::worker {

enum class Activation : std::uint8_t { kSilu, kGelu };  // kGelu: the tanh form

// Biases that a file of the family must have. Any other bias of a linear layer is used where it stands.
enum class Biases : std::uint8_t { kOptional, kQkv, kAll };

struct Architecture {
  std::string name;  // general.architecture; the prefix of its metadata keys
  kernels::RopePairing rope_pairing = kernels::RopePairing::kHalfSplit;
  bool layer_norm = false;  // mean and variance, with bias; otherwise RMS
  bool parallel = false;    // one norm feeds attention and feed-forward, and both are added to its input
  bool gated = true;        // feed-forward: down(act(gate) * up); otherwise down(act(up))
  Activation activation = Activation::kSilu;
  Biases biases = Biases::kOptional;
  bool head_norms = false;        // RMS norm of each query and key head before the rotation
  bool post_norms = false;        // what a block adds to the residual stream is normed first
  bool scaled_embedding = false;  // times sqrt(width)
  std::string ffn_norm = "ffn_norm";
  bool query_gate = false;  // attn_q gives per head a query and a gate, whose sigmoid multiplies the mix
  // Of every `full_period` blocks the last is full attention, the others carry a recurrent state (gated delta
  // net). 0: all blocks are attention. The file's full_attention_interval and recurrent_layers go first.
  int full_period = 0;

  // Of every `local_period` blocks the last sees everything, the others a sliding window. 0: all blocks have
  // the window, if there is one. The file's attention.sliding_window_pattern goes first.
  int local_period = 0;
  int window = 0;              // when the file states none
  double local_rope_base = 0;  // of blocks with a window, which are never scaled; 0: as all blocks
  float attention_cap = 0;     // soft cap of scores and logits when the file states none; 0: none
  float logit_cap = 0;
  // A model of this many blocks scales scores by 1 / sqrt(width / heads), and no key says so. 0: none does.
  int layers_scaled_by_width = 0;
};

// Null when this build does not know the name.
const Architecture* find_architecture(std::string_view name) noexcept;
std::vector<std::string> architecture_names();

}  // namespace brinkmap::worker
