#pragma once

#include <cstdint>

#include "kernels/gemm_panel.h"
#include "kernels/unpack_simd.h"

// The GEMM's inner loops for any vector width. L (see unpack_simd.h) says how many columns its registers hold
// beside two vectors of rows. Every accumulator lives in a register: arrays below have constant indices after
// unrolling.
namespace brinkmap::kernels {

template <int N>
struct Constant {
  static constexpr int value = N;
};

// Calls f(Constant<n>) with n = columns, 1..Max.
template <int Max, class F>
[[gnu::always_inline]] inline void with_columns(int columns, F f) noexcept {
  if constexpr (Max > 1) {
    if (columns < Max) return with_columns<Max - 1>(columns, f);
  }
  f(Constant<Max>{});
}

// One register tile: 2 vectors of rows x kColumns columns over the panel's whole k. kSums: how many 8-bit
// products may be added in 16 bits (0: the codes are wide), where L multiplies that way.
template <class L, int kBlock, int kGroup, int kMinGroup, int kSums, int kColumns>
struct Q8Tile {
  using Float = typename L::Float;
  using Int = typename L::Reg;
  static constexpr int kRun = kGroup / 4 < 8 ? kGroup / 4 : 8;  // quads of k unrolled

  const std::uint8_t* codes;
  const float* scales;
  const float* mins;
  const std::uint32_t* x;
  const float* x_scales;
  const std::int32_t* starts;
  const float* sums;

  [[gnu::always_inline]] void dot(Int (&dots)[2][kColumns]) noexcept {
    BRINKMAP_UNROLL
    for (int c = 0; c < kColumns; ++c) {
      const Int start = starts == nullptr ? L::zero() : L::set_int(starts[c]);
      dots[0][c] = start;
      dots[1][c] = start;
    }
    if (starts != nullptr) starts += kQ8Tile;
    for (int run = 0; run < kGroup / 4; run += kRun) {
      L::template dot<kRun, kSums, kColumns>(dots, codes, x);
      codes += kRun * kStripRows * 4;
      x += kRun * kQ8Tile;
    }
  }

  [[gnu::always_inline]] void add_mins(Float (&into)[2][kColumns], int count) noexcept {
    for (int m = 0; m < count; ++m) {
      BRINKMAP_UNROLL
      for (int c = 0; c < kColumns; ++c) {
        const Float sum = L::set(sums[c]);
        into[0][c] = L::fma(L::load(mins), sum, into[0][c]);
        into[1][c] = L::fma(L::load(mins + L::kLanes), sum, into[1][c]);
      }
      mins += kStripRows;
      sums += kQ8Tile;
    }
  }

  // Block 32: one group, the activation scale joins at once, sums stay in registers.
  [[gnu::always_inline]] void run_small(int blocks, float* acc) noexcept {
    Float total[2][kColumns];
    BRINKMAP_UNROLL
    for (int c = 0; c < kColumns; ++c) {
      total[0][c] = L::load(acc + c * kStripRows);
      total[1][c] = L::load(acc + c * kStripRows + L::kLanes);
    }
    for (int b = 0; b < blocks; ++b) {
      Int dots[2][kColumns];
      dot(dots);
      BRINKMAP_UNROLL
      for (int c = 0; c < kColumns; ++c) {
        const Float scale = L::set(x_scales[c]);
        BRINKMAP_UNROLL
        for (int v = 0; v < 2; ++v)
          total[v][c] =
              L::fma(L::mul(L::to_float(dots[v][c]), L::load(scales + v * L::kLanes)), scale, total[v][c]);
      }
      scales += kStripRows;
      x_scales += kQ8Tile;
      if constexpr (kMinGroup != 0) add_mins(total, 1);
    }
    BRINKMAP_UNROLL
    for (int c = 0; c < kColumns; ++c) {
      L::store(acc + c * kStripRows, total[0][c]);
      L::store(acc + c * kStripRows + L::kLanes, total[1][c]);
    }
  }

