#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace brinkmap::mpi {

// The bytes of a file given on the command line. Throws InputError when it cannot be read or is longer than
// `most`.
std::string read_text(const std::string& path, std::uint64_t most = std::uint64_t{1} << 30);

// Writes a file under a temporary name, syncs it and renames it: there is the old file or the whole new one.
// Throws InputError when the disk does not take it.
void write_text(const std::string& path, std::string_view bytes);

}  // namespace brinkmap::mpi
