#include <bit>
#include <cstring>

#include "kernels/block.h"
#include "schedule/error.h"
#include "worker/gguf_parse.h"
#include "worker/hf_packed_parts.h"
#include "worker/hf_quantized.h"
#include "worker/json_text.h"

namespace brinkmap::worker {

namespace {

constexpr std::int64_t kMaxExtent = std::int64_t{1} << 31;

struct State {
  std::int64_t rows = 0, cols = 0;
  std::int64_t nested_block = 0;  // 0: absmax is plain
  float nested_offset = 0;
};

State read_state(const SafeTensor& tensor) {
  if (tensor.dtype != "U8") fail_tensor(tensor, "expected U8, found " + tensor.dtype);
  const std::string where = tensor_place(tensor.name);
  const nlohmann::json json =
      parse_json({reinterpret_cast<const char*>(tensor.data.data()), tensor.data.size()}, tensor.file, where);
  // JsonView names keys; the tensor is part of the file name that it prints.
  const std::string file = tensor.file + ": " + where;
  const JsonView view(json, file);
  if (const std::string type = view.text("quant_type"); type != "nf4")
    view.fail("quant_type", "this build reads nf4; found '" + printable(type) + "'");
  if (const auto block = view.integer("blocksize", 1, kMaxExtent); block != kernels::kNF4Block)
    view.fail("blocksize", "this build reads 64; found " + std::to_string(block));
  const std::vector<double> shape = view.numbers("shape");
  if (shape.size() != 2) view.fail("shape", "expected two numbers, found " + printable_json(view["shape"]));
  for (const double extent : shape)
    if (!(extent >= 1 && extent <= static_cast<double>(kMaxExtent)) ||
        extent != static_cast<double>(static_cast<std::int64_t>(extent)))
      view.fail("shape", "expected whole numbers up to 2^31, found " + printable_json(view["shape"]));
  State state;
  state.rows = static_cast<std::int64_t>(shape[0]);
  state.cols = static_cast<std::int64_t>(shape[1]);
  if (state.cols % kernels::kNF4Block != 0)
    view.fail("shape", "rows of " + std::to_string(state.cols) +
                           " weights are no multiple of the block of 64, which this build needs");
  if (view.has("nested_blocksize")) {
    state.nested_block = view.integer("nested_blocksize", 1, kMaxExtent);
    state.nested_offset = static_cast<float>(view.number("nested_offset"));
    if (const std::string type = view.text_or("nested_dtype", "float32"); type != "float32")
      view.fail("nested_dtype", "this build reads float32; found '" + printable(type) + "'");
  }
  return state;
}

}  // namespace

// bitsandbytes, functional.py (QuantState, dequantize_4bit): blocks of 64 over the flattened matrix, the
// first of two codes in the high nibble; a nested absmax is map[code] * absmax2 + offset.
HfMatrix HfPacking::nf4(const HfModule& parts, HfStorage& storage) const {
  for (const auto& [part, tensor] : parts)
    if (part.starts_with("weight.quant_state.") && !part.ends_with("__nf4"))
      fail_tensor(*tensor, "this build reads nf4 of bitsandbytes only");
  const State state = read_state(packed_part(parts, "weight.quant_state.bitsandbytes__nf4", ""));
  const SafeTensor& weight = packed_part(parts, "weight", "");
  const std::int64_t blocks = state.rows * (state.cols / kernels::kNF4Block);
  // Only the bytes count: their type is the storage type the user chose.
  if (static_cast<std::int64_t>(weight.data.size()) != blocks * (kernels::kNF4Block / 2))
    fail_tensor(weight, "expected " + std::to_string(blocks * (kernels::kNF4Block / 2)) + " bytes for " +
                            std::to_string(state.rows) + " rows of " + std::to_string(state.cols) +
                            " weights, found " + std::to_string(weight.data.size()));
  const SafeTensor& map = packed_part(parts, "weight.quant_map", "F32", {16});
  const std::vector<float> levels = float_values(map);
  for (std::size_t i = 0; i < levels.size(); ++i)
    if (std::bit_cast<std::uint32_t>(levels[i]) != std::bit_cast<std::uint32_t>(kernels::kNF4Levels[i]))
      fail_tensor(map, "level " + std::to_string(i) + " is not NF4's: expected " +
                           std::to_string(kernels::kNF4Levels[i]) + ", found " + std::to_string(levels[i]));

  std::vector<float> absmax;
  if (state.nested_block == 0) {
    absmax = float_values(packed_part(parts, "weight.absmax", "F32", {blocks}));
  } else {
    const SafeTensor& codes = packed_part(parts, "weight.absmax", "U8", {blocks});
    const std::int64_t nested = (blocks + state.nested_block - 1) / state.nested_block;
    const std::vector<float> scales =
        float_values(packed_part(parts, "weight.nested_absmax", "F32", {nested}));
    const std::vector<float> values =
        float_values(packed_part(parts, "weight.nested_quant_map", "F32", {256}));
    absmax.resize(static_cast<std::size_t>(blocks));
    for (std::size_t i = 0; i < absmax.size(); ++i)
      absmax[i] = values[static_cast<std::size_t>(codes.data[i])] *
                      scales[i / static_cast<std::size_t>(state.nested_block)] +
                  state.nested_offset;
  }

  std::vector<std::byte>& data =
      storage.emplace_back(static_cast<std::size_t>(blocks) * sizeof(kernels::BlockNF4));
  for (std::size_t b = 0; b < absmax.size(); ++b) {
    kernels::BlockNF4 block;
    block.absmax = absmax[b];
    for (std::size_t i = 0; i < sizeof(block.qs); ++i) {
      const auto byte = static_cast<unsigned>(weight.data[b * sizeof(block.qs) + i]);
      block.qs[i] = static_cast<std::uint8_t>(byte >> 4 | byte << 4);
    }
    std::memcpy(data.data() + b * sizeof(block), &block, sizeof(block));
  }
  return {kernels::Format::kNF4, state.rows, state.cols, data, 0, nullptr};
}

}  // namespace brinkmap::worker
