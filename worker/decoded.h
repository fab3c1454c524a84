#pragma once

#include <memory>
#include <string_view>

#include "kernels/thread_pool.h"
#include "worker/checkpoint.h"

// A base for recipes where only a quantized file is left.
namespace brinkmap::worker {

// The model with every quantized tensor decoded to F32, its columns in the order of their inputs; the rest is
// shared with `file`, and so is its hash. `file` itself when nothing in it is quantized. Takes 4 bytes a
// decoded weight for as long as the result lives.
std::shared_ptr<const Checkpoint> decode_checkpoint(std::shared_ptr<const Checkpoint> file,
                                                    kernels::ThreadPool& pool);

// Formats and shapes of that model without its weights, for sizes only: no tensor that changed has data.
std::shared_ptr<const Checkpoint> decoded_shapes(std::shared_ptr<const Checkpoint> file);

// Whether `recipe` keeps the file's own formats, so that it takes the file and never its decoded twin.
bool keeps_formats(std::string_view recipe);

}  // namespace brinkmap::worker
