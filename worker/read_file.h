#pragma once

#include <cstdint>
#include <string>

namespace brinkmap::worker {

// The bytes of a file. Throws InputError when it cannot be read or holds more than `most`.
std::string read_file(const std::string& path, std::uint64_t most);

}  // namespace brinkmap::worker
