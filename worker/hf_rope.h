#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "worker/json_text.h"

namespace brinkmap::worker {

// Rotary embedding of a Hugging Face model: `rope_parameters`, or the older `rope_scaling` and `rope_theta`.
struct HfRope {
  enum class Kind { kDefault, kLinear, kLlama3, kLong };

  Kind kind = Kind::kDefault;
  double theta = 0;
  double local_theta = 10000;  // of layers with a sliding window (gemma3)
  double partial_rotary = 1;   // share of each head that is rotated
  double factor = 1;           // kLinear, kLlama3
  double low_freq_factor = 1, high_freq_factor = 4;
  std::int64_t original_context = 0;               // tokens, before it was extended
  std::vector<float> long_factors, short_factors;  // kLong
  double attention_factor = 1;
  std::array<std::int32_t, 4> mrope_sections{11, 11, 10, 0};  // Qwen3.5's own

  std::string file, where;  // of the object with the type, for errors
  [[noreturn]] void fail(const std::string& key, const std::string& what) const;
};

struct HfRopeDefaults {
  double theta = 10000;
  double partial_rotary = 1;
  std::int64_t context = 0;           // max_position_embeddings
  std::int64_t original_context = 0;  // before it was extended
};

// From the text model's part of config.json. Throws InputError naming the key for a scaling type this build
// does not know (yarn, dynamic, ...) and for numbers out of range.
HfRope read_hf_rope(const JsonView& text, const HfRopeDefaults& defaults);

// What rope_freqs.weight holds: the number each inverse frequency is divided by (transformers,
// modeling_rope_utils.py, _compute_llama3_parameters). One for each of the dims / 2 pairs.
std::vector<float> llama3_rope_factors(const HfRope& rope, std::int64_t dims);

}  // namespace brinkmap::worker
