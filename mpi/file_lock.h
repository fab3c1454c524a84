#pragma once

#include <optional>
#include <string>

namespace brinkmap::mpi {

// The lock file OUT.lock that keeps a second sweep from writing OUT. Byte 0 belongs to the coordinator for as
// long as it lives; byte 1 is shared by every rank. A starting coordinator takes byte 0 and needs byte 1
// free, so ranks that outlive a killed run (up to about 3 s) are waited for. Open file description locks:
// dropped by the kernel when the process dies, however it dies.
class FileLock {
 public:
  // For the coordinator. Waits at most `patience_s`; throws InputError when another sweep holds the file.
  static FileLock coordinator(const std::string& store_path, double patience_s);
  // For every other rank. Throws InputError when no coordinator lets it in.
  static FileLock rank(const std::string& store_path);
  // Whether a coordinator lives; false when there is no lock file. Takes nothing.
  static bool running(const std::string& store_path);

  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

  // Sets the lock file's time to now: a sign of life for whoever watches from outside.
  void touch() const noexcept;

 private:
  FileLock(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  int descriptor_ = -1;
  std::string path_;
};

}  // namespace brinkmap::mpi
