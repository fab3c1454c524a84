#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "kernels/format.h"

// GGUF version 2 and 3 files (ggml/docs/gguf.md of llama.cpp), little-endian.
namespace brinkmap::worker {

struct GgufValue;
using GgufArray = std::vector<GgufValue>;

// A metadata value. Integers of every width are kept as 64 bit; `type` is the GGUF type id it was stored
// with, so that a copy can be written unchanged.
struct GgufValue {
  std::uint32_t type = 0;
  std::variant<std::uint64_t, std::int64_t, double, bool, std::string, std::shared_ptr<const GgufArray>>
      value;
  std::uint32_t element_type = 0;  // of an array; an empty one has one too
};

// Metadata type ids (GGUF specification, gguf_metadata_value_type).
enum GgufType : std::uint32_t {
  kGgufU8 = 0,
  kGgufI8 = 1,
  kGgufU16 = 2,
  kGgufI16 = 3,
  kGgufU32 = 4,
  kGgufI32 = 5,
  kGgufF32 = 6,
  kGgufBool = 7,
  kGgufText = 8,
  kGgufArray = 9,
  kGgufU64 = 10,
  kGgufI64 = 11,
  kGgufF64 = 12,
};

// Values for a writer.
GgufValue gguf_u32(std::uint32_t value);
GgufValue gguf_f32(float value);
GgufValue gguf_bool(bool value);
GgufValue gguf_text(std::string value);
GgufValue gguf_texts(std::span<const std::string> values);
GgufValue gguf_f32s(std::span<const float> values);
GgufValue gguf_i32s(std::span<const std::int32_t> values);

struct GgufTensor {
  std::string name;
  std::vector<std::int64_t> shape;  // GGUF order: shape[0] is the contiguous (input) dimension
  kernels::Format format{};
  std::span<const std::byte> data;  // not owned
  // Bytes in the checkpoint where they are not those of `format`: a packing that was unpacked when it was
  // read.
  std::uint64_t stored_bytes = 0;  // 0: data.size()
  // Stored column j of every row meets input order[j] (GPTQ's activation order); null: j. A permutation.
  std::shared_ptr<const std::vector<std::int32_t>> order = nullptr;

  std::int64_t elements() const;
};

// Writes a GGUF v3 file: metadata in the order added, tensors aligned to 32 bytes (or to general.alignment
// when that key was added). The file appears under its name only when complete (temporary file, sync,
// rename); a full disk throws InputError and leaves nothing behind. Wrong use (a key or tensor twice, data
// that does not fit the shape, a format that exists in memory only) throws Error.
class GgufWriter {
 public:
  void add(const std::string& key, GgufValue value);
  // `data` must stay valid until write().
  void add_tensor(const std::string& name, std::vector<std::int64_t> shape, kernels::Format format,
                  std::span<const std::byte> data);
  void write(const std::string& path) const;

 private:
  std::vector<std::pair<std::string, GgufValue>> metadata_;
  std::vector<GgufTensor> tensors_;
};

}  // namespace brinkmap::worker
