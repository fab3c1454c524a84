#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "kernels/attention.h"

namespace brinkmap::worker {

// What the cache of one sequence holds, layer by layer: keys and values of every position, or the state of a
// recurrent layer, twice: as it is, and as it was when it was kept.
struct CacheLayout {
  kernels::AttentionShape shape;  // only the window differs between layers
  std::vector<bool> recurrent;    // of each layer
  std::int64_t state_floats = 0;  // of a recurrent layer

  std::size_t layer_bytes(int layer, std::int64_t capacity) const noexcept;
  std::size_t bytes(int layers, std::int64_t capacity) const noexcept;  // of the first `layers`
};

// Everything that one sequence leaves behind in the first `layers` layers. The layout must outlive it.
class SequenceCache {
 public:
  SequenceCache(const CacheLayout& layout, int layers, std::int64_t capacity);

  std::int64_t capacity() const noexcept { return capacity_; }
  int layers() const noexcept { return layers_; }
  bool has_states() const noexcept { return has_states_; }

  // The piece of one attention layer; its length is the caller's to set.
  kernels::KvPiece piece(int layer) const noexcept;
  // The state of one recurrent layer.
  float* state(int layer) const noexcept;

  // A state cannot be cut like keys and values, so a sequence that will come back to a position keeps the
  // state there. What was kept is overwritten.
  void clear_states() noexcept;  // a sequence begins
  void keep_states() noexcept;
  void restore_states() noexcept;

  // Takes over positions [from, from + n) of another cache as its own first ones, and the other's states.
  // Positions of a shared prefix that fill no whole key block are copied like this, never computed again.
  void continue_from(const SequenceCache& other, std::int64_t from, std::int64_t n) noexcept;

 private:
  struct Free {
    void operator()(void* p) const noexcept { std::free(p); }
  };
  std::size_t state_bytes() const noexcept;
  template <class Call>
  void each_state(const Call& call) const noexcept;

  const CacheLayout* layout_;
  int layers_;
  std::int64_t capacity_;
  bool has_states_ = false;
  std::vector<std::size_t> offsets_;  // [layers]
  std::unique_ptr<void, Free> memory_;
  std::byte* base_;  // memory_, rounded up to a cache line
};

// Caches within a budget of bytes. The caller asks for the longest sequences first, so a cache that comes
// back fits every later sequence and nothing is allocated per token or per refill.
class CachePool {
 public:
  CachePool(const CacheLayout& layout, std::size_t budget) : layout_(layout), budget_(budget) {}

  // A cache for at least `capacity` positions (a multiple of kernels::kKvBlock), or null when the budget is
  // spent. Its states are those of its last user.
  SequenceCache* take(int layers, std::int64_t capacity);
  void give_back(SequenceCache* cache);
  std::size_t budget() const noexcept { return budget_; }

 private:
  std::size_t bytes(const SequenceCache& cache) const noexcept {
    return layout_.bytes(cache.layers(), cache.capacity());
  }

  const CacheLayout& layout_;
  std::size_t budget_;
  std::size_t allocated_ = 0;
  std::vector<std::unique_ptr<SequenceCache>> all_;
  std::vector<SequenceCache*> free_;
};

}  // namespace brinkmap::worker
