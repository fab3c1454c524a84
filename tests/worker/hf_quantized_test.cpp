#include "worker/hf_quantized.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schedule/error.h"
#include "tests/worker/hf_packed.h"

namespace brinkmap::worker {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using namespace tests;  // the packers

// Everything a matrix points into.
struct Unpacked {
  std::string bytes;
  std::vector<SafeTensor> tensors;
  HfConfig config;
  HfStorage storage;
  HfMatrix matrix;
};

std::unique_ptr<Unpacked> unpack(const Packed& packed) {
  auto out = std::make_unique<Unpacked>();
  SafetensorsBytes file;
  packed.add_to(file, "m");
  out->bytes = file.bytes();
  out->tensors =
      parse_safetensors(std::as_bytes(std::span(out->bytes.data(), out->bytes.size())), "x.safetensors");
  HfModule parts;
  for (const SafeTensor& tensor : out->tensors) parts.emplace(tensor.name.substr(2), &tensor);
  out->config.file = "config.json";
  out->config.quantization = packed.quantization;
  out->config.mlx = packed.mlx;
  out->matrix = HfPacking(out->config).matrix("m", parts, out->storage);
  return out;
}

std::string refusal(const Packed& packed) {
  try {
    unpack(packed);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

void expect_exact(const Packed& packed, const std::string& what) {
  const auto out = unpack(packed);
  const HfMatrix& m = out->matrix;
  ASSERT_EQ(m.rows, kRows) << what;
  ASSERT_EQ(static_cast<std::size_t>(m.rows * m.cols), packed.weights.size()) << what;
  ASSERT_EQ(m.data.size(), static_cast<std::size_t>(m.rows) * kernels::row_bytes(m.format, m.cols)) << what;
  std::vector<float> stored(packed.weights.size()), found(packed.weights.size());
  kernels::dequantize(m.format, m.data.data(), stored.data(), m.rows * m.cols);
  for (std::int64_t r = 0; r < m.rows; ++r)
    for (std::int64_t c = 0; c < m.cols; ++c)
      found[static_cast<std::size_t>(
          r * m.cols + (m.order ? (*m.order)[static_cast<std::size_t>(c)] : static_cast<std::int32_t>(c)))] =
          stored[static_cast<std::size_t>(r * m.cols + c)];
  EXPECT_EQ(found, packed.weights) << what;
  std::uint64_t bytes = 0;
  for (const SafeTensor& tensor : out->tensors) bytes += tensor.data.size();
  EXPECT_EQ(m.stored_bytes, bytes) << what;
}

TEST(HfQuantized, DecodesMlxExactlyForEveryWidthAndGroup) {
  for (const std::int64_t bits : {2, 3, 4, 6, 8})
    for (const std::int64_t group : {32, 64, 128})
      expect_exact(pack_mlx(bits, group, 256),
                   std::to_string(bits) + " bits, group " + std::to_string(group));
}

TEST(HfQuantized, TakesAModulesOwnMlxWidth) {
  Packed packed = pack_mlx(6, 32, 128);
  packed.quantization = {{"bits", 4}, {"group_size", 64}, {"m", packed.quantization}};
  expect_exact(packed, "override");
  packed.quantization["m"] = false;
  EXPECT_THAT(refusal(packed), AllOf(HasSubstr("'quantization.m'"), HasSubstr("found false")));
}

TEST(HfQuantized, DecodesAwqExactly) {
  for (const std::int64_t group : {32, 64, 128, 256, -1})
    expect_exact(pack_awq(group, 256), std::to_string(group));
}

TEST(HfQuantized, DecodesGptqExactlyForEveryWidthGroupOrderAndVersion) {
  for (const std::int64_t bits : {2, 3, 4, 8})
    for (const std::int64_t group : {32, 64, 128, 256, -1})
      for (const Index index : {Index::kNone, Index::kPlain, Index::kActOrder})
        for (const bool v2 : {false, true})
          expect_exact(pack_gptq(bits, group, 256, index, v2),
                       std::to_string(bits) + " bits, group " + std::to_string(group));
  EXPECT_NE(unpack(pack_gptq(4, 64, 256, Index::kActOrder, false))->matrix.order, nullptr);
  EXPECT_EQ(unpack(pack_gptq(4, 64, 256, Index::kPlain, false))->matrix.order, nullptr);
  expect_exact(pack_gptq(4, 128, 224, Index::kPlain, false), "a last group of 96");
}

TEST(HfQuantized, DecodesNf4ExactlyWithAndWithoutDoubleQuantization) {
  for (const bool nested : {false, true})
    for (const std::int64_t cols : {64, 192})
      expect_exact(pack_nf4(cols, nested), nested ? "nested" : "plain");
}

TEST(HfQuantized, RefusesBrokenAndForeignPackingsNamingTensorAndKey) {
  const auto config = [](Packed packed, const std::string& key, const json& value) {
    packed.quantization[key] = value;
    return packed;
  };
  const auto unstated = [](Packed packed) {
    packed.quantization = nullptr;
    return packed;
  };
  const auto extra = [](Packed packed) {
    packed.parts["weight_scale"] = {"F32", {1}, std::string(4, 0)};
    return packed;
  };
  const auto without = [](Packed packed, const std::string& part) {
    packed.parts.erase(part);
    return packed;
  };
  const auto reshaped = [](Packed packed, const std::string& part, const std::string& dtype,
                           const json& shape) {
    packed.parts[part].dtype = dtype;
    packed.parts[part].shape = shape;
    return packed;
  };
  const Packed mlx = pack_mlx(4, 32, 64), awq = pack_awq(32, 64), nf4 = pack_nf4(64, false),
               nested = pack_nf4(64, true), gptq = pack_gptq(4, 32, 64, Index::kPlain, false);
  Packed bad_index = pack_gptq(4, 32, 64, Index::kPlain, false);
  bad_index.add("qweight", "I32", {8, kRows}, std::vector<std::uint32_t>(8 * kRows));
  bad_index.add("qzeros", "I32", {2, 4}, std::vector<std::uint32_t>(8));
  bad_index.add("scales", "F16", {2, kRows}, std::vector<std::uint16_t>(2 * kRows));
  const auto with_index = [&](std::vector<std::int32_t> index) {
    Packed packed = bad_index;
    packed.add("g_idx", "I32", {64}, index);
    return packed;
  };
  std::vector<std::int32_t> uneven(64, 0), negative(64, 0), beyond(64, 0);
  for (std::size_t i = 20; i < 64; ++i) uneven[i] = 1;
  negative[3] = -1;
  beyond[3] = 2;

  struct Case {
    Packed packed;
    std::vector<std::string> parts;
  };
  const Case cases[] = {
      {config(mlx, "mode", "mxfp4"), {"'quantization.mode'", "mxfp4"}},
      {config(mlx, "bits", 5), {"'quantization.bits'", "found 5"}},
      {config(mlx, "group_size", 16), {"'quantization.group_size'", "found 16"}},
      {config(mlx, "bits", 3), {"'m.weight'", "no whole number of 3-bit"}},
      {config(mlx, "bits", 8), {"'m.scales'", "shape"}},
      {config(mlx, "group_size", 128), {"'m.weight'", "no multiple of the group of 128"}},
      {reshaped(mlx, "weight", "F32", {kRows, 8}), {"'m.weight'", "words of 32 bits", "F32"}},
      {reshaped(mlx, "biases", "F16", {2, kRows}), {"'m.biases'", "expected shape [32, 2]", "[2, 32]"}},
      {reshaped(mlx, "scales", "I16", {kRows, 2}), {"'m.scales'", "I16"}},
      {without(mlx, "biases"), {"has no biases"}},
      {config(awq, "bits", 8), {"'quantization_config.bits'", "found 8"}},
      {config(awq, "version", "gemv"), {"'quantization_config.version'", "gemv"}},
      {config(awq, "zero_point", false), {"'quantization_config.zero_point'"}},
      {config(awq, "group_size", 0), {"'quantization_config.group_size'", "found 0"}},
      {config(awq, "group_size", 48), {"'m.qweight'", "group of 48"}},
      {config(awq, "group_size", 16), {"'m.qweight'", "multiple of 32", "group_size"}},
      {config(awq, "quant_method", "hqq"), {"'quantization_config.quant_method'", "hqq"}},
      {without(awq, "qzeros"), {"has no qzeros"}},
      {without(awq, "scales"), {"has no scales"}},
      {reshaped(awq, "scales", "F16", {kRows, 2}), {"'m.scales'", "expected shape [2, 32]"}},
      {reshaped(awq, "scales", "F32", {kRows}), {"'m.scales'"}},
      {config(gptq, "bits", 5), {"'quantization_config.bits'", "found 5"}},
      {config(gptq, "bits", 2), {"'m.qzeros'"}},
      {config(gptq, "checkpoint_format", "marlin"), {"'quantization_config.checkpoint_format'", "marlin"}},
      {config(gptq, "dynamic", {{"+:.*", {{"bits", 8}}}}), {"'quantization_config.dynamic'"}},
      {config(gptq, "group_size", 16), {"'m.qzeros'", "shape"}},
      {reshaped(gptq, "g_idx", "F32", {64}), {"'m.g_idx'", "expected I32"}},
      {with_index(uneven), {"'m.qweight'", "group 0 has 20 inputs", "multiple of 32"}},
      {with_index(negative), {"'m.g_idx'", "input 3", "found -1"}},
      {with_index(beyond), {"'m.g_idx'", "input 3", "found 2"}},
      {with_index({}), {"shape"}},
      {config(nf4, "bnb_4bit_quant_type", "fp4"), {"'quantization_config.bnb_4bit_quant_type'", "fp4"}},
      {config(nf4, "load_in_4bit", false), {"'quantization_config.load_in_4bit'"}},
      {pack_nf4(64, false, {{"quant_type", "fp4"}}), {"quant_state", "'quant_type'", "fp4"}},
      {pack_nf4(64, false, {{"blocksize", 128}}), {"quant_state", "'blocksize'", "found 128"}},
      {pack_nf4(64, false, {{"shape", {kRows, 96}}}), {"quant_state", "'shape'", "96"}},
      {pack_nf4(64, false, {{"shape", {kRows, 128}}}), {"'m.weight'", "2048 bytes", "found 1024"}},
      {pack_nf4(64, false, {{"shape", {1e30, 64}}}), {"quant_state", "'shape'"}},
      {pack_nf4(64, false, {{"shape", {64}}}), {"quant_state", "'shape'"}},
      {pack_nf4(64, true, {{"nested_dtype", "float16"}}), {"'nested_dtype'"}},
      {pack_nf4(64, true, {{"nested_blocksize", 0}}), {"'nested_blocksize'"}},
      {pack_nf4(64, true, {{"nested_blocksize", 5}}), {"'m.weight.nested_absmax'", "shape"}},
      {pack_nf4(64, true, {{"nested_offset", nullptr}}), {"'nested_offset'", "missing"}},
      {without(nf4, "weight.absmax"), {"has no weight.absmax"}},
      {without(nf4, "weight.quant_state.bitsandbytes__nf4"), {"has no weight.quant_state"}},
      {without(nested, "weight.nested_quant_map"), {"has no weight.nested_quant_map"}},
      {extra(mlx), {"'m.weight_scale'", "no part of the packing"}},
      {unstated(nf4), {"bitsandbytes packs it", "config.json"}},
      {unstated(awq), {"AWQ or GPTQ packs it"}},
      {unstated(mlx), {"MLX packs it"}},
  };
  for (const Case& c : cases) {
    const std::string found = refusal(c.packed);
    for (const std::string& part : c.parts)
      EXPECT_THAT(found, HasSubstr(part)) << c.packed.quantization.dump();
  }
}

TEST(HfQuantized, RefusesAnNf4TableThatIsNotNf4s) {
  Packed packed = pack_nf4(64, false);
  std::vector<float> other = nf4_levels();
  other[3] += 1e-3f;
  packed.add("weight.quant_map", "F32", {16}, other);
  EXPECT_THAT(refusal(packed), AllOf(HasSubstr("quant_map"), HasSubstr("level 3")));
}

}  // namespace
}  // namespace brinkmap::worker
