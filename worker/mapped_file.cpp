#include "worker/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "schedule/error.h"

namespace brinkmap::worker {

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path, const std::string& expected) {
  const auto fail = [&](const std::string& what) {
    throw InputError(path, "", what + ": " + std::strerror(errno));
  };
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("cannot be opened");
  struct Closer {
    int fd;
    ~Closer() { ::close(fd); }
  } closer{fd};
  struct stat info {};
  if (::fstat(fd, &info) != 0) fail("cannot be examined");
  if (!S_ISREG(info.st_mode)) throw InputError(path, "", "is not a regular file");
  if (info.st_size == 0) throw InputError(path, "", "is empty: expected " + expected);
  const auto size = static_cast<std::size_t>(info.st_size);
  void* mapping = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (mapping == MAP_FAILED) fail("cannot be mapped");
  return std::shared_ptr<const MappedFile>(
      new MappedFile(path, {static_cast<const std::byte*>(mapping), size}));
}

MappedFile::~MappedFile() {
  ::munmap(const_cast<void*>(static_cast<const void*>(bytes_.data())), bytes_.size());
}

}  // namespace brinkmap::worker
