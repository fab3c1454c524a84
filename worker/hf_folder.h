#pragma once

#include <string>

#include "worker/checkpoint.h"

namespace brinkmap::worker {

// A Hugging Face folder: config.json, safetensors (one file or shards), tokenizer files. Throws InputError
// naming the file and key or tensor. A folder without tokenizer.json has no tokenizer.ggml.* metadata.
CheckpointParts read_hf_folder(const std::string& path);

}  // namespace brinkmap::worker
