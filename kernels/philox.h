#pragma once

#include <array>
#include <cstdint>

// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
// SC 2011). A draw is a pure function of (key, counter): no state, no order.
namespace brinkmap::kernels {

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) noexcept;

// A keyed stream: draw i of (seed, stream) is always the same number.
struct RandomStream {
  std::uint64_t seed = 0;    // the job's seed
  std::uint64_t stream = 0;  // what the numbers are for: experiment, head seed, purpose

  // The four words every draw of this index is made from: philox4x32 with counter {index, stream} and key
  // {seed}, low words first.
  std::array<std::uint32_t, 4> block(std::uint64_t index) const noexcept;

  std::uint32_t bits(std::uint64_t index) const noexcept;
  double uniform(std::uint64_t index) const noexcept;  // [0, 1), 53 bits
  double normal(std::uint64_t index) const noexcept;   // N(0, 1), Box-Muller on draws of this index alone
  std::uint64_t below(std::uint64_t index,
                      std::uint64_t n) const noexcept;  // [0, n), multiply-shift on 64 bits; 0 for n = 0
};

}  // namespace brinkmap::kernels
