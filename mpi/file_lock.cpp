#include "mpi/file_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "schedule/error.h"

namespace brinkmap::mpi {
namespace {

struct flock byte_lock(short type, off_t byte) {
  struct flock l {};
  l.l_type = type;
  l.l_whence = SEEK_SET;
  l.l_start = byte;
  l.l_len = 1;
  return l;
}

bool take(int descriptor, short type, off_t byte, const std::string& path) {
  struct flock l = byte_lock(type, byte);
  if (fcntl(descriptor, F_OFD_SETLK, &l) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  throw InputError(path, "", std::string("cannot be locked: ") + std::strerror(errno));
}

int open_lock(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor < 0) throw InputError(path, "", std::string("cannot be created: ") + std::strerror(errno));
  return descriptor;
}

void wait_a_little() { std::this_thread::sleep_for(std::chrono::milliseconds(50)); }

}  // namespace

FileLock FileLock::coordinator(const std::string& store_path, double patience_s) {
  const std::string path = store_path + ".lock";
  FileLock lock(open_lock(path), path);
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(patience_s);
  bool first = false;
  for (;;) {
    first = first || take(lock.descriptor_, F_WRLCK, 0, path);
    if (first && take(lock.descriptor_, F_WRLCK, 1, path)) break;
    if (std::chrono::steady_clock::now() >= end)
      throw InputError(store_path, "",
                       "another sweep is writing this file (" + path +
                           " is held); wait for it to end or choose another -o");
    wait_a_little();
  }
  take(lock.descriptor_, F_RDLCK, 1, path);  // conversion of an own lock: always granted
  return lock;
}

FileLock FileLock::rank(const std::string& store_path) {
  const std::string path = store_path + ".lock";
  FileLock lock(open_lock(path), path);
  for (int i = 0; i < 100; ++i) {
    if (take(lock.descriptor_, F_RDLCK, 1, path)) return lock;
    wait_a_little();
  }
  throw InputError(path, "", "is held by another sweep");
}

bool FileLock::running(const std::string& store_path) {
  const int descriptor = open((store_path + ".lock").c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return false;
  struct flock l = byte_lock(F_WRLCK, 0);
  const bool held = fcntl(descriptor, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
  close(descriptor);
  return held;
}

FileLock::FileLock(FileLock&& other) noexcept
    : descriptor_(other.descriptor_), path_(std::move(other.path_)) {
  other.descriptor_ = -1;
}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(path_, other.path_);
  return *this;
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

void FileLock::touch() const noexcept {
  if (descriptor_ >= 0) futimens(descriptor_, nullptr);
}

}  // namespace brinkmap::mpi
