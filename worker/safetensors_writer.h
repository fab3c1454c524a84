#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace brinkmap::worker {

// A tensor to be written. `data` lies in `owned`, or in memory that outlives the write.
struct SafetensorsEntry {
  std::string name;
  std::string dtype;                // "F32", "BF16", "I32", ...
  std::vector<std::int64_t> shape;  // outermost first
  std::span<const std::byte> data;
  std::shared_ptr<const std::vector<std::byte>> owned = nullptr;
};

// An entry that owns a copy of `values`.
template <class T>
SafetensorsEntry owned_entry(std::string name, std::string dtype, std::vector<std::int64_t> shape,
                             const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span<const T>(values));
  auto owned = std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end());
  const std::span<const std::byte> data = *owned;
  return {std::move(name), std::move(dtype), std::move(shape), data, std::move(owned)};
}

// Writes a safetensors file (github.com/huggingface/safetensors, README "Format"), tensors of wide elements
// first and data at a multiple of 8 bytes, so that every tensor is aligned. The file appears only when
// complete (atomic_file.h); a name that stands twice throws Error.
void write_safetensors(const std::string& path, std::vector<SafetensorsEntry> tensors);

}  // namespace brinkmap::worker
