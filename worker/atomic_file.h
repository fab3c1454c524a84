#pragma once

#include <cstddef>
#include <string>

namespace brinkmap::worker {

// A file that appears under its name only when commit() was reached; until then, and after an error, there is
// what was there before. Errors throw InputError naming the file.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(const void* data, std::size_t size);
  void commit();

 private:
  [[noreturn]] void fail(const char* what) const;

  std::string path_;
  std::string temporary_;
  int fd_ = -1;
  bool done_ = false;
};

}  // namespace brinkmap::worker
