#include "worker/hf_quantized.h"

#include <algorithm>
#include <cstring>

#include "kernels/half.h"
#include "schedule/error.h"
#include "worker/gguf_parse.h"
#include "worker/hf_packed_parts.h"
#include "worker/json_text.h"

namespace brinkmap::worker {

namespace {

constexpr std::int64_t kMaxGroup = 1 << 20;

std::int64_t total_bytes(const HfModule& parts) {
  std::int64_t n = 0;
  for (const auto& [name, tensor] : parts)
    if (name != "bias") n += static_cast<std::int64_t>(tensor->data.size());
  return n;
}

kernels::Format plain_format(const SafeTensor& tensor) {
  if (tensor.dtype == "F32") return kernels::Format::kF32;
  if (tensor.dtype == "F16") return kernels::Format::kF16;
  if (tensor.dtype == "BF16") return kernels::Format::kBF16;
  fail_tensor(tensor, "expected F32, F16 or BF16, found " + tensor.dtype);
}

void check_width(const JsonView& config, const std::string& key, std::int64_t found,
                 std::initializer_list<std::int64_t> known) {
  if (std::find(known.begin(), known.end(), found) != known.end()) return;
  std::string list;
  for (const std::int64_t v : known) list += (list.empty() ? "" : ", ") + std::to_string(v);
  config.fail(key, "this build reads " + list + "; found " + std::to_string(found));
}

HfMatrix plain_matrix(const SafeTensor& tensor, HfStorage& storage) {
  if (tensor.shape.size() != 2)
    fail_tensor(tensor, "expected two dimensions, found " + std::to_string(tensor.shape.size()));
  HfMatrix out{plain_format(tensor), tensor.shape[0], tensor.shape[1], tensor.data, 0, nullptr};
  // The header's length may leave the data at any address; the kernels load whole numbers.
  const auto address = reinterpret_cast<std::uintptr_t>(tensor.data.data());
  if (address % static_cast<std::uintptr_t>(kernels::format_info(out.format).bytes) != 0)
    out.data = storage.emplace_back(tensor.data.begin(), tensor.data.end());
  return out;
}

}  // namespace

std::vector<float> float_values(const SafeTensor& tensor) {
  std::vector<float> out(static_cast<std::size_t>(tensor.elements()));
  const kernels::Format format = plain_format(tensor);
  if (format == kernels::Format::kF32) {
    std::memcpy(out.data(), tensor.data.data(), tensor.data.size());
    return out;
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, tensor.data.data() + 2 * i, 2);
    out[i] = format == kernels::Format::kF16 ? kernels::f16_to_f32(bits) : kernels::bf16_to_f32(bits);
  }
  return out;
}

HfPacking::HfPacking(const HfConfig& config)
    : config_(config), key_(config.quantization.is_null() ? "" : "quantization_config") {
  if (config.quantization.is_null()) return;
  if (config.mlx) key_ = "quantization";
  const JsonView q(config.quantization, config.file, key_);
  if (config.mlx) {
    method_ = Method::kMlx;
    if (const std::string mode = q.text_or("mode", "affine"); mode != "affine")
      q.fail("mode", "this build reads affine; found '" + printable(mode) + "'");
    return;
  }
  const std::string method = q.text("quant_method");
  if (method == "bitsandbytes") {
    method_ = Method::kBitsandbytes;
    if (!q.flag_or("load_in_4bit", false) && !q.flag_or("_load_in_4bit", false))
      q.fail("load_in_4bit", "this build reads 4 bits of bitsandbytes only");
    if (const std::string type = q.text_or("bnb_4bit_quant_type", "fp4"); type != "nf4")
      q.fail("bnb_4bit_quant_type", "this build reads nf4; found '" + printable(type) + "'");
    return;
  }
  if (method != "awq" && method != "gptq")
    q.fail("quant_method", "this build reads awq, bitsandbytes and gptq; found '" + printable(method) + "'");
  bits_ = q.integer("bits", 1, 32);
  group_ = q.integer("group_size", -1, kMaxGroup);
  if (group_ == 0) q.fail("group_size", "expected -1 or a positive number, found 0");
  if (method == "awq") {
    method_ = Method::kAwq;
    check_width(q, "bits", bits_, {4});
    if (const std::string version = q.text_or("version", "gemm"); version != "gemm" && version != "GEMM")
      q.fail("version", "this build reads gemm; found '" + printable(version) + "'");
    if (!q.flag_or("zero_point", true)) q.fail("zero_point", "this build reads true; found false");
    return;
  }
  method_ = Method::kGptq;
  check_width(q, "bits", bits_, {2, 3, 4, 8});
  const std::string format = q.text_or("checkpoint_format", "gptq");
  if (format != "gptq" && format != "gptq_v2")
    q.fail("checkpoint_format", "this build reads gptq and gptq_v2; found '" + printable(format) + "'");
  zero_is_one_less_ = format == "gptq";
  if (q.has("dynamic") && !q["dynamic"].empty())
    q.fail("dynamic",
           "this build reads one width and group for all modules; found " + printable_json(q["dynamic"]));
}

