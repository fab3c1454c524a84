#include "worker/search_pieces.h"

#include <map>
#include <tuple>

#include "schedule/error.h"
#include "worker/gguf_parse.h"
#include "worker/hybrid.h"
#include "worker/matrices.h"
#include "worker/recipe.h"

namespace brinkmap::worker {

namespace {

std::string piece_of(const GgufTensor& tensor, schedule::SearchOf of) {
  const int layer = layer_of(tensor.name);
  if (layer < 0 || of == schedule::SearchOf::kModule) return std::string(module_name(tensor.name));
  if (of == schedule::SearchOf::kBlock) return "blk." + std::to_string(layer);
  return std::string(module_type(tensor.name));
}

bool same(const TensorChoice& a, const TensorChoice& b) {
  // Packing recipes of different names differ; formats without one are made alike by every recipe.
  return a.format == b.format && !a.packing && !b.packing;
}

}  // namespace

SearchPieces search_pieces(const Checkpoint& base, const std::vector<std::string>& formats,
                           schedule::SearchOf of) {
  std::vector<std::vector<TensorChoice>> choices;
  for (const std::string& format : formats) {
    if (!is_hybrid_side(format))
      throw InputError(base.path(), "recipe '" + printable(format) + "'",
                       "cannot be mixed with others: a search takes neither as-is nor calibrated recipes nor "
                       "hybrids, as its baseline or as a format");
    choices.push_back(tensor_choices(base, format));
  }
  std::vector<const GgufTensor*> matrices = block_matrices(base);
  for (const char* name : {"token_embd.weight", "output.weight"})
    if (const GgufTensor* tensor = base.find(name); tensor != nullptr && is_matrix(*tensor))
      matrices.push_back(tensor);

  SearchPieces out;
  std::map<std::string, std::size_t> at;
  std::vector<std::vector<std::size_t>> tensors;  // [piece] positions in the file
  for (const GgufTensor* tensor : matrices) {
    const std::string name = piece_of(*tensor, of);
    const auto [entry, fresh] = at.emplace(name, out.pieces.size());
    if (fresh) {
      out.pieces.push_back({name, {}, std::vector<std::uint64_t>(formats.size()), {}});
      tensors.emplace_back();
    }
    SearchPiece& piece = out.pieces[entry->second];
    const auto position = static_cast<std::size_t>(tensor - base.tensors().data());
    tensors[entry->second].push_back(position);
    piece.modules.emplace_back(module_name(tensor->name));
    for (std::size_t f = 0; f < formats.size(); ++f)
      piece.bytes[f] += choice_bytes(*tensor, choices[f][position]);
  }
  out.baseline_bytes = recipe_bytes(base, formats.back());
  out.other_bytes = out.baseline_bytes;
  for (std::size_t p = 0; p < out.pieces.size(); ++p) {
    SearchPiece& piece = out.pieces[p];
    out.other_bytes -= piece.bytes.back();
    for (std::size_t f = 0; f < formats.size(); ++f) {
      const auto equal = [&](std::size_t other) {
        for (const std::size_t t : tensors[p])
          if (!same(choices[f][t], choices[other][t])) return false;
        return true;
      };
      std::size_t first = 0;
      while (first < f && !equal(first)) ++first;
      piece.same_as.push_back(first);
    }
  }
  return out;
}

}  // namespace brinkmap::worker
