#pragma once

#include <cstdint>

// IEEE 754 binary16 and bfloat16, exact in both directions and rounding to nearest even. Branch-free selects,
// so that a loop over rows vectorises. A NaN stays a NaN: quiet, with the upper payload bits kept, as the
// F16C and AVX512 instructions do; so plain and SIMD code agree on every input.
//
// Always inlined: these are used in sources built for several instruction sets, and a shared out-of-line copy
// could be the one that the running CPU cannot execute.
namespace brinkmap::kernels {

// std::bit_cast, but never a function call.
template <class To, class From>
[[gnu::always_inline]] constexpr To bits_as(From from) noexcept {
  static_assert(sizeof(To) == sizeof(From));
  return __builtin_bit_cast(To, from);
}

[[gnu::always_inline]] inline float f16_to_f32(std::uint16_t half) noexcept {
  constexpr std::uint32_t kRebias = (127 - 15) << 23;
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t magnitude = static_cast<std::uint32_t>(half & 0x7fffu) << 13;
  const std::uint32_t normal = magnitude + kRebias;
  // With the exponent field raised to that of 2^-14 the fraction carries a leading one too many; take it
  // away.
  const float subnormal = bits_as<float>(magnitude + kRebias + (1u << 23)) - 0x1p-14f;
  const std::uint32_t quiet = magnitude > 0x0f800000u ? 0x00400000u : 0u;
  std::uint32_t bits = magnitude < 0x00800000u ? bits_as<std::uint32_t>(subnormal) : normal;
  bits = magnitude >= 0x0f800000u ? (magnitude | 0x7f800000u | quiet) : bits;
  return bits_as<float>(bits | sign);
}

[[gnu::always_inline]] inline std::uint16_t f32_to_f16(float value) noexcept {
  const std::uint32_t bits = bits_as<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  // Bit 12 is the half; adding one less than it plus the kept lowest bit rounds to even, and a carry moves up
  // into the exponent as it should (up to infinity).
  const std::uint32_t normal = (magnitude - ((127u - 15u) << 23) + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  // The last bit of 0.5f is worth 2^-24, the step of binary16 subnormals: the addition itself rounds.
  const std::uint32_t subnormal =
      bits_as<std::uint32_t>(bits_as<float>(magnitude < 0x38800000u ? magnitude : 0u) + 0.5f) - 0x3f000000u;
  std::uint32_t half = magnitude < 0x38800000u ? subnormal : normal;
  half = magnitude >= 0x47800000u ? 0x7c00u : half;
  half = magnitude > 0x7f800000u ? (0x7e00u | ((magnitude >> 13) & 0x3ffu)) : half;
  return static_cast<std::uint16_t>(half | sign);
}

[[gnu::always_inline]] inline float bf16_to_f32(std::uint16_t value) noexcept {
  return bits_as<float>(static_cast<std::uint32_t>(value) << 16);
}

[[gnu::always_inline]] inline std::uint16_t f32_to_bf16(float value) noexcept {
  const std::uint32_t bits = bits_as<std::uint32_t>(value);
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  return static_cast<std::uint16_t>(nan ? ((bits >> 16) | 0x40u) : rounded);
}

}  // namespace brinkmap::kernels
