#include "worker/engine_cache.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace brinkmap::worker {

namespace {

constexpr std::size_t kLine = 64;  // bytes of a cache line

std::size_t whole_lines(std::size_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

}  // namespace

std::size_t CacheLayout::layer_bytes(int layer, std::int64_t capacity) const noexcept {
  if (recurrent[static_cast<std::size_t>(layer)])
    return 2 * whole_lines(static_cast<std::size_t>(state_floats) * sizeof(float));
  return kernels::key_bytes(shape, capacity) + kernels::value_bytes(shape, capacity);
}

std::size_t CacheLayout::bytes(int layers, std::int64_t capacity) const noexcept {
  std::size_t sum = 0;
  for (int l = 0; l < layers; ++l) sum += layer_bytes(l, capacity);
  return sum;
}

SequenceCache::SequenceCache(const CacheLayout& layout, int layers, std::int64_t capacity)
    : layout_(&layout),
      layers_(layers),
      capacity_(capacity),
      // calloc: large pieces come from the kernel already zero, page by page as they are touched.
      memory_(std::calloc(layout.bytes(layers, capacity) + kLine, 1)) {
  if (memory_ == nullptr) throw std::bad_alloc();
  const auto address = reinterpret_cast<std::uintptr_t>(memory_.get());
  base_ = reinterpret_cast<std::byte*>((address + kLine - 1) / kLine * kLine);
  std::size_t offset = 0;
  for (int l = 0; l < layers; ++l) {
    offsets_.push_back(offset);
    offset += layout.layer_bytes(l, capacity);
    has_states_ = has_states_ || layout.recurrent[static_cast<std::size_t>(l)];
  }
}

kernels::KvPiece SequenceCache::piece(int layer) const noexcept {
  std::byte* at = base_ + offsets_[static_cast<std::size_t>(layer)];
  return {at, at + kernels::key_bytes(layout_->shape, capacity_), capacity_, 0};
}

float* SequenceCache::state(int layer) const noexcept {
  return reinterpret_cast<float*>(base_ + offsets_[static_cast<std::size_t>(layer)]);
}

std::size_t SequenceCache::state_bytes() const noexcept {
  return whole_lines(static_cast<std::size_t>(layout_->state_floats) * sizeof(float));
}

// call(layer, state, kept state)
template <class Call>
void SequenceCache::each_state(const Call& call) const noexcept {
  if (!has_states_) return;
  for (int l = 0; l < layers_; ++l)
    if (layout_->recurrent[static_cast<std::size_t>(l)]) {
      float* now = state(l);
      call(l, now, now + state_bytes() / sizeof(float));
    }
}

void SequenceCache::clear_states() noexcept {
  each_state([&](int, float* now, float*) { std::memset(now, 0, state_bytes()); });
}

void SequenceCache::keep_states() noexcept {
  each_state([&](int, float* now, float* kept) { std::memcpy(kept, now, state_bytes()); });
}

void SequenceCache::restore_states() noexcept {
  each_state([&](int, float* now, float* kept) { std::memcpy(now, kept, state_bytes()); });
}

void SequenceCache::continue_from(const SequenceCache& other, std::int64_t from, std::int64_t n) noexcept {
  each_state([&](int layer, float* now, float*) { std::memcpy(now, other.state(layer), state_bytes()); });
  if (n == 0) return;
  for (int l = 0; l < layers_ && l < other.layers(); ++l)
    if (!layout_->recurrent[static_cast<std::size_t>(l)])
      kernels::copy_kv(layout_->shape, other.piece(l), from, piece(l), 0, n);
}

SequenceCache* CachePool::take(int layers, std::int64_t capacity) {
  for (std::size_t i = 0; i < free_.size(); ++i)
    if (free_[i]->layers() >= layers && free_[i]->capacity() >= capacity) {
      SequenceCache* found = free_[i];
      free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(i));
      return found;
    }
  const std::size_t wanted = layout_.bytes(layers, capacity);
  if (wanted > budget_) return nullptr;
  // Free caches that are too small only stand in the way.
  while (allocated_ + wanted > budget_ && !free_.empty()) {
    SequenceCache* old = free_.back();
    free_.pop_back();
    allocated_ -= bytes(*old);
    std::erase_if(all_, [old](const auto& c) { return c.get() == old; });
  }
  if (allocated_ + wanted > budget_) return nullptr;
  all_.push_back(std::make_unique<SequenceCache>(layout_, layers, capacity));
  allocated_ += wanted;
  return all_.back().get();
}

void CachePool::give_back(SequenceCache* cache) { free_.push_back(cache); }

}  // namespace brinkmap::worker
