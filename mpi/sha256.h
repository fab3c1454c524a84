#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace brinkmap::mpi {

// SHA-256 of bytes given in pieces (FIPS 180-4, through OpenSSL).
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void add(std::span<const std::byte> bytes);
  // Text with its length before it, so that neighbouring texts cannot run together.
  void add_text(std::string_view text);
  std::string hex();  // ends the sum; call once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace brinkmap::mpi
