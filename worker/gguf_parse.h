#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "worker/gguf.h"

// Inside of the GGUF reader and writer.
namespace brinkmap::worker {

inline constexpr std::uint32_t kGgufMagic = 0x46554747;  // "GGUF", little-endian
inline constexpr std::uint64_t kGgufAlignment = 32;      // when general.alignment is absent

struct GgufContents {
  std::uint32_t version = 0;
  std::vector<std::string> keys;
  std::map<std::string, GgufValue, std::less<>> metadata;
  std::vector<GgufTensor> tensors;
};

// Every check of the reader. `name` stands in errors; tensors point into `bytes`. Throws InputError.
GgufContents parse_gguf(std::span<const std::byte> bytes, const std::string& name);

// Bytes of a fixed-size metadata type; 0 for texts, arrays and unknown types.
std::size_t gguf_type_bytes(std::uint32_t type);
// "u32", "text", ...; "unknown type 77" for others.
std::string gguf_type_name(std::uint32_t type);

// A key or name from a file, safe to print: control characters and broken UTF-8 escaped, long ones shortened.
std::string printable(std::string_view text);

// The value as a GGUF file stores it, without its type id. Throws Error when `value` does not hold what its
// type says.
void append_gguf_value(std::string& out, const GgufValue& value);

}  // namespace brinkmap::worker
