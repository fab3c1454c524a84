#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "worker/hf_config.h"

namespace brinkmap::worker {

// What happens to a module's values on the way to GGUF's conventions.
enum class HfChange : std::uint8_t {
  kNone,
  kPermuteQ,  // rows of each head: first and second half interleaved
  kPermuteK,
  kPlusOne,
  kConvolution,  // [channels, 1, taps] to [channels, taps], value channels tiled
  kNegativeExp,  // -exp(x), heads tiled
  kTileQkvRows,  // value rows behind the query and key rows: heads tiled
  kTileRows,     // all rows belong to value heads
  kTileHeads,    // one row a value head
  kTileColumns,  // inputs belong to value heads
};

// A module of one family. A `bare` one is a tensor by itself; others have .weight, .bias and the like.
struct HfName {
  std::string_view hf;    // behind "model.layers.N." for block modules, the whole name for others
  std::string_view gguf;  // behind "blk.N."; with its suffix when bare
  HfChange change = HfChange::kNone;
  bool bare = false;
};

std::span<const HfName> hf_block_names(HfFamily family);
std::span<const HfName> hf_global_names(HfFamily family);

// Where a tensor of a folder belongs.
struct HfPlace {
  const HfName* name = nullptr;
  std::int64_t block = -1;  // -1: none
  std::string module;       // in the file: the tensor's name without `part`
  std::string part;         // "weight", "weight.absmax", ...; "" when bare
};

// Nothing for a tensor that is known and not needed (inverse frequencies, image towers, draft heads).
// `known` is false for a name the family does not have. Blocks must be below `layers`.
struct HfLookup {
  bool known = false;
  std::optional<HfPlace> place;
};
HfLookup find_hf_name(HfFamily family, std::int64_t layers, std::string_view tensor);

}  // namespace brinkmap::worker
