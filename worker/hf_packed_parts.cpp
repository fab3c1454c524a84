#include "worker/hf_packed_parts.h"

#include <cstring>

#include "schedule/error.h"
#include "worker/gguf_parse.h"

namespace brinkmap::worker {

namespace {

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace

void fail_tensor(const SafeTensor& tensor, const std::string& what) {
  throw InputError(tensor.file, tensor_place(tensor.name), what);
}

const SafeTensor& packed_part(const HfModule& parts, std::string_view name, std::string_view dtype,
                              const std::vector<std::int64_t>& shape) {
  const auto it = parts.find(name);
  if (it == parts.end())
    fail_tensor(*parts.begin()->second,
                "has no " + std::string(name) + " beside it, which its packing needs");
  const SafeTensor& tensor = *it->second;
  if (!dtype.empty() && tensor.dtype != dtype)
    fail_tensor(tensor, "expected " + std::string(dtype) + ", found " + tensor.dtype);
  if (!shape.empty() && tensor.shape != shape)
    fail_tensor(tensor, "expected shape " + shape_text(shape) + ", found " + shape_text(tensor.shape));
  return tensor;
}

const SafeTensor& packed_words(const HfModule& parts, std::string_view name) {
  const SafeTensor& tensor = packed_part(parts, name, "");
  if (tensor.dtype != "I32" && tensor.dtype != "U32")
    fail_tensor(tensor, "expected words of 32 bits, found " + tensor.dtype);
  if (tensor.shape.size() != 2)
    fail_tensor(tensor, "expected two dimensions, found " + shape_text(tensor.shape));
  return tensor;
}

std::uint32_t word_at(const SafeTensor& words, std::int64_t index) {
  std::uint32_t value;
  std::memcpy(&value, words.data.data() + 4 * index, 4);
  return value;
}

std::uint32_t stream_value(const SafeTensor& words, std::int64_t first, std::int64_t stride,
                           std::int64_t index, std::int64_t bits) {
  const std::int64_t bit = index * bits;
  const std::int64_t at = first + bit / 32 * stride;
  const std::int64_t shift = bit % 32;
  std::uint32_t value = word_at(words, at) >> shift;
  if (shift + bits > 32) value |= word_at(words, at + stride) << (32 - shift);
  return value & ((1u << bits) - 1);
}

std::int64_t affine_group(std::int64_t n) {
  for (const std::int64_t group : {128, 64, 32})
    if (n % group == 0) return group;
  return 0;
}

AffineRows::AffineRows(std::int64_t rows, std::int64_t cols, std::int64_t bits, std::int64_t group,
                       HfStorage& storage)
    : format_(kernels::affine_format(static_cast<int>(bits), static_cast<int>(group))),
      rows_(rows),
      cols_(cols),
      shape_(kernels::affine_shape(format_)),
      data_(storage.emplace_back(static_cast<std::size_t>(rows) * kernels::row_bytes(format_, cols))) {}

void AffineRows::put(std::int64_t row, const std::uint8_t* codes, const float* scales, const float* mins) {
  std::byte* out = data_.data() + static_cast<std::size_t>(row) * kernels::row_bytes(format_, cols_);
  const int each = 8 / shape_.bits;  // codes a byte
  for (std::int64_t g = 0; g < cols_ / shape_.group; ++g) {
    std::memcpy(out, scales + g, 4);
    std::memcpy(out + 4, mins + g, 4);
    out += 8;
    for (int i = 0; i < shape_.group; i += each) {
      unsigned byte = 0;
      for (int j = 0; j < each; ++j) byte |= static_cast<unsigned>(*codes++) << (j * shape_.bits);
      *out++ = static_cast<std::byte>(byte);
    }
  }
}

HfMatrix AffineRows::take(std::uint64_t stored_bytes) const {
  return {format_, rows_, cols_, data_, stored_bytes, nullptr};
}

}  // namespace brinkmap::worker
