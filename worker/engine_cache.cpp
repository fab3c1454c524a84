#include "worker/engine_cache.h"

#include <algorithm>
#include <new>

namespace brinkmap::worker {

namespace {
constexpr std::size_t kLine = 64;  // bytes of a cache line
}

SequenceCache::SequenceCache(const kernels::AttentionShape& shape, int layers, std::int64_t capacity)
    : key_bytes_(kernels::key_bytes(shape, capacity)),
      value_bytes_(kernels::value_bytes(shape, capacity)),
      layers_(layers),
      capacity_(capacity),
      // calloc: large pieces come from the kernel already zero, page by page as they are touched.
      memory_(std::calloc(bytes(shape, layers, capacity) + kLine, 1)) {
  if (memory_ == nullptr) throw std::bad_alloc();
  const auto address = reinterpret_cast<std::uintptr_t>(memory_.get());
  base_ = reinterpret_cast<std::byte*>((address + kLine - 1) / kLine * kLine);
}

kernels::KvPiece SequenceCache::piece(int layer) const noexcept {
  std::byte* at = base_ + static_cast<std::size_t>(layer) * (key_bytes_ + value_bytes_);
  return {at, at + key_bytes_, capacity_, 0};
}

std::size_t SequenceCache::bytes(const kernels::AttentionShape& shape, int layers,
                                 std::int64_t capacity) noexcept {
  return static_cast<std::size_t>(layers) *
         (kernels::key_bytes(shape, capacity) + kernels::value_bytes(shape, capacity));
}

SequenceCache* CachePool::take(int layers, std::int64_t capacity) {
  for (std::size_t i = 0; i < free_.size(); ++i)
    if (free_[i]->layers() >= layers && free_[i]->capacity() >= capacity) {
      SequenceCache* found = free_[i];
      free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(i));
      return found;
    }
  const std::size_t wanted = SequenceCache::bytes(shape_, layers, capacity);
  if (wanted > budget_) return nullptr;
  // Free caches that are too small only stand in the way.
  while (allocated_ + wanted > budget_ && !free_.empty()) {
    SequenceCache* old = free_.back();
    free_.pop_back();
    allocated_ -= bytes(*old);
    std::erase_if(all_, [old](const auto& c) { return c.get() == old; });
  }
  if (allocated_ + wanted > budget_) return nullptr;
  all_.push_back(std::make_unique<SequenceCache>(shape_, layers, capacity));
  allocated_ += wanted;
  return all_.back().get();
}

void CachePool::give_back(SequenceCache* cache) { free_.push_back(cache); }

}  // namespace brinkmap::worker
