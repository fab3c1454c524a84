#pragma once

#include <cstdint>
#include <vector>

namespace brinkmap::worker {

// A matrix quantized in groups of columns, as AWQ and GPTQ files hold it:
// w[r, c] = scales[r, g] * (codes[r, c] - zeros[r, g]) with g = group_of[c].
struct GroupCodes {
  int bits = 4;  // 2, 3, 4 or 8: codes and zeros are below 2^bits
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t groups = 0;
  std::vector<std::uint8_t> codes;     // [rows, cols]
  std::vector<std::uint16_t> scales;   // [rows, groups], binary16
  std::vector<std::uint8_t> zeros;     // [rows, groups]
  std::vector<std::int32_t> group_of;  // [cols]; any group may have any columns (activation order)

  GroupCodes() = default;
  // Zeros, with group_of in column order: group g has columns [g * group, (g + 1) * group).
  GroupCodes(int bits, std::int64_t rows, std::int64_t cols, std::int64_t group);
};

// The weights, [rows, cols], exactly: a binary16 scale times an integer below 2^9 is an f32.
void decode(const GroupCodes& q, float* w);

// Nearest integer, ties to even, for |x| < 2^22; beyond that an integer near x. Plain arithmetic, so that
// loops over it vectorise, and so the same on every machine.
[[gnu::always_inline]] inline float round_to_even(float x) noexcept {
  constexpr float kMagic = 0x1.8p23f;  // its last bit is worth 1
  return (x + kMagic) - kMagic;
}

}  // namespace brinkmap::worker
