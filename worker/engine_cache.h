#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "kernels/attention.h"

namespace brinkmap::worker {

// Keys and values of one sequence in every layer that is computed.
class SequenceCache {
 public:
  SequenceCache(const kernels::AttentionShape& shape, int layers, std::int64_t capacity);

  std::int64_t capacity() const noexcept { return capacity_; }
  int layers() const noexcept { return layers_; }
  // The piece of one layer; its length is the caller's to set.
  kernels::KvPiece piece(int layer) const noexcept;

  static std::size_t bytes(const kernels::AttentionShape& shape, int layers, std::int64_t capacity) noexcept;

 private:
  struct Free {
    void operator()(void* p) const noexcept { std::free(p); }
  };

  std::size_t key_bytes_;
  std::size_t value_bytes_;
  int layers_;
  std::int64_t capacity_;
  std::unique_ptr<void, Free> memory_;
  std::byte* base_;  // memory_, rounded up to a cache line
};

// Caches within a budget of bytes. The caller asks for the longest sequences first, so a cache that comes
// back fits every later sequence and nothing is allocated per token or per refill.
class CachePool {
 public:
  CachePool(const kernels::AttentionShape& shape, std::size_t budget) : shape_(shape), budget_(budget) {}

  // A cache for at least `capacity` positions (a multiple of kernels::kKvBlock), or null when the budget is
  // spent.
  SequenceCache* take(int layers, std::int64_t capacity);
  void give_back(SequenceCache* cache);
  std::size_t budget() const noexcept { return budget_; }

 private:
  std::size_t bytes(const SequenceCache& cache) const noexcept {
    return SequenceCache::bytes(shape_, cache.layers(), cache.capacity());
  }

  kernels::AttentionShape shape_;
  std::size_t budget_;
  std::size_t allocated_ = 0;
  std::vector<std::unique_ptr<SequenceCache>> all_;
  std::vector<SequenceCache*> free_;
};

}  // namespace brinkmap::worker
