#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include "kernels/format.h"

// What the GEMM's parts share: the layout of unpacked weights and of packed activations, and the table of
// functions that each instruction set fills. Internal to the GEMM; callers include kernels/gemm.h.
//
// Lanes are weight rows. A strip of kStripRows rows is unpacked kChunk weights at a time into a panel where
// four consecutive weights of a row stand together and the rows stand side by side, so that one vector
// instruction multiplies four weights of 16 (or 8) rows with four activations of one column, without shuffles
// or horizontal sums.
namespace brinkmap::kernels {

inline constexpr int kStripRows = 32;
inline constexpr int kChunk = 256;  // weights of a row that a panel holds: the largest block
inline constexpr int kF32Pass =
    128;  // f32 products are summed in runs of this length, then added: fixes the rounding
// Columns that one register tile holds. Six columns of two AVX-512 vectors need 12 int32 and 12 f32
// accumulators of 32 registers; twelve f32 columns need 24.
inline constexpr int kQ8Tile = 6;
inline constexpr int kF32Tile = 12;

// How a quantized format is unpacked: w = scale * (code - offset) + min, codes are bytes. A new format is an
// unpack function and one of these; the kernels know no format.
struct CodeLayout {
  int block;      // weights that share an activation scale: 32 (Q8_0, Q8_1 activations) or 256 (Q8_K)
  int group;      // codes that share a scale; divides block
  int min_group;  // codes that share a min; 0 when the format has none
  int offset;     // subtracted from every code, exactly, through sums of activations
  int max_code;   // largest code there is: says which narrow sums cannot overflow
};

// Null for the formats that always meet f32 activations: F32, F16, BF16 and NF4.
const CodeLayout* code_layout(Format format) noexcept;

// kStripRows rows of up to kChunk unpacked weights. All arrays are 64-byte aligned.
struct Panel {
  std::uint8_t* codes;  // [k / 4][kStripRows][4]
  float* scales;        // [k / group][kStripRows]
  float* mins;          // [k / min_group][kStripRows]
};

// One tile of quantized activations, from the panel's first k on. Strides are kQ8Tile whatever `columns` is.
struct Q8TileView {
  const std::uint32_t* codes;  // [k / 4][kQ8Tile], four signed bytes each, in [-127, 127]
  const float* scales;         // [k / block][kQ8Tile]
  const std::int32_t*
      starts;         // [k / group][kQ8Tile], -offset * sum of the group's codes; null when offset is 0
  const float* sums;  // [k / min_group][kQ8Tile]: of values (block 32) or of codes (block 256)
  int columns;        // 1..kQ8Tile
};

// What one instruction set provides. All versions compute the same f32 operations in the same order with
// explicit fused multiply-adds, so their results agree bit for bit.
struct GemmKernels {
  // Unpacks k <= kChunk weights (a multiple of the format's block) of kStripRows rows that lie `stride` bytes
  // apart.
  void (*unpack)(Format format, const std::byte* rows, std::ptrdiff_t stride, int k,
                 const Panel& panel) noexcept;
  // F32, F16, BF16, NF4 to out[k][kStripRows]. Reads (and writes) k rounded up to a multiple of 8 (NF4: k is
  // one of 64).
  void (*unpack_float)(Format format, const std::byte* rows, std::ptrdiff_t stride, int k,
                       float* out) noexcept;
  // Codes to out[k][kStripRows], the values that dequantize() gives.
  void (*expand)(const CodeLayout& layout, const Panel& panel, int k, float* out) noexcept;
  // acc[column][kStripRows] += panel * tile over k weights (a multiple of layout.block).
  void (*multiply_q8)(const CodeLayout& layout, const Panel& panel, int k, const Q8TileView& tile,
                      float* acc) noexcept;
  // acc[column][kStripRows] += sum over k of weights[k][kStripRows] * x[k][kF32Tile].
  void (*multiply_f32)(const float* weights, int k, const float* x, int columns, float* acc) noexcept;
  // The largest |x[i]| as its bits: they order like the magnitude, infinity and NaN on top. n is a multiple
  // of 32.
  std::uint32_t (*largest_magnitude)(const float* x, int n) noexcept;
  // Index of the first x[i] whose magnitude has these bits; there must be one. n is a multiple of 32.
  int (*find_magnitude)(const float* x, int n, std::uint32_t bits) noexcept;
  // sums[i] = sum of codes [16 i, 16 i + 16). n is a multiple of 32.
  void (*sum_codes)(const std::int8_t* codes, int n, std::int32_t* sums) noexcept;
  // codes[i] = x[i] * factor to the nearest integer, ties to even. Products within +-127.4 or NaN (any code
  // then).
  void (*round_codes)(const float* x, float factor, int n, std::int8_t* codes) noexcept;
  // Codes above 127 are read as code - 128 (8-bit products whose pair sums fit 16 bits): `starts` must use
  // offset - 128 for them.
  bool centers_wide_codes;
};

const GemmKernels& gemm_kernels_scalar() noexcept;
const GemmKernels& gemm_kernels_avx2() noexcept;
const GemmKernels& gemm_kernels_avx512vnni() noexcept;

void unpack_scalar(Format format, const std::byte* rows, std::ptrdiff_t stride, int k,
                   const Panel& panel) noexcept;
void unpack_float_scalar(Format format, const std::byte* rows, std::ptrdiff_t stride, int k,
                         float* out) noexcept;

// A 64-byte aligned array that only grows; contents are lost when it does.
template <class T>
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  ~AlignedBuffer() { release(); }
  AlignedBuffer(AlignedBuffer&& other) noexcept : data_(other.data_), size_(other.size_) {
    other.data_ = nullptr;
    other.size_ = 0;
  }
  AlignedBuffer& operator=(AlignedBuffer&&) = delete;

  void reserve(std::size_t size) {
    if (size <= size_) return;
    release();
    data_ = static_cast<T*>(::operator new (size * sizeof(T), std::align_val_t{64}));
    size_ = size;
  }
  T* data() const noexcept { return data_; }

 private:
  void release() noexcept {
    if (data_ != nullptr) ::operator delete (data_, std::align_val_t{64});
    data_ = nullptr;
    size_ = 0;
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace brinkmap::kernels
