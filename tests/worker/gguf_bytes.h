#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace brinkmap::tests {

// A GGUF file written field by field, so that a test can write wrong ones. Offsets and counts are what the
// caller says.
class GgufBytes {
 public:
  GgufBytes(std::uint32_t version, std::uint64_t tensors, std::uint64_t keys) {
    raw("GGUF").u32(version).u64(tensors).u64(keys);
  }

  GgufBytes& raw(const std::string& bytes) {
    bytes_ += bytes;
    return *this;
  }
  GgufBytes& u32(std::uint32_t v) { return number(v); }
  GgufBytes& u64(std::uint64_t v) { return number(v); }
  GgufBytes& f64(double v) { return number(v); }
  GgufBytes& text(const std::string& v) { return u64(v.size()).raw(v); }
  GgufBytes& zeros(std::size_t n) { return raw(std::string(n, '\0')); }
  GgufBytes& pad(std::size_t alignment) { return zeros((alignment - bytes_.size() % alignment) % alignment); }

  // A key and its type; the value follows.
  GgufBytes& key(const std::string& name, std::uint32_t type) { return text(name).u32(type); }

  GgufBytes& tensor(const std::string& name, const std::vector<std::uint64_t>& shape, std::uint32_t type,
                    std::uint64_t offset) {
    text(name).u32(static_cast<std::uint32_t>(shape.size()));
    for (std::uint64_t extent : shape) u64(extent);
    return u32(type).u64(offset);
  }

  const std::string& bytes() const { return bytes_; }

 private:
  template <class T>
  GgufBytes& number(T v) {
    bytes_.append(reinterpret_cast<const char*>(&v), sizeof(T));
    return *this;
  }

  std::string bytes_;
};

}  // namespace brinkmap::tests