HfMatrix HfPacking::matrix(const std::string& name, const HfModule& parts, HfStorage& storage) const {
  const bool words = parts.contains("qweight");
  const bool scaled = parts.contains("scales") && !words;
  const bool blocked = std::any_of(parts.begin(), parts.end(),
                                   [](const auto& part) { return part.first.starts_with("weight."); });
  const auto unexpected = [&](const char* packing) {
    fail_tensor(*parts.begin()->second, std::string("is packed as ") + packing +
                                            " packs it, but config.json has no such " +
                                            "quantization: cannot tell how to read it");
  };
  HfMatrix out;
  std::vector<std::string_view> known;
  if (words) {
    if (method_ != Method::kAwq && method_ != Method::kGptq) unexpected("AWQ or GPTQ");
    known = {"qweight", "qzeros", "scales", "g_idx", "bias"};
    if (method_ == Method::kAwq) std::erase(known, "g_idx");
    out = method_ == Method::kAwq ? awq(parts, storage) : gptq(parts, storage);
  } else if (scaled) {
    if (method_ != Method::kMlx) unexpected("MLX");
    known = {"weight", "scales", "biases", "bias"};
    out = mlx(name, parts, storage);
  } else if (blocked) {
    if (method_ != Method::kBitsandbytes) unexpected("bitsandbytes");
    known = {"weight",
             "weight.absmax",
             "weight.quant_map",
             "weight.nested_absmax",
             "weight.nested_quant_map",
             "weight.quant_state.bitsandbytes__nf4",
             "bias"};
    out = nf4(parts, storage);
  } else {
    known = {"weight", "bias"};
    out = plain_matrix(packed_part(parts, "weight", ""), storage);
  }
  for (const auto& [part, tensor] : parts)
    if (std::find(known.begin(), known.end(), part) == known.end())
      fail_tensor(*tensor, "is no part of the packing that stands beside it");
  if (words || scaled || blocked) out.stored_bytes = static_cast<std::uint64_t>(total_bytes(parts));
  return out;
}

// Values of `bits` bits in one stream a row, low bits first; w = scale * code + bias (mlx, quantized.cpp).
HfMatrix HfPacking::mlx(const std::string& name, const HfModule& parts, HfStorage& storage) const {
  const JsonView all(config_.quantization, config_.file, key_);
  const bool own = all.has(name);
  if (own && !all[name].is_object())
    all.fail(name, "expected an object, as the module is quantized in the file; found " +
                       printable_json(all[name]));
  const JsonView q = own ? all.object(name) : all;
  if (const std::string mode = q.text_or("mode", "affine"); mode != "affine")
    q.fail("mode", "this build reads affine; found '" + printable(mode) + "'");
  const std::int64_t bits = q.integer("bits", 1, 32), group = q.integer("group_size", 1, kMaxGroup);
  check_width(q, "bits", bits, {2, 3, 4, 6, 8});
  check_width(q, "group_size", group, {32, 64, 128});

  const SafeTensor& words = packed_words(parts, "weight");
  const std::int64_t rows = words.shape[0], row_words = words.shape[1];
  if (row_words * 32 % bits != 0)
    fail_tensor(words, std::to_string(row_words) + " words a row hold no whole number of " +
                           std::to_string(bits) + "-bit values");
  const std::int64_t cols = row_words * 32 / bits;
  if (cols % group != 0)
    fail_tensor(words, "rows of " + std::to_string(cols) + " weights are no multiple of the group of " +
                           std::to_string(group));
  const std::int64_t groups = cols / group;
  const std::vector<float> scales = float_values(packed_part(parts, "scales", "", {rows, groups}));
  const std::vector<float> mins = float_values(packed_part(parts, "biases", "", {rows, groups}));
  AffineRows out(rows, cols, bits, group, storage);
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(cols));
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t j = 0; j < cols; ++j)
      codes[static_cast<std::size_t>(j)] =
          static_cast<std::uint8_t>(stream_value(words, r * row_words, 1, j, bits));
    out.put(r, codes.data(), scales.data() + r * groups, mins.data() + r * groups);
  }
  return out.take(0);
}

}  // namespace brinkmap::worker
