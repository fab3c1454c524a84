#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "schedule/job.h"
#include "worker/checkpoint.h"

namespace brinkmap::worker {

// A part of a model that a search gives one format to.
struct SearchPiece {
  std::string name;                  // "blk.0.attn_q", "attn_q" or "blk.0"; "token_embd", "output"
  std::vector<std::string> modules;  // its matrices, as hybrid recipes list them
  std::vector<std::uint64_t> bytes;  // [format] of all its matrices
  // [format] the first format under which its matrices are the same: what one measures, the other need not.
  std::vector<std::size_t> same_as;
};

struct SearchPieces {
  std::vector<SearchPiece> pieces;   // by layer, then by name, then token_embd and output where there are
  std::uint64_t other_bytes = 0;     // of the tensors that belong to no piece: norms, biases
  std::uint64_t baseline_bytes = 0;  // of the whole model
};

// Cuts a model whose weights are not quantized. `formats`: recipes that can be sides of a hybrid, the
// baseline's last. Throws InputError for a recipe that cannot, or that does not fit a matrix.
SearchPieces search_pieces(const Checkpoint& base, const std::vector<std::string>& formats,
                           schedule::SearchOf of);

}  // namespace brinkmap::worker
