#pragma once

#include <cstdint>
#include <span>

#include "kernels/block.h"
#include "kernels/format.h"

// Encoders of MLX and bitsandbytes, to the formats that exist in memory only. Weights are f32; n is a
// multiple of the group everywhere. The bits do not depend on the instruction set.
namespace brinkmap::kernels {

// What MLX stores a group's scale and min as: the type of the weights it quantizes.
enum class ScaleType : std::uint8_t { kF32, kF16, kBF16 };

// As mlx.core.quantize on a CPU (mlx/backend/cpu/quantized.cpp): the end of the range with the larger
// magnitude is code 0 and is met exactly, zero lies on the grid, codes are the nearest to the unrounded scale
// and round halves to even. bits 2, 3, 4, 5, 6 or 8, group 32, 64 or 128; writes blocks of
// affine_format(bits, group).
void quantize_mlx(const float* in, void* blocks, std::int64_t n, int bits, int group,
                  ScaleType type) noexcept;

// One group of n (at most 128) codes with an encoder's scale and min, as a block of affine_format(bits, n).
// codes[i] is below 2^bits.
void pack_affine(const std::uint8_t* codes, int bits, int n, float scale, float min, void* block) noexcept;

// As bitsandbytes' quantize_4bit with NF4 and blocks of 64: the nearest level of w * (1 / absmax), halfway to
// the lower one. A block of zeros has absmax 0 and the code of level 0.
void quantize_nf4(const float* in, void* blocks, std::int64_t n) noexcept;

// bitsandbytes' 8-bit numbers, ascending (functional.py, create_dynamic_map with its defaults).
std::span<const float, 256> nf4_absmax_map() noexcept;

// The second quantization of bitsandbytes (compress_statistics): absmax minus its mean over the tensor, as
// codes of nf4_absmax_map() with an f32 scale for each 256. Codes and scales are for a writer; either may be
// empty, else blocks.size() and a scale for each 256 of them.
struct Nf4Nested {
  float offset = 0;               // the mean, in double precision, rounded to f32
  std::span<std::uint8_t> codes;  // one a block
  std::span<float> scales;        // one for each 256 blocks
};
// Replaces each block's absmax by what the stored numbers decode to: map[code] * scale + offset in f32.
void nest_nf4_scales(std::span<BlockNF4> blocks, Nf4Nested& stored) noexcept;

}  // namespace brinkmap::kernels
