#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/gemm_panel.h"

// Activations packed for the GEMM: columns in tiles, k in the order in which the kernels read it. Internal to
// the GEMM.
namespace brinkmap::kernels {

// n columns in tiles of at most `width`, as even as can be: tile sizes differ by at most one, so no tile is a
// sliver.
struct TileSplit {
  std::int64_t tiles = 0;
  std::int64_t base = 0;   // columns of every tile
  std::int64_t extra = 0;  // the first `extra` tiles have one more

  TileSplit() = default;
  TileSplit(std::int64_t n, int width) noexcept
      : tiles((n + width - 1) / width), base(tiles == 0 ? 0 : n / tiles), extra(tiles == 0 ? 0 : n % tiles) {}

  std::int64_t first(std::int64_t tile) const noexcept { return tile * base + (tile < extra ? tile : extra); }
  int columns(std::int64_t tile) const noexcept { return static_cast<int>(base + (tile < extra ? 1 : 0)); }
};

// X as int8 with one scale a block, as llama.cpp quantizes it on x86:
// block 32 (Q8_0, Q8_1): d = max|x| / 127, code = nearest even of x * (127 / max|x|), d stored as binary16;
// the sum that
//   a min is multiplied with is d * sum of codes, also rounded to binary16 (Q8_1's s).
// block 256 (Q8_K): s = -127 / (the first x of largest magnitude), code = nearest even of s * x, d = 1 / s in
// f32. A NaN or infinity gives a NaN scale, so that it is not lost.
struct Q8Activations {
  AlignedBuffer<std::uint32_t> codes;     // [chunk][tile][k / 4][kQ8Tile]
  AlignedBuffer<float> scales;            // [chunk][tile][k / block][kQ8Tile]
  AlignedBuffer<std::int32_t> code_sums;  // [chunk][tile][k / sum_group][kQ8Tile]; sum_group is 32 or 16
  AlignedBuffer<float> sums32;            // [chunk][tile][k / 32][kQ8Tile]
  AlignedBuffer<float> sums16;            // [chunk][tile][k / 16][kQ8Tile], block 256 only
  bool ready = false;

  // Minus offset times the sum of each group's codes.
  struct Starts {
    int group = 0;
    int offset = 0;
    bool ready = false;
    AlignedBuffer<std::int32_t> values;  // [chunk][tile][k / group][kQ8Tile]
  };
  std::vector<Starts> starts;
};

struct Scratch {
  AlignedBuffer<std::byte> rows;  // a strip's last rows or last k, padded
  AlignedBuffer<std::uint8_t> codes;
  AlignedBuffer<float> scales;
  AlignedBuffer<float> mins;
  AlignedBuffer<float> weights;  // f32 panel
  AlignedBuffer<float> acc;      // [columns][kStripRows]
};

struct ActivationBatch::Impl {
  const float* x = nullptr;
  std::int64_t n = 0;
  std::int64_t cols = 0;
  std::int64_t ld = 0;
  Kind kind = Kind::kQ8;

  TileSplit q8_tiles;
  TileSplit f32_tiles;
  Q8Activations q8_32;
  Q8Activations q8_256;
  AlignedBuffer<float> f32;  // [chunk][tile][k][kF32Tile]
  bool f32_ready = false;
  std::vector<Scratch> scratch;                // one a thread
  AlignedBuffer<float> gathered;               // [n][cols], of reorder()
  std::unique_ptr<ActivationBatch> reordered;  // reads `gathered`

  // Where the numbers of `tile` from `k` on begin in an array with one number for `group` k. The kernels read
  // a chunk of a tile from its first k on.
  std::int64_t offset(const TileSplit& tiles, std::int64_t tile, std::int64_t k, int group,
                      int width) const noexcept {
    const std::int64_t chunk = k / kChunk * kChunk;
    const std::int64_t length = cols - chunk < kChunk ? cols - chunk : kChunk;
    return (tiles.tiles * chunk + tile * length + (k - chunk)) / group * width;
  }

  // cols must be a multiple of block.
  Q8Activations& prepare_q8(int block, const GemmKernels& kernels, ThreadPool& pool);
  const std::int32_t* prepare_starts(Q8Activations& q8, int block, int group, int offset, ThreadPool& pool);
  void prepare_f32(ThreadPool& pool);
  // The same batch with column order[j] at j, valid until the next call or load().
  ActivationBatch& reorder(const std::int32_t* order, ThreadPool& pool);
};

// The two block quantizers: codes[32] or codes[256]; they return the scale, that of q8 before rounding to
// binary16.
float quantize_block_q8(const GemmKernels& kernels, const float* x, std::int8_t* codes) noexcept;
float quantize_block_q8_k(const GemmKernels& kernels, const float* x, std::int8_t* codes) noexcept;

}  // namespace brinkmap::kernels
