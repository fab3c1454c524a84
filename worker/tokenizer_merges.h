#pragma once

#include <cstddef>
#include <cstdint>
#include <queue>
#include <unordered_map>
#include <vector>

namespace brinkmap::worker {

// The ranked pairs of byte pair encoding, over symbols that the caller numbers.
class MergeTable {
 public:
  struct Merge {
    std::uint32_t rank;
    std::int32_t product;
  };
  struct Symbol {
    std::int32_t id;                    // -1: merged into its left neighbour
    std::uint32_t begin = 0, size = 0;  // of the text, as the caller measures it
    std::int32_t prev = -1, next = -1;  // indices, -1 at the ends
  };

  // The first of equal pairs counts: false for a later one.
  bool add(std::int32_t left, std::int32_t right, Merge merge) {
    return merges_.emplace(key(left, right), merge).second;
  }
  void reserve(std::size_t n) { merges_.reserve(n); }

  // Merges neighbours, the least rank first and the leftmost of equals, until no listed pair is left. Fills
  // in prev and next; what is left hangs together from symbols[0]. n log n.
  void apply(std::vector<Symbol>& symbols) const;

 private:
  static std::uint64_t key(std::int32_t left, std::int32_t right) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
           static_cast<std::uint32_t>(right);
  }

  std::unordered_map<std::uint64_t, Merge> merges_;
};

}  // namespace brinkmap::worker
