#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "worker/spectrum.h"

// Hybrid recipes: one recipe for selected matrices of the blocks, another for everything else. A hybrid is
// one string, so that what handles recipes handles names:
//   REST+KEEP(BY,top|bottom,AMOUNT[,model])  by a figure of the matrices: nf4+bf16(alpha,top,25%)
//   REST+KEEP(random,AMOUNT[,model],drawN)
//   REST+KEEP(type,TYPE), REST+KEEP(block,N)  all matrices of a kind or of a block: bf16+nf4(type,attn_q)
//   REST+KEEP(list,MODULE,...)[+KEEP(list,MODULE,...)]...
//   REST+KEEP(each,module|type|block)        one row for each of them, which expand_each() writes out
// AMOUNT is a share, "25%", or the most bytes the whole row may take, "6400MB" (10^6 bytes). BY: alpha,
// slope, k90, entropy, stable_rank, nf4_error, kurtosis (worker/spectrum.h), depth (number of the block).
// Without "model" a matrix is compared with those of its type in the other blocks. The last form alone makes
// rows; the others are resolved to it first. schedule/recipe_text.h writes these strings from the maps of job
// files.
namespace brinkmap::worker {

struct HybridSelection {
  std::string by;
  bool top = true;           // no meaning for random
  double percent = 0;        // unless budget
  std::uint64_t budget = 0;  // bytes of the row
  bool within_model = false;
  std::uint32_t draw = 0;  // random
  std::string of;          // each: module, type or block; type, block: which
};

struct HybridPart {
  std::string keep;
  std::optional<HybridSelection> select;  // none: `modules` are listed
  std::vector<std::string> modules;       // "blk.0.attn_q"
};

struct HybridRecipe {
  std::string rest;
  std::vector<HybridPart> parts;  // one, or several that are listed

  bool resolved() const { return !parts.front().select; }
};

// Nothing when `name` does not fit the grammar. The recipes it joins need not exist.
std::optional<HybridRecipe> parse_hybrid(std::string_view name);

// The forms of the grammar in one line, for errors and help.
std::string hybrid_pattern();

// Whether `name` can be a side of a hybrid: a recipe that chooses formats by itself and not by calibration.
bool is_hybrid_side(std::string_view name);

// The rows that REST+KEEP(each,...) stands for on `base`, in the order of block_matrices(): a list of one, a
// type, or a block. Any other recipe stands for itself.
std::vector<std::string> expand_each(const Checkpoint& base, const std::string& recipe);

// `recipe` with its selection made: the same hybrid as a list, in the order of block_matrices(). Any other
// recipe is given back as it is. `base` is the model it quantizes (its data is not read), `spectra` gives the
// figures of all its matrices and is called when one is needed; equal figures go by layer, then by name, and
// a matrix without a figure comes last on both sides. Of n matrices of a type (or of the model) AMOUNT %
// round to the nearest whole number, halves up. A budget keeps matrices in order of rank, across types by
// rank over n, skipping those that no longer fit; throws InputError when the row exceeds it without any, for
// a type or block that the model lacks, and for `each`.
std::string resolve_hybrid(const Checkpoint& base, const std::string& recipe, std::uint64_t seed,
                           const std::function<std::vector<MatrixSpectrum>()>& spectra);

}  // namespace brinkmap::worker
