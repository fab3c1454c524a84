#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

namespace brinkmap::worker {

// A regular file, mapped read-only for as long as the object lives. Safe to share between threads.
class MappedFile {
 public:
  // `expected` says in the error for an empty file what should be there ("a GGUF file"). Throws InputError
  // when `path` is no regular file, is empty or cannot be mapped.
  static std::shared_ptr<const MappedFile> open(const std::string& path, const std::string& expected);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const noexcept { return path_; }
  std::span<const std::byte> bytes() const noexcept { return bytes_; }

 private:
  MappedFile(std::string path, std::span<const std::byte> bytes) : path_(std::move(path)), bytes_(bytes) {}

  std::string path_;
  std::span<const std::byte> bytes_;
};

}  // namespace brinkmap::worker