  // Block 256: groups and mins are summed first, the activation scale joins once a block.
  [[gnu::always_inline]] void run_large(int blocks, float* acc) noexcept {
    for (int b = 0; b < blocks; ++b) {
      Float part[2][kColumns];
      BRINKMAP_UNROLL
      for (int c = 0; c < kColumns; ++c) part[0][c] = part[1][c] = L::set(0.0f);
      for (int g = 0; g < kBlock / kGroup; ++g) {
        Int dots[2][kColumns];
        dot(dots);
        BRINKMAP_UNROLL
        for (int c = 0; c < kColumns; ++c) BRINKMAP_UNROLL
        for (int v = 0; v < 2; ++v)
          part[v][c] = L::fma(L::to_float(dots[v][c]), L::load(scales + v * L::kLanes), part[v][c]);
        scales += kStripRows;
      }
      if constexpr (kMinGroup != 0) add_mins(part, kBlock / kMinGroup);
      BRINKMAP_UNROLL
      for (int c = 0; c < kColumns; ++c) {
        const Float scale = L::set(x_scales[c]);
        BRINKMAP_UNROLL
        for (int v = 0; v < 2; ++v) {
          float* to = acc + c * kStripRows + v * L::kLanes;
          L::store(to, L::fma(part[v][c], scale, L::load(to)));
        }
      }
      x_scales += kQ8Tile;
    }
  }
};

template <class L, int kBlock, int kGroup, int kMinGroup, int kSums>
void multiply_q8_strip(const Panel& panel, int k, const Q8TileView& tile, float* acc) noexcept {
  for (int row = 0; row < kStripRows; row += 2 * L::kLanes)
    for (int c0 = 0; c0 < tile.columns; c0 += L::kQ8Columns) {
      const int columns = tile.columns - c0 < L::kQ8Columns ? tile.columns - c0 : L::kQ8Columns;
      with_columns<L::kQ8Columns>(columns, [&](auto count) noexcept {
        Q8Tile<L, kBlock, kGroup, kMinGroup, kSums, decltype(count)::value> work{
            panel.codes + row * 4,
            panel.scales + row,
            panel.mins + row,
            tile.codes + c0,
            tile.scales + c0,
            tile.starts == nullptr ? nullptr : tile.starts + c0,
            tile.sums == nullptr ? nullptr : tile.sums + c0};
        if constexpr (kBlock == 32)
          work.run_small(k / kBlock, acc + c0 * kStripRows + row);
        else
          work.run_large(k / kBlock, acc + c0 * kStripRows + row);
      });
    }
}

[[gnu::always_inline]] inline constexpr int layout_key(int block, int group, int min_group,
                                                       int sums) noexcept {
  return ((block / 16 * 32 + group / 16) * 32 + min_group / 16) * 16 + sums;
}

// The shapes that are compiled; a layout of another shape needs a line here.
template <class L>
void multiply_q8_simd(const CodeLayout& layout, const Panel& panel, int k, const Q8TileView& tile,
                      float* acc) noexcept {
#define BRINKMAP_SHAPE(block, group, min_group, max_code)      \
  case layout_key(block, group, min_group, L::sums(max_code)): \
    return multiply_q8_strip<L, block, group, min_group, L::sums(max_code)>(panel, k, tile, acc);
  switch (layout_key(layout.block, layout.group, layout.min_group, L::sums(layout.max_code))) {
    BRINKMAP_SHAPE(32, 32, 0, 255)    // Q8_0, IQ4_NL
    BRINKMAP_SHAPE(32, 32, 32, 15)    // Q4_1, affine
    BRINKMAP_SHAPE(256, 32, 32, 15)   // Q4_K
    BRINKMAP_SHAPE(256, 16, 0, 63)    // Q6_K
    BRINKMAP_SHAPE(256, 256, 16, 45)  // Q2_K
    BRINKMAP_SHAPE(256, 256, 0, 255)  // Q3_K
    BRINKMAP_SHAPE(256, 32, 0, 255)   // IQ4_XS
  }
  if constexpr (L::sums(15) != L::sums(255)) {
    switch (layout_key(layout.block, layout.group, layout.min_group, L::sums(layout.max_code))) {
      BRINKMAP_SHAPE(32, 32, 0, 15)    // Q4_0
      BRINKMAP_SHAPE(32, 32, 0, 31)    // Q5_0
      BRINKMAP_SHAPE(32, 32, 32, 31)   // Q5_1
      BRINKMAP_SHAPE(256, 32, 32, 31)  // Q5_K
      BRINKMAP_SHAPE(32, 32, 32, 255)  // affine, 8 bits
    }
  }
#undef BRINKMAP_SHAPE
  __builtin_trap();  // a layout without a shape above
}

template <class L, int kColumns>
[[gnu::always_inline]] inline void multiply_f32_tile(const float* w, int k, const float* x,
                                                     float* acc) noexcept {
  typename L::Float sum[2][kColumns];
  BRINKMAP_UNROLL
  for (int c = 0; c < kColumns; ++c) sum[0][c] = sum[1][c] = L::set(0.0f);
  for (int i = 0; i < k; ++i, w += kStripRows, x += kF32Tile) {
    const typename L::Float w0 = L::load(w), w1 = L::load(w + L::kLanes);
    BRINKMAP_UNROLL
    for (int c = 0; c < kColumns; ++c) {
      const typename L::Float value = L::set(x[c]);
      sum[0][c] = L::fma(w0, value, sum[0][c]);
      sum[1][c] = L::fma(w1, value, sum[1][c]);
    }
  }
  BRINKMAP_UNROLL
  for (int c = 0; c < kColumns; ++c) BRINKMAP_UNROLL
  for (int v = 0; v < 2; ++v) {
    float* to = acc + c * kStripRows + v * L::kLanes;
    L::store(to, L::add(L::load(to), sum[v][c]));
  }
}

template <class L>
void multiply_f32_simd(const float* weights, int k, const float* x, int columns, float* acc) noexcept {
  for (int row = 0; row < kStripRows; row += 2 * L::kLanes)
    for (int c0 = 0; c0 < columns; c0 += L::kF32Columns)
      with_columns<L::kF32Columns>(columns - c0 < L::kF32Columns ? columns - c0 : L::kF32Columns,
                                   [&](auto count) noexcept {
                                     multiply_f32_tile<L, decltype(count)::value>(
                                         weights + row, k, x + c0, acc + c0 * kStripRows + row);
                                   });
}

template <class L>
std::uint32_t largest_magnitude_simd(const float* x, int n) noexcept {
  typename L::Reg largest = L::zero();
  for (int i = 0; i < n; i += L::kLanes)
    largest = L::max(largest, L::bit_and(L::load_bits(x + i), 0x7fffffffu));
  return L::max_lane(largest);
}

template <class L>
int find_magnitude_simd(const float* x, int n, std::uint32_t bits) noexcept {
  for (int i = 0; i < n; i += L::kLanes) {
    const std::uint32_t equal = L::equal_lanes(L::bit_and(L::load_bits(x + i), 0x7fffffffu), bits);
    if (equal != 0) return i + __builtin_ctz(equal);
  }
  __builtin_unreachable();
}

template <class L>
void sum_codes_simd(const std::int8_t* codes, int n, std::int32_t* sums) noexcept {
  for (int i = 0; i < n; i += 32) L::sum_codes(codes + i, sums + i / 16);
}

template <class L>
void round_codes_simd(const float* x, float factor, int n, std::int8_t* codes) noexcept {
  const typename L::Float scale = L::set(factor);
  for (int i = 0; i < n; i += 32) L::store_rounded(x + i, scale, codes + i);
}

}  // namespace brinkmap::kernels
