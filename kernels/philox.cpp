#include "kernels/philox.h"

#include <cmath>
#include <numbers>

namespace brinkmap::kernels {

namespace {

// Multipliers and Weyl increments of Philox4x32 (Random123, philox.h).
constexpr std::uint32_t kMultiplier0 = 0xD2511F53u;
constexpr std::uint32_t kMultiplier1 = 0xCD9E8D57u;
constexpr std::uint32_t kWeyl0 = 0x9E3779B9u;
constexpr std::uint32_t kWeyl1 = 0xBB67AE85u;
constexpr int kRounds = 10;

std::uint64_t join(std::uint32_t low, std::uint32_t high) noexcept {
  return static_cast<std::uint64_t>(high) << 32 | low;
}

double unit(std::uint64_t bits) noexcept { return static_cast<double>(bits >> 11) * 0x1p-53; }

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) noexcept {
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t a = static_cast<std::uint64_t>(kMultiplier0) * counter[0];
    const std::uint64_t b = static_cast<std::uint64_t>(kMultiplier1) * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

std::array<std::uint32_t, 4> RandomStream::block(std::uint64_t index) const noexcept {
  return philox4x32({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
                     static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)},
                    {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
}

std::uint32_t RandomStream::bits(std::uint64_t index) const noexcept { return block(index)[0]; }

double RandomStream::uniform(std::uint64_t index) const noexcept {
  const auto w = block(index);
  return unit(join(w[0], w[1]));
}

double RandomStream::normal(std::uint64_t index) const noexcept {
  const auto w = block(index);
  // 1 - u lies in (0, 1], so the logarithm is finite.
  const double radius = std::sqrt(-2.0 * std::log(1.0 - unit(join(w[0], w[1]))));
  return radius * std::cos(2.0 * std::numbers::pi * unit(join(w[2], w[3])));
}

std::uint64_t RandomStream::below(std::uint64_t index, std::uint64_t n) const noexcept {
  const auto w = block(index);
  // High 64 bits of a 64 x 64 product, from 32-bit halves (no 128-bit integers in the standard).
  const std::uint64_t x_low = w[0], x_high = w[1];
  const std::uint64_t n_low = n & 0xffffffffu, n_high = n >> 32;
  const std::uint64_t middle = x_high * n_low + ((x_low * n_low) >> 32);
  const std::uint64_t carry = (middle & 0xffffffffu) + x_low * n_high;
  return x_high * n_high + (middle >> 32) + (carry >> 32);
}

}  // namespace brinkmap::kernels
