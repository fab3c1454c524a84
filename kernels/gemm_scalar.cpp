#include <bit>
#include <cmath>

#include "kernels/gemm_panel.h"

// The plain GEMM kernels: the formula, in the order of operations that every version keeps.
namespace brinkmap::kernels {

namespace {

std::int32_t dot4(const std::uint8_t* weights, std::uint32_t x) noexcept {
  std::int32_t sum = 0;
  for (int i = 0; i < 4; ++i) sum += weights[i] * static_cast<std::int8_t>(x >> (8 * i) & 255);
  return sum;
}

void expand(const CodeLayout& layout, const Panel& panel, int k, float* out) noexcept {
  for (int i = 0; i < k; ++i)
    for (int r = 0; r < kStripRows; ++r) {
      const int code = panel.codes[(i / 4 * kStripRows + r) * 4 + i % 4] - layout.offset;
      float value = panel.scales[i / layout.group * kStripRows + r] * static_cast<float>(code);
      if (layout.min_group != 0) value += panel.mins[i / layout.min_group * kStripRows + r];
      out[i * kStripRows + r] = value;
    }
}

// One output of one activation block: the sum over groups of scale * integer dot, before the activation
// scale.
float block_dot(const CodeLayout& layout, const Panel& panel, int k0, int r, const Q8TileView& tile,
                int c) noexcept {
  float part = 0;
  for (int g = 0; g < layout.block / layout.group; ++g) {
    const int group = k0 / layout.group + g;
    std::int32_t sum = tile.starts == nullptr ? 0 : tile.starts[group * kQ8Tile + c];
    for (int q = 0; q < layout.group / 4; ++q) {
      const int at = group * layout.group / 4 + q;
      sum += dot4(panel.codes + (at * kStripRows + r) * 4, tile.codes[at * kQ8Tile + c]);
    }
    const float scale = panel.scales[group * kStripRows + r];
    part = g == 0 ? static_cast<float>(sum) * scale : std::fma(static_cast<float>(sum), scale, part);
  }
  return part;
}

void multiply_q8(const CodeLayout& layout, const Panel& panel, int k, const Q8TileView& tile,
                 float* acc) noexcept {
  for (int c = 0; c < tile.columns; ++c)
    for (int r = 0; r < kStripRows; ++r) {
      float sum = acc[c * kStripRows + r];
      for (int k0 = 0; k0 < k; k0 += layout.block) {
        float part = block_dot(layout, panel, k0, r, tile, c);
        // Block 32: the sum of activations already carries their scale. Block 256: it is a sum of codes.
        const int mins = layout.min_group == 0 ? 0 : layout.block / layout.min_group;
        const int first = mins == 0 ? 0 : k0 / layout.min_group;
        const float scale = tile.scales[k0 / layout.block * kQ8Tile + c];
        if (layout.block == 32) sum = std::fma(part, scale, sum);
        float& into = layout.block == 32 ? sum : part;
        for (int m = first; m < first + mins; ++m)
          into = std::fma(panel.mins[m * kStripRows + r], tile.sums[m * kQ8Tile + c], into);
        if (layout.block != 32) sum = std::fma(part, scale, sum);
      }
      acc[c * kStripRows + r] = sum;
    }
}

void multiply_f32(const float* weights, int k, const float* x, int columns, float* acc) noexcept {
  for (int c = 0; c < columns; ++c)
    for (int r = 0; r < kStripRows; ++r) {
      float sum = 0;
      for (int i = 0; i < k; ++i) sum = std::fma(weights[i * kStripRows + r], x[i * kF32Tile + c], sum);
      acc[c * kStripRows + r] += sum;
    }
}

std::uint32_t largest_magnitude(const float* x, int n) noexcept {
  std::uint32_t largest = 0;
  for (int i = 0; i < n; ++i) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(x[i]) & 0x7fffffffu;
    largest = bits > largest ? bits : largest;
  }
  return largest;
}

int find_magnitude(const float* x, int, std::uint32_t bits) noexcept {
  int at = 0;
  while ((std::bit_cast<std::uint32_t>(x[at]) & 0x7fffffffu) != bits) ++at;
  return at;
}

void sum_codes(const std::int8_t* codes, int n, std::int32_t* sums) noexcept {
  for (int i = 0; i < n; i += 16) {
    sums[i / 16] = 0;
    for (int j = i; j < i + 16; ++j) sums[i / 16] += codes[j];
  }
}

// Adding 1.5 * 2^23 leaves the nearest integer in the low bits; a conversion would be undefined for NaN.
void round_codes(const float* x, float factor, int n, std::int8_t* codes) noexcept {
  for (int i = 0; i < n; ++i) {
    const float shifted = x[i] * factor + 12582912.0f;
    const int code = static_cast<int>(std::bit_cast<std::uint32_t>(shifted) & 0x7fffffu) - 0x400000;
    codes[i] = static_cast<std::int8_t>(code > 127 ? 127 : code < -127 ? -127 : code);
  }
}

}  // namespace

const GemmKernels& gemm_kernels_scalar() noexcept {
  static constexpr GemmKernels kKernels{
      .unpack = unpack_scalar,
      .unpack_float = unpack_float_scalar,
      .expand = expand,
      .multiply_q8 = multiply_q8,
      .multiply_f32 = multiply_f32,
      .largest_magnitude = largest_magnitude,
      .find_magnitude = find_magnitude,
      .sum_codes = sum_codes,
      .round_codes = round_codes,
      .centers_wide_codes = false,
  };
  return kKernels;
}

}  // namespace brinkmap::kernels
