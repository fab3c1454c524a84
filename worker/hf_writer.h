#pragma once

#include <string>
#include <string_view>

#include "worker/recipe.h"

namespace brinkmap::worker {

// Whether write_hf_folder writes such rows, rather than write_row a GGUF file. Throws InputError when it
// cannot write them from this source, so that nothing is computed in vain.
bool is_written_as_folder(const Checkpoint& source, std::string_view recipe);

// Throws InputError when write_hf_folder could not make `folder`, so that nothing is computed in vain.
void check_new_folder(const std::string& folder);

// Writes a row of a packing recipe (recipe_grammar.h) as a Hugging Face folder in its tool's layout: the
// source folder's config.json with the packing added, its tokenizer and other small files, and one
// model.safetensors where every matrix that was quantized is packed and every other tensor is what the source
// holds. The folder appears only when complete; what is missing or goes wrong throws InputError and leaves
// nothing behind. `folder` must not exist or be empty.
//
// The row must come from a Hugging Face folder: a GGUF file has no config.json.
void write_hf_folder(const RowWeights& row, const std::string& folder);

}  // namespace brinkmap::worker
