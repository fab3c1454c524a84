#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace brinkmap::worker {

// Zeroed floats on a cache line boundary, as vector loads want them.
class AlignedFloats {
 public:
  AlignedFloats() = default;
  explicit AlignedFloats(std::int64_t size) : size_(size), data_(allocate(size)) {}

  float* data() noexcept { return data_.get(); }
  const float* data() const noexcept { return data_.get(); }
  std::int64_t size() const noexcept { return size_; }

 private:
  static constexpr std::align_val_t kLine{64};

  struct Free {
    void operator()(float* p) const noexcept { ::operator delete[](p, kLine); }
  };

  static float* allocate(std::int64_t size) { return new (kLine) float[static_cast<std::size_t>(size)](); }

  std::int64_t size_ = 0;
  std::unique_ptr<float[], Free> data_;
};

}  // namespace brinkmap::worker
