#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "worker/hf_quantized.h"

// What the unpackers of the several layouts share.
namespace brinkmap::worker {

[[noreturn]] void fail_tensor(const SafeTensor& tensor, const std::string& what);

// Part `name` of a module. Throws InputError when it is missing, has another type than the one given
// ("": any), or another shape (empty: any).
const SafeTensor& packed_part(const HfModule& parts, std::string_view name, std::string_view dtype,
                              const std::vector<std::int64_t>& shape = {});

// A part of two dimensions; the type may be I32 or U32, which differ only in how a word is printed.
const SafeTensor& packed_words(const HfModule& parts, std::string_view name);

std::uint32_t word_at(const SafeTensor& words, std::int64_t index);

// Value number `index` of a stream of `bits`-bit values, low bits first, that runs over words of 32 bits
// standing `stride` words apart, from word `first` on.
std::uint32_t stream_value(const SafeTensor& words, std::int64_t first, std::int64_t stride,
                           std::int64_t index, std::int64_t bits);

// The largest group of an affine format (128, 64 or 32) that divides `n`; 0 when none does.
std::int64_t affine_group(std::int64_t n);

// Rows in an affine format, written row by row.
class AffineRows {
 public:
  AffineRows(std::int64_t rows, std::int64_t cols, std::int64_t bits, std::int64_t group, HfStorage& storage);

  // codes: one a column; scales and mins: one a group of the format.
  void put(std::int64_t row, const std::uint8_t* codes, const float* scales, const float* mins);
  HfMatrix take(std::uint64_t stored_bytes) const;

 private:
  kernels::Format format_;
  std::int64_t rows_, cols_;
  kernels::AffineShape shape_;
  std::vector<std::byte>& data_;
};

}  // namespace brinkmap::worker
