#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/format.h"
#include "worker/hf_config.h"
#include "worker/safetensors.h"

// Weight matrices of a Hugging Face folder, plain or in the packing of another tool: MLX affine,
// bitsandbytes NF4, AutoAWQ's GEMM layout, GPTQ v1 and v2.
namespace brinkmap::worker {

// The tensors of one module by what follows its name and a dot: "weight", "scales", "weight.absmax", ...
using HfModule = std::map<std::string, const SafeTensor*, std::less<>>;

// Bytes that a reader made. They stay where they are until the owner goes.
using HfStorage = std::list<std::vector<std::byte>>;

// Row-major. `data` lies in the mapped file, or in storage when it had to change.
struct HfMatrix {
  kernels::Format format{};
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::span<const std::byte> data;
  std::uint64_t stored_bytes = 0;                          // in the folder; 0: data.size()
  std::shared_ptr<const std::vector<std::int32_t>> order;  // see kernels::WeightView
};

class HfPacking {
 public:
  // Reads `quantization` or `quantization_config`. Throws InputError naming the key for a method, width,
  // group or layout this build does not read.
  explicit HfPacking(const HfConfig& config);

  // The weight of module `name` (as in the file). Unpacking is exact: every weight decodes to the number
  // that the packing means, in f32. Throws InputError naming the tensor when a part is missing, left over,
  // of another type or shape, or out of range.
  HfMatrix matrix(const std::string& name, const HfModule& parts, HfStorage& storage) const;

  bool packed() const noexcept { return method_ != Method::kNone; }

 private:
  enum class Method { kNone, kMlx, kBitsandbytes, kAwq, kGptq };

  HfMatrix mlx(const std::string& name, const HfModule& parts, HfStorage& storage) const;
  HfMatrix nf4(const HfModule& parts, HfStorage& storage) const;
  HfMatrix awq(const HfModule& parts, HfStorage& storage) const;
  HfMatrix gptq(const HfModule& parts, HfStorage& storage) const;

  const HfConfig& config_;
  std::string key_;  // of the object, for errors
  Method method_ = Method::kNone;
  std::int64_t bits_ = 0;
  std::int64_t group_ = 0;        // -1: a whole row
  bool zero_is_one_less_ = true;  // GPTQ v1 stores each zero point minus one
};

// A tensor of floats as f32. Throws InputError for other types.
std::vector<float> float_values(const SafeTensor& tensor);

}  // namespace brinkmap::worker
