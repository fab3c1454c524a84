#include "worker/decoded.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

#include "kernels/format.h"
#include "kernels/quantize.h"
#include "schedule/error.h"
#include "worker/recipe.h"

namespace brinkmap::worker {
namespace {

using kernels::Format;

constexpr std::int64_t kCols = 256;
constexpr std::int64_t kRows = 3;

// A model of one matrix and one norm, made from the same weights for every format.
struct OneMatrix {
  std::vector<float> weights = std::vector<float>(kCols * kRows);
  std::vector<float> norm = std::vector<float>(kCols, 1.5F);
  std::vector<std::byte> blocks;

  OneMatrix() {
    for (std::size_t i = 0; i < weights.size(); ++i)
      weights[i] = static_cast<float>(static_cast<int>(i * 37 % 101) - 50) / 64.0F;
  }

  std::shared_ptr<const Checkpoint> as(Format format,
                                       std::shared_ptr<const std::vector<std::int32_t>> order = nullptr) {
    blocks.resize(kernels::row_bytes(format, kCols * kRows));
    for (std::int64_t r = 0; r < kRows; ++r)
      kernels::quantize(format, weights.data() + r * kCols,
                        blocks.data() + kernels::row_bytes(format, r * kCols), kCols);
    CheckpointParts parts;
    parts.path = "model";
    parts.keys = {"general.architecture"};
    parts.metadata.emplace("general.architecture", gguf_text("llama"));
    parts.sha256 = [] { return std::string("cafe"); };
    parts.bytes = 7;
    parts.tensors.push_back({"blk.0.ffn_up.weight", {kCols, kRows}, format, blocks, 11, std::move(order)});
    parts.tensors.push_back({"output_norm.weight", {kCols}, Format::kF32, std::as_bytes(std::span(norm))});
    return Checkpoint::make(std::move(parts));
  }
};

std::vector<float> floats(const GgufTensor& tensor) {
  std::vector<float> out(static_cast<std::size_t>(tensor.elements()));
  kernels::dequantize(tensor.format, tensor.data.data(), out.data(), tensor.elements());
  return out;
}

TEST(Decoded, HoldsTheWeightsOfEveryQuantizedTensorInF32) {
  kernels::ThreadPool pool(3);
  for (const Format format : {Format::kQ4_1, Format::kQ8_0, Format::kQ4_K, Format::kNF4}) {
    OneMatrix model;
    const auto file = model.as(format);
    const auto decoded = decode_checkpoint(file, pool);
    ASSERT_NE(decoded, file);
    EXPECT_EQ(decoded->tensors()[0].format, Format::kF32);
    EXPECT_EQ(decoded->tensors()[0].stored_bytes, 0U);
    EXPECT_EQ(floats(decoded->tensors()[0]), floats(file->tensors()[0]));
    EXPECT_EQ(decoded->tensors()[1].data.data(), file->tensors()[1].data.data()) << "copied without need";
    EXPECT_EQ(decoded->sha256(), "cafe");
    EXPECT_EQ(decoded->text("general.architecture"), "llama");
  }
}

TEST(Decoded, PutsColumnsBackInTheOrderOfTheirInputs) {
  auto order = std::make_shared<std::vector<std::int32_t>>();
  for (std::int32_t j = 0; j < kCols; ++j) order->push_back((j * 3 + 5) % kCols);
  OneMatrix model;
  kernels::ThreadPool pool(2);
  const auto file = model.as(Format::kQ8_0, order);
  const auto decoded = decode_checkpoint(file, pool);
  const std::vector<float> stored = floats(file->tensors()[0]), put_back = floats(decoded->tensors()[0]);
  EXPECT_EQ(decoded->tensors()[0].order, nullptr);
  for (std::int64_t r = 0; r < kRows; ++r)
    for (std::int64_t j = 0; j < kCols; ++j)
      ASSERT_EQ(put_back[static_cast<std::size_t>(r * kCols + (*order)[static_cast<std::size_t>(j)])],
                stored[static_cast<std::size_t>(r * kCols + j)]);
}

TEST(Decoded, IsTheFileItselfWhenNothingIsQuantized) {
  OneMatrix model;
  kernels::ThreadPool pool(1);
  const auto file = model.as(Format::kBF16);
  EXPECT_EQ(decode_checkpoint(file, pool), file);
}

TEST(Decoded, IsABaseForRecipesThatTheFileItselfRefuses) {
  OneMatrix model;
  kernels::ThreadPool pool(1);
  const auto file = model.as(Format::kQ4_1);
  EXPECT_THROW(make_row(file, "bf16", pool), InputError);
  const auto decoded = decode_checkpoint(file, pool);
  const RowWeights row = make_row(decoded, "bf16", pool);
  EXPECT_EQ(row.tensors.at("blk.0.ffn_up.weight").format, Format::kBF16);
  EXPECT_EQ(recipe_bytes(*decoded, "bf16"), row.bytes);
}

TEST(Decoded, ShapesAloneGiveEveryRecipeTheSizeThatTheWeightsGive) {
  kernels::ThreadPool pool(1);
  OneMatrix model;
  const auto file = model.as(Format::kQ4_1);
  const auto shapes = decoded_shapes(file), decoded = decode_checkpoint(file, pool);
  EXPECT_TRUE(shapes->tensors()[0].data.empty());
  for (const char* recipe : {"bf16", "q8_0", "q4_k_m", "mlx-4-g64", "nf4", "nf4-dq", "gptq-3-g128"})
    EXPECT_EQ(recipe_bytes(*shapes, recipe), recipe_bytes(*decoded, recipe)) << recipe;
}

TEST(Decoded, OnlyAsIsKeepsTheFormatsOfTheFile) {
  EXPECT_TRUE(keeps_formats("as-is"));
  for (const char* recipe : {"bf16", "q4_k_m", "nf4", "mlx-4-g64", "no-such"})
    EXPECT_FALSE(keeps_formats(recipe)) << recipe;
}

}  // namespace
}  // namespace brinkmap::worker
