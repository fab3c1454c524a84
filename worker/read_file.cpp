#include "worker/read_file.h"

#include <fmt/core.h>

#include <array>
#include <fstream>

#include "schedule/error.h"

namespace brinkmap::worker {

std::string read_file(const std::string& path, std::uint64_t most) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw InputError(path, "", "cannot be opened");
  std::string text;
  std::array<char, 1 << 16> buffer{};
  while (in.read(buffer.data(), buffer.size()), in.gcount() > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(in.gcount()));
    if (text.size() > most)
      throw InputError(path, "", fmt::format("expected at most {} bytes, found more", most));
  }
  if (in.bad()) throw InputError(path, "", "cannot be read");
  return text;
}

}  // namespace brinkmap::worker
