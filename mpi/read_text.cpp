#include "mpi/read_text.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "schedule/error.h"

namespace brinkmap::mpi {

std::string read_text(const std::string& path, std::uint64_t most) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) throw InputError(path, "", std::string("cannot be read: ") + std::strerror(errno));
  const auto size = static_cast<std::int64_t>(in.tellg());
  if (size < 0 || static_cast<std::uint64_t>(size) > most)
    throw InputError(path, "", "expected at most " + std::to_string(most) + " bytes");
  std::string text(static_cast<std::size_t>(size), '\0');
  in.seekg(0);
  in.read(text.data(), size);
  if (!in) throw InputError(path, "", "cannot be read to its end");
  return text;
}

void write_text(const std::string& path, std::string_view bytes) {
  const std::string tmp = path + ".tmp";
  const auto refuse = [&](int descriptor) {
    const std::string why = std::strerror(errno);
    if (descriptor >= 0) {
      close(descriptor);
      unlink(tmp.c_str());
    }
    throw InputError(path, "", "cannot be written: " + why);
  };
  const int descriptor = open(tmp.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) refuse(descriptor);
  while (!bytes.empty()) {
    const ssize_t n = write(descriptor, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) refuse(descriptor);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  if (fsync(descriptor) != 0 && errno != EINVAL) refuse(descriptor);
  close(descriptor);
  if (rename(tmp.c_str(), path.c_str()) != 0) refuse(-1);
}

}  // namespace brinkmap::mpi
