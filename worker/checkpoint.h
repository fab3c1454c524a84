#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "worker/gguf.h"

// A model as every reader presents it: metadata and tensors under their GGUF names and in GGUF's conventions
// (llama's q and k rows in adjacent-pair order, norms as they multiply), whatever the files on disk are.
namespace brinkmap::worker {

// What a reader of another layout hands over. `tensors` point into what `owner` keeps alive.
struct CheckpointParts {
  std::string path;
  std::vector<std::string> keys;  // of metadata, in order
  std::map<std::string, GgufValue, std::less<>> metadata;
  std::vector<GgufTensor> tensors;
  std::shared_ptr<const void> owner;
  std::uint64_t bytes = 0;              // of all files
  std::function<std::string()> sha256;  // hashes them, when asked
};

// Read-only. Every count, offset, type and product is checked before use; a broken file throws InputError
// naming the key or tensor, what was expected and what was found. Safe to share between threads.
class Checkpoint {
 public:
  // A GGUF file, memory-mapped, or a Hugging Face folder (worker/hf_folder.h).
  static std::shared_ptr<const Checkpoint> open(const std::string& path);
  // A GGUF file's bytes in memory (tests, fuzzing). `name` stands in errors. The bytes must outlive the
  // result.
  static std::shared_ptr<const Checkpoint> parse(std::span<const std::byte> bytes, const std::string& name);
  // From parts that another reader made. Throws InputError for a tensor that stands twice.
  static std::shared_ptr<const Checkpoint> make(CheckpointParts parts);
  ~Checkpoint();

  const std::string& path() const noexcept;
  std::uint32_t version() const noexcept;  // of GGUF; 0 for a folder
  std::uint64_t bytes() const noexcept;    // of all files

  const std::map<std::string, GgufValue, std::less<>>& metadata() const noexcept;
  const std::vector<std::string>& keys() const noexcept;           // of the metadata, in file order
  const std::vector<GgufTensor>& tensors() const noexcept;         // in file order
  const GgufTensor* find(std::string_view tensor) const noexcept;  // null when absent

  bool has(std::string_view key) const noexcept;
  // Typed metadata. Throw InputError when the key is absent (without a fallback) or of another type; integer
  // reads check the range.
  std::int64_t integer(std::string_view key) const;
  std::int64_t integer_or(std::string_view key, std::int64_t fallback) const;
  double number(std::string_view key) const;
  double number_or(std::string_view key, double fallback) const;
  bool flag_or(std::string_view key, bool fallback) const;
  const std::string& text(std::string_view key) const;
  std::string text_or(std::string_view key, std::string fallback) const;
  std::vector<std::string> texts(std::string_view key) const;
  std::vector<std::int64_t> integers(std::string_view key) const;
  std::vector<double> numbers(std::string_view key) const;

  std::string sha256() const;            // of the whole file, or of all files of a folder
  std::string tokenizer_sha256() const;  // of every tokenizer.* key and value

 private:
  struct Impl;
  explicit Checkpoint(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace brinkmap::worker
