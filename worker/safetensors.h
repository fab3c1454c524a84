#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "worker/mapped_file.h"

// Safetensors files (github.com/huggingface/safetensors, README "Format"): 8 bytes little-endian header
// length, a JSON header {name: {dtype, shape, data_offsets}}, then the data that the offsets count from.
namespace brinkmap::worker {

struct SafeTensor {
  std::string name;
  std::string dtype;                // as the file says it: "BF16"
  std::vector<std::int64_t> shape;  // outermost first, as PyTorch prints it; empty: one value
  std::span<const std::byte> data;  // not owned; may stand at any address
  std::string file;                 // that holds it, for errors

  std::int64_t elements() const;
};

// "tensor 'model.norm.weight'", for the second part of an InputError.
std::string tensor_place(std::string_view name);

// The tensors of one file in memory, sorted by name; `name` stands in errors. Everything is checked: header
// length, JSON, types, shapes against bytes, and that the tensors fill the data without overlap, hole or
// rest. Throws InputError naming the file and tensor.
std::vector<SafeTensor> parse_safetensors(std::span<const std::byte> bytes, const std::string& name);

// All tensors of a folder: model.safetensors, or the shards that model.safetensors.index.json lists, or the
// folder's only *.safetensors file. Read-only; safe to share between threads.
class SafetensorsFolder {
 public:
  // Throws InputError as parse_safetensors, and when the index names a file outside the folder, a shard is
  // missing, or a tensor is not where the index says.
  static std::shared_ptr<const SafetensorsFolder> open(const std::string& folder);

  // Tensors in memory (tests, fuzzing); what they point into must outlive the result.
  static std::shared_ptr<const SafetensorsFolder> of(std::vector<SafeTensor> tensors);

  const std::map<std::string, SafeTensor, std::less<>>& tensors() const noexcept { return tensors_; }
  const SafeTensor* find(std::string_view name) const noexcept;  // null when absent
  // Names of the files inside the folder, sorted; the index is one of them.
  const std::vector<std::string>& files() const noexcept { return files_; }
  std::uint64_t bytes() const noexcept { return bytes_; }  // of all of them

 private:
  void add_shard(const std::string& folder, const std::string& file);

  std::vector<std::shared_ptr<const MappedFile>> mapped_;
  std::map<std::string, SafeTensor, std::less<>> tensors_;
  std::vector<std::string> files_;
  std::uint64_t bytes_ = 0;
};

}  // namespace brinkmap::worker
