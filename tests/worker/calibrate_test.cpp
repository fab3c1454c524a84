#include "worker/calibrate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "bench/random_llama.h"
#include "kernels/philox.h"
#include "schedule/error.h"
#include "tests/worker/fake_tokenizer.h"
#include "tests/worker/tiny_models.h"
#include "worker/awq.h"
#include "worker/engine.h"
#include "worker/group_tensor.h"
#include "worker/model.h"

namespace brinkmap::worker {
namespace {

using kernels::Format;
using testing::AllOf;
using testing::HasSubstr;

std::string temporary_path() {
  return (std::filesystem::temp_directory_path() / ("calibrate_test_" + std::to_string(::getpid()) + ".gguf"))
      .string();
}

std::shared_ptr<const Checkpoint> make_file(int kv_heads) {
  bench::RandomLlama llama;
  llama.width = 128;
  llama.ffn = 192;
  llama.heads = 2;
  llama.kv_heads = kv_heads;
  llama.vocab = 300;
  llama.context = 64;
  const std::string path = temporary_path();
  llama.write(path);
  auto file = Checkpoint::open(path);
  std::filesystem::remove(path);
  return file;
}

Calibration tokens(std::int64_t sequences = 12, std::int64_t length = 32) {
  const kernels::RandomStream random{3, 5};
  Calibration out;
  out.length = length;
  for (std::int64_t s = 0; s < sequences; ++s) {
    auto& sequence = out.sequences.emplace_back();
    for (std::int64_t t = 0; t < length; ++t)
      sequence.push_back(
          static_cast<std::int32_t>(random.block(static_cast<std::uint64_t>(s * length + t))[0] % 300));
  }
  return out;
}

std::vector<float> logits(RowWeights row, const Calibration& calibration, kernels::ThreadPool& pool) {
  EngineOptions options;
  options.activations = kernels::ActivationBatch::Kind::kF32;
  Engine engine(load_model(std::move(row)), options, pool);
  std::vector<float> all;
  for (const auto& sequence : calibration.sequences) {
    const std::vector<float> one = engine.logits(sequence);
    all.insert(all.end(), one.begin(), one.end());
  }
  return all;
}

double squared_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    sum += static_cast<double>(a[i] - b[i]) * static_cast<double>(a[i] - b[i]);
  return sum;
}

// Every linear layer rounded to the nearest code of its group, without looking at inputs.
RowWeights nearest(const std::shared_ptr<const Checkpoint>& file, std::int64_t group,
                   kernels::ThreadPool& pool) {
  RowWeights row = make_row(file, "bf16", pool);
  for (auto& [name, tensor] : row.tensors) {
    if (!is_block_linear(name)) continue;
    const std::int64_t cols = tensor.shape[0], rows = tensor.shape[1];
    std::vector<float> w(static_cast<std::size_t>(rows * cols));
    kernels::dequantize(tensor.format, tensor.data.data(), w.data(), rows * cols);
    tensor = affine_tensor(awq_quantize({w.data(), rows, cols}, group, pool));
  }
  return row;
}

void expect_same(const RowWeights& a, const RowWeights& b) {
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (const auto& [name, tensor] : a.tensors) {
    const RowTensor& other = b.tensors.at(name);
    ASSERT_EQ(tensor.data.size(), other.data.size()) << name;
    EXPECT_EQ(std::memcmp(tensor.data.data(), other.data.data(), tensor.data.size()), 0) << name;
  }
}

std::string refusal(const auto& call) {
  try {
    call();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Calibrate, GptqKeepsTheLogitsCloserThanRounding) {
  kernels::ThreadPool pool(1);
  for (int kv_heads : {1, 2}) {
    const auto file = make_file(kv_heads);
    const Calibration calibration = tokens();
    const auto base = logits(make_row(file, "bf16", pool), calibration, pool);
    const double rounding = squared_difference(base, logits(nearest(file, 32, pool), calibration, pool));
    for (const char* recipe : {"gptq-4-g32", "gptq-4-g64-act", "gptq-4-g32-act-static", "gptq-4-g64-sym"}) {
      const RowWeights row = make_row(file, recipe, pool, calibration);
      EXPECT_LT(squared_difference(base, logits(row, calibration, pool)), 0.9 * rounding) << recipe;
    }
    EXPECT_LT(
        squared_difference(base, logits(make_row(file, "gptq-8-row", pool, calibration), calibration, pool)),
        0.05 * rounding);
  }
}

TEST(Calibrate, AwqFoldsItsScalesSoThatOnlyRoundingChangesTheLogits) {
  kernels::ThreadPool pool(1);
  for (int kv_heads : {1, 2}) {  // with 2 the output layer is scaled too, through v
    const auto file = make_file(kv_heads);
    const Calibration calibration = tokens();
    const auto base = logits(make_row(file, "bf16", pool), calibration, pool);
    const double rounding = squared_difference(base, logits(nearest(file, 32, pool), calibration, pool));
    const RowWeights row = make_row(file, "awq-4-g32", pool, calibration);
    EXPECT_LT(squared_difference(base, logits(row, calibration, pool)), rounding);
    std::vector<float> norm(128);
    const RowTensor& folded = row.tensors.at("blk.0.ffn_norm.weight");
    kernels::dequantize(folded.format, folded.data.data(), norm.data(), 128);
    EXPECT_NE(norm, std::vector<float>(128, 1));
  }
}

TEST(Calibrate, ServesEveryFamilyOrRefusesItByName) {
  kernels::ThreadPool pool(1);
  for (const std::string family : tests::kFamilies) {
    SCOPED_TRACE(family);
    const std::string path = temporary_path();
    tests::TinyModel(family).write(path);
    const auto file = Checkpoint::open(path);
    std::filesystem::remove(path);
    const Calibration calibration = tokens(6);
    const bool recurrent = family == "qwen35", serial = family != "phi2";
    if (recurrent) {
      EXPECT_THAT(refusal([&] { make_row(file, "gptq-4-g32", pool, calibration); }), HasSubstr("qwen35"));
      continue;
    }
    const auto base = logits(make_row(file, "bf16", pool), calibration, pool);
    const double rounding = squared_difference(base, logits(nearest(file, 32, pool), calibration, pool));
    EXPECT_LT(
        squared_difference(base, logits(make_row(file, "gptq-4-g32", pool, calibration), calibration, pool)),
        0.95 * rounding);
    if (serial) {
      EXPECT_LT(
          squared_difference(base, logits(make_row(file, "awq-4-g32", pool, calibration), calibration, pool)),
          1.1 * rounding);
    } else {
      EXPECT_THAT(refusal([&] { make_row(file, "awq-4-g32", pool, calibration); }), HasSubstr("found phi2"));
    }
  }
}

TEST(Calibrate, GivesTheSameBytesForAnyThreadCount) {
  const auto file = make_file(1);
  kernels::ThreadPool one(1), three(3);
  const Calibration calibration = tokens(3);
  for (const char* recipe : {"awq-4-g32", "gptq-3-g64-act"})
    expect_same(make_row(file, recipe, one, calibration), make_row(file, recipe, three, calibration));
}

TEST(Calibrate, QuantizesTheLinearLayersOfBlocksAndNothingElse) {
  kernels::ThreadPool pool(1);
  const auto file = make_file(1);
  const RowWeights row = make_row(file, "gptq-3-g64-act", pool, tokens(4));
  std::uint64_t bytes = 0;
  for (const auto& [name, tensor] : row.tensors) {
    const bool linear = is_block_linear(name);
    EXPECT_EQ(tensor.format == Format::kAffine4_64, linear) << name;
    EXPECT_EQ(tensor.order != nullptr, linear) << name;
    bytes += linear ? tensor.stored_bytes : tensor.data.size();
  }
  EXPECT_EQ(row.tensors.at("token_embd.weight").format, Format::kBF16);
  EXPECT_EQ(row.bytes, bytes);
  EXPECT_EQ(recipe_bytes(*file, "gptq-3-g64-act"), bytes);
  EXPECT_LT(row.tensors.at("blk.0.ffn_up.weight").stored_bytes, 192u * 128 / 2);  // 3 bits, not 4
}

TEST(Calibrate, RefusesWhatItCannotDoByName) {
  kernels::ThreadPool pool(1);
  const auto file = make_file(1);
  EXPECT_THAT(refusal([&] { make_row(file, "gptq-4-g128", pool, tokens(2)); }),
              AllOf(HasSubstr("ffn_down.weight"), HasSubstr("multiple of 128"), HasSubstr("192")));
  EXPECT_THAT(refusal([&] { make_row(file, "awq-4-g32", pool); }), HasSubstr("calibration"));
  EXPECT_THAT(refusal([&] { make_row(file, "awq-4-g32", pool, tokens(1, 65)); }), HasSubstr("context of 64"));
  Calibration wrong = tokens(1);
  wrong.sequences[0][3] = 300;
  EXPECT_THAT(refusal([&] { make_row(file, "awq-4-g32", pool, wrong); }), HasSubstr("token 300"));
}

TEST(CalibratedRecipe, ReadsNamesExactly) {
  const auto recipe = parse_calibrated("gptq-3-g64-act-static-sym");
  ASSERT_TRUE(recipe);
  EXPECT_EQ(recipe->options.bits, 3);
  EXPECT_EQ(recipe->options.group, 64);
  EXPECT_TRUE(recipe->options.act_order && recipe->options.static_groups && recipe->options.symmetric);
  EXPECT_EQ(parse_calibrated("gptq-8-row")->options.group, 0);
  EXPECT_EQ(parse_calibrated("awq-4-g128")->method, CalibratedRecipe::Method::kAwq);
  for (const char* name : {"gptq-5-g64", "gptq-4-g48", "gptq-4", "gptq-4-g64-sym-act", "gptq-4-g64-x",
                           "awq-3-g64", "awq-4-g64-act", "awq-4-row", "gptq--g64", "q4_k_m", ""})
    EXPECT_FALSE(parse_calibrated(name)) << name;
}

TEST(Calibration, JoinsLinesAndCutsThemIntoPieces) {
  const FakeTokenizer tokenizer;  // bytes, with BOS
  const schedule::CalibrationSpec spec{"text.txt", 2, 4};
  const Calibration found = make_calibration(spec, "abc\n\n  \nde\nfghijkl", tokenizer);
  constexpr std::int32_t kBos = FakeTokenizer::kBos;
  const std::vector<std::vector<std::int32_t>> expected = {{kBos, 'a', 'b', 'c'}, {kBos, 'd', 'e', kBos}};
  EXPECT_EQ(found.sequences, expected);
  EXPECT_THAT(refusal([&] { make_calibration(spec, "abcd\n", tokenizer); }),
              AllOf(HasSubstr("text.txt"), HasSubstr("2 sequences of 4 tokens"), HasSubstr("found 1")));
}

}  // namespace
}  // namespace brinkmap::worker
