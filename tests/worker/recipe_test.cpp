#include "worker/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <list>
#include <map>
#include <tuple>

#include "kernels/half.h"
#include "schedule/error.h"
#include "tests/reference.h"
#include "worker/checkpoint.h"

namespace brinkmap::worker {
namespace {

using kernels::Format;
using testing::AllOf;
using testing::HasSubstr;

std::string refusal(const auto& call) {
  try {
    call();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

// A GGUF file of a model skeleton on disk: tensors of zeros but for what a test changes.
class Skeleton {
 public:
  explicit Skeleton(const std::string& arch = "llama") : arch_(arch) {
    writer_.add("general.architecture", gguf_text(arch));
  }
  ~Skeleton() { std::filesystem::remove(path_); }

  Skeleton& key(const std::string& name, std::uint32_t value) {
    writer_.add(arch_ + "." + name, gguf_u32(value));
    return *this;
  }

  Skeleton& tensor(const std::string& name, std::vector<std::int64_t> shape, Format format = Format::kF32,
                   std::vector<std::pair<std::int64_t, float>> values = {}) {
    std::int64_t n = 1;
    for (auto d : shape) n *= d;
    auto& bytes = data_.emplace_back(kernels::row_bytes(format, n));
    for (auto [i, v] : values) {
      if (format == Format::kF32) std::memcpy(bytes.data() + 4 * i, &v, 4);
      const std::uint16_t half = format == Format::kF16 ? kernels::f32_to_f16(v) : kernels::f32_to_bf16(v);
      if (format != Format::kF32) std::memcpy(bytes.data() + 2 * i, &half, 2);
    }
    writer_.add_tensor(name, std::move(shape), format, bytes);
    return *this;
  }

  Skeleton& llama(int layers, std::int64_t width, std::uint32_t heads, std::uint32_t key_heads) {
    key("block_count", static_cast<std::uint32_t>(layers));
    key("attention.head_count", heads).key("attention.head_count_kv", key_heads);
    tensor("token_embd.weight", {width, 8}).tensor("output_norm.weight", {width});
    for (int l = 0; l < layers; ++l) {
      const std::string b = "blk." + std::to_string(l) + ".";
      for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"})
        tensor(b + name + ".weight", {width, 2});
      tensor(b + "attn_norm.weight", {width});
    }
    return *this;
  }

  std::shared_ptr<const Checkpoint> open() {
    writer_.write(path_);
    return Checkpoint::open(path_);
  }

 private:
  std::string arch_;
  GgufWriter writer_;
  std::list<std::vector<std::byte>> data_;
  std::string path_ = testing::TempDir() + "skeleton-" + std::to_string(::getpid()) + "-" +
                      testing::UnitTest::GetInstance()->current_test_info()->name() + ".gguf";
};

std::map<std::string, std::string> formats_by_name(const Checkpoint& file, std::string_view recipe) {
  std::map<std::string, std::string> out;
  const auto formats = tensor_formats(file, recipe);
  for (std::size_t i = 0; i < formats.size(); ++i)
    out[file.tensors()[i].name] = kernels::format_info(formats[i]).name;
  return out;
}

std::vector<float> decoded(const GgufTensor& tensor) {
  std::vector<float> out(static_cast<std::size_t>(tensor.elements()));
  kernels::dequantize(tensor.format, tensor.data.data(), out.data(), tensor.elements());
  return out;
}

double squared_error(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  return sum;
}

// Recipe and suffix of the file llama-quantize made.
struct Case {
  explicit Case(const std::tuple<std::string, std::string>& param)
      : model(std::get<0>(param)), level(std::get<1>(param)), recipe(level) {
    for (char& c : recipe) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  std::string path(const std::string& l) const {
    return tests::reference("logits/" + model + "/" + model + "-" + l + ".gguf").string();
  }
  std::string model, level, recipe;
};

class AgainstLlamaQuantize : public testing::TestWithParam<std::tuple<std::string, std::string>> {};

TEST_P(AgainstLlamaQuantize, EveryTensorHasTheSameFormat) {
  BRINKMAP_NEEDS_REFERENCE("logits");
  const Case c(GetParam());
  const auto base = Checkpoint::open(c.path("F16"));
  const auto theirs = Checkpoint::open(c.path(c.level));
  const auto ours = formats_by_name(*base, c.recipe);
  ASSERT_EQ(ours.size(), theirs->tensors().size());
  for (const GgufTensor& tensor : theirs->tensors())
    EXPECT_EQ(ours.at(tensor.name), kernels::format_info(tensor.format).name) << tensor.name;
}

TEST_P(AgainstLlamaQuantize, TheWrittenFileHasTheSameMetadataAndTypesAndIsAsExact) {
  BRINKMAP_NEEDS_REFERENCE("logits");
  const Case c(GetParam());
  const std::string out =
      testing::TempDir() + "row-" + std::to_string(::getpid()) + "-" + c.model + c.recipe + ".gguf";
  kernels::ThreadPool pool(2);
  const auto base = Checkpoint::open(c.path("F16"));
  write_row(make_row(base, c.recipe, pool), out);
  const auto ours = Checkpoint::open(out);
  const auto theirs = Checkpoint::open(c.path(c.level));
  std::filesystem::remove(out);
  EXPECT_EQ(ours->keys(), theirs->keys());
  EXPECT_EQ(ours->integer("general.file_type"), theirs->integer("general.file_type"));
  EXPECT_EQ(ours->integer("general.quantization_version"), 2);
  EXPECT_EQ(ours->tokenizer_sha256(), theirs->tokenizer_sha256());
  ASSERT_EQ(ours->tensors().size(), theirs->tensors().size());
  for (const GgufTensor& tensor : theirs->tensors()) {
    const GgufTensor* mine = ours->find(tensor.name);
    ASSERT_NE(mine, nullptr) << tensor.name;
    EXPECT_EQ(mine->format, tensor.format) << tensor.name;
    EXPECT_EQ(mine->shape, tensor.shape) << tensor.name;
    // No search is involved in these: the bytes must be the same.
    if (tensor.format == Format::kQ8_0 || tensor.format == Format::kF32) {
      EXPECT_EQ(std::memcmp(mine->data.data(), tensor.data.data(), tensor.data.size()), 0) << tensor.name;
    } else {
      const std::vector<float> exact = decoded(*base->find(tensor.name));
      EXPECT_LE(squared_error(decoded(*mine), exact), 1.005 * squared_error(decoded(tensor), exact))
          << tensor.name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Files, AgainstLlamaQuantize,
                         testing::Combine(testing::Values("llama", "qwen2", "phi2"),
                                          testing::Values("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_S",
                                                          "Q2_K")),
                         [](const auto& info) { return std::get<0>(info.param) + std::get<1>(info.param); });

TEST(Recipe, GivesMoreBitsToTheFirstAndLastEighthAndEveryThirdLayerBetween) {
  Skeleton model;
  const auto formats = formats_by_name(*model.llama(32, 256, 8, 8).open(), "q4_k_m");
  std::vector<int> more;
  for (int l = 0; l < 32; ++l) {
    EXPECT_EQ(formats.at("blk." + std::to_string(l) + ".ffn_down.weight"),
              formats.at("blk." + std::to_string(l) + ".attn_v.weight"));
    if (formats.at("blk." + std::to_string(l) + ".ffn_down.weight") == "Q6_K") more.push_back(l);
  }
  // The known layers of a 32-layer Q4_K_M file (Llama 2 7B, Llama 3 8B).
  EXPECT_EQ(more, (std::vector<int>{0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31}));
}

TEST(Recipe, DoesNotDependOnTheOrderOfTensorsInTheFile) {
  // Layer 10 sorts before layer 2 as text; its rank must still be 10.
  Skeleton a;
  a.key("block_count", 12).key("attention.head_count", 4);
  for (int l : {10, 11, 0, 5, 4, 3, 2, 1, 9, 8, 7, 6})
    a.tensor("blk." + std::to_string(l) + ".attn_v.weight", {256, 2});
  const auto formats = formats_by_name(*a.open(), "q4_k_m");
  std::vector<int> more;
  for (int l = 0; l < 12; ++l)
    if (formats.at("blk." + std::to_string(l) + ".attn_v.weight") == "Q6_K") more.push_back(l);
  EXPECT_EQ(more, (std::vector<int>{0, 3, 6, 9, 10, 11}));
}

TEST(Recipe, TiedEmbeddingsTakeTheFormatOfTheOutputTensor) {
  Skeleton tied;
  EXPECT_EQ(formats_by_name(*tied.llama(2, 256, 4, 4).open(), "q2_k").at("token_embd.weight"), "Q6_K");
}

TEST(Recipe, TwoBitValuesGetFourBitsWhenFourHeadsShareAKey) {
  Skeleton wide;
  EXPECT_EQ(formats_by_name(*wide.llama(2, 256, 8, 2).open(), "q2_k").at("blk.0.attn_v.weight"), "Q4_K");
}

TEST(Recipe, TwoBitValuesGetThreeBitsWhenFewerShareAKey) {
  Skeleton narrow;
  EXPECT_EQ(formats_by_name(*narrow.llama(2, 256, 8, 4).open(), "q2_k").at("blk.0.attn_v.weight"), "Q3_K");
}

TEST(Recipe, RowsThatAreNoMultipleOf256FallBackToSmallerBlocks) {
  Skeleton model;
  const auto file = model.llama(3, 96, 4, 4).open();
  const auto q4 = formats_by_name(*file, "q4_k_m");
  EXPECT_EQ(q4.at("blk.0.attn_q.weight"), "Q5_0");
  EXPECT_EQ(q4.at("blk.2.ffn_down.weight"), "Q8_0");  // Q6_K with more bits
  EXPECT_EQ(q4.at("token_embd.weight"), "Q8_0");      // tied output
  EXPECT_EQ(q4.at("output_norm.weight"), "F32");
  EXPECT_EQ(formats_by_name(*file, "q5_k_m").at("blk.0.attn_q.weight"), "Q5_1");
  EXPECT_EQ(formats_by_name(*file, "q6_k").at("blk.0.attn_q.weight"), "Q8_0");
  for (const char* recipe : {"q2_k", "q3_k_s", "q3_k_m", "iq4_xs"})
    EXPECT_EQ(formats_by_name(*file, recipe).at("blk.0.attn_q.weight"), "IQ4_NL") << recipe;
  EXPECT_EQ(formats_by_name(*file, "iq4_nl").at("token_embd.weight"), "Q8_0");  // Q6_K, then smaller
}

TEST(Recipe, TheFirstValuesAndDownProjectionsOfTheSmallMixturesGetMoreBits) {
  Skeleton model;
  const auto file = model.llama(32, 256, 8, 8).open();
  const auto count = [&](const std::string& recipe, const std::string& tensor, const std::string& format) {
    int n = 0;
    const auto formats = formats_by_name(*file, recipe);
    for (int l = 0; l < 32; ++l) {
      if (formats.at("blk." + std::to_string(l) + "." + tensor + ".weight") != format) break;
      ++n;
    }
    return n;
  };
  EXPECT_EQ(count("q4_k_s", "attn_v", "Q5_K"), 4);
  EXPECT_EQ(count("q4_k_s", "ffn_down", "Q5_K"), 4);
  EXPECT_EQ(count("q3_k_m", "attn_v", "Q5_K"), 2);
  EXPECT_EQ(count("q3_k_m", "ffn_down", "Q5_K"), 2);
  EXPECT_EQ(count("q3_k_m", "attn_output", "Q4_K"), 32);
  EXPECT_EQ(count("iq4_xs", "ffn_down", "Q5_K"), 4);
  EXPECT_EQ(count("iq4_nl", "attn_v", "IQ4_NL"), 32);
  EXPECT_EQ(count("q5_k_s", "ffn_down", "Q5_K"), 32);
}

TEST(Recipe, RowsThatAreNoMultipleOf32StayHalf) {
  Skeleton model;
  model.key("block_count", 1).tensor("output.weight", {256, 2}).tensor("blk.0.ffn_up.weight", {40, 2});
  const auto file = model.open();
  EXPECT_EQ(formats_by_name(*file, "q4_k_m").at("blk.0.ffn_up.weight"), "F16");
  EXPECT_EQ(formats_by_name(*file, "q2_k").at("blk.0.ffn_up.weight"), "F16");
  EXPECT_THAT(refusal([&] { tensor_formats(*file, "q8_0"); }),
              AllOf(HasSubstr("tensor 'blk.0.ffn_up.weight'"), HasSubstr("40")));
}

TEST(Recipe, SixteenBitRecipesConvertMatricesAndLeaveNorms) {
  Skeleton model;
  const auto file = model.llama(1, 256, 4, 4).open();
  const auto formats = formats_by_name(*file, "bf16");
  EXPECT_EQ(formats.at("token_embd.weight"), "BF16");
  EXPECT_EQ(formats.at("blk.0.attn_norm.weight"), "F32");
  EXPECT_EQ(formats_by_name(*file, "as-is").at("token_embd.weight"), "F32");
}

TEST(Recipe, MlxPacksEveryMatrixAndCountsTheBytesOfItsOwnFiles) {
  Skeleton model;
  model.key("block_count", 1)
      .tensor("token_embd.weight", {128, 16}, Format::kBF16, {{0, 1.0f}})
      .tensor("output.weight", {128, 16}, Format::kBF16, {{1, -1.0f}})
      .tensor("blk.0.ffn_up.weight", {128, 16}, Format::kBF16, {{200, 0.5f}})
      .tensor("output_norm.weight", {128});
  const auto file = model.open();
  const auto all = formats_by_name(*file, "mlx-3-g64");
  EXPECT_EQ(all.at("token_embd.weight"), "AFFINE4_64");
  EXPECT_EQ(all.at("blk.0.ffn_up.weight"), "AFFINE4_64");
  EXPECT_EQ(all.at("output_norm.weight"), "F32");
  const auto kept = formats_by_name(*file, "mlx-6-g32-e16");
  EXPECT_EQ(kept.at("token_embd.weight"), "BF16");
  EXPECT_EQ(kept.at("output.weight"), "BF16");
  EXPECT_EQ(kept.at("blk.0.ffn_up.weight"), "AFFINE8_32");
  kernels::ThreadPool pool(2);
  const RowWeights row = make_row(file, "mlx-3-g64", pool);
  // 3 bits a weight and a scale and a bias of 16 bits for each 64, and the norm.
  const std::uint64_t matrix = 128 * 16 * 3 / 8 + 32 * 4;
  EXPECT_EQ(row.bytes, 3 * matrix + 512);
  EXPECT_EQ(row.bytes, recipe_bytes(*file, "mlx-3-g64"));
  const RowTensor& up = row.tensors.at("blk.0.ffn_up.weight");
  std::vector<float> decoded(128 * 16);
  kernels::dequantize(up.format, up.data.data(), decoded.data(), 128 * 16);
  EXPECT_EQ(decoded[200], 0.5f);
  EXPECT_NEAR(decoded[199], 0.0f, 0x1p-9f);  // on the grid but for the rounding of the scale
}

TEST(Recipe, Nf4LeavesEmbeddingAndHeadAndKeepsWhatItsNestedScalesDecodeTo) {
  Skeleton model;
  model.key("block_count", 1)
      .tensor("token_embd.weight", {64, 16}, Format::kBF16)
      .tensor("blk.0.ffn_up.weight", {64, 16}, Format::kF16, {{3, 0.25f}, {70, -2.0f}});
  const auto file = model.open();
  EXPECT_EQ(formats_by_name(*file, "nf4-dq").at("token_embd.weight"), "BF16");
  kernels::ThreadPool pool(2);
  const RowWeights plain = make_row(file, "nf4", pool), nested = make_row(file, "nf4-dq", pool);
  EXPECT_EQ(plain.bytes, 64 * 16 * 2 + 64 * 16 / 2 + 16 * 4u);
  EXPECT_EQ(nested.bytes, 64 * 16 * 2 + 64 * 16 / 2 + 16 + 4u);
  EXPECT_EQ(nested.bytes, recipe_bytes(*file, "nf4-dq"));
  const RowTensor& up = nested.tensors.at("blk.0.ffn_up.weight");
  ASSERT_NE(up.nested, nullptr);
  EXPECT_EQ(plain.tensors.at("blk.0.ffn_up.weight").nested, nullptr);
  const auto* blocks = reinterpret_cast<const kernels::BlockNF4*>(up.data.data());
  for (std::size_t b = 0; b < 16; ++b)
    EXPECT_EQ(blocks[b].absmax,
              kernels::nf4_absmax_map()[up.nested->codes[b]] * up.nested->scales[0] + up.nested->offset);
}

TEST(Recipe, RowsThatAPackingsGroupsDoNotDivideAreAnErrorThatNamesTheTensor) {
  Skeleton model;
  model.key("block_count", 1).tensor("blk.0.ffn_up.weight", {96, 16}, Format::kBF16);
  const auto file = model.open();
  for (const char* recipe : {"mlx-4-g64", "nf4"})
    EXPECT_THAT(refusal([&] { tensor_formats(*file, recipe); }),
                AllOf(HasSubstr("blk.0.ffn_up.weight"), HasSubstr("96"), HasSubstr("64")));
  EXPECT_EQ(formats_by_name(*file, "mlx-4-g32").at("blk.0.ffn_up.weight"), "AFFINE4_32");
}

TEST(Recipe, OfAPackingIsNotWrittenAsGguf) {
  Skeleton model;
  model.key("block_count", 1).tensor("blk.0.ffn_up.weight", {64, 16}, Format::kBF16);
  kernels::ThreadPool pool(1);
  const RowWeights row = make_row(model.open(), "mlx-4-g64", pool);
  EXPECT_THAT(refusal([&] { write_row(row, testing::TempDir() + "never.gguf"); }),
              AllOf(HasSubstr("blk.0.ffn_up.weight"), HasSubstr("mlx-4-g64")));
}

TEST(Recipe, NamesTheKnownOnesWhenUnknown) {
  Skeleton model;
  const auto file = model.tensor("a.weight", {32, 2}).open();
  EXPECT_THAT(refusal([&] { tensor_formats(*file, "q4_k"); }),
              AllOf(HasSubstr("'q4_k'"), HasSubstr("q4_k_m")));
  EXPECT_THAT(refusal([&] { tensor_formats(*file, "nf4+bf16(alpa,top,10%)"); }),
              AllOf(HasSubstr("{alpha,"), HasSubstr("kurtosis"), HasSubstr("drawN")));
  EXPECT_FALSE(is_recipe("q4_k"));
  for (const std::string& name : recipe_names())
    EXPECT_TRUE(is_recipe(name) || name.find_first_of("[{") != std::string::npos) << name;
}

TEST(Recipe, NothingIsQuantizedTwice) {
  Skeleton model;
  const auto file = model.tensor("blk.0.ffn_up.weight", {256, 2}, Format::kQ8_0).open();
  kernels::ThreadPool pool(1);
  EXPECT_THAT(refusal([&] { make_row(file, "q4_k_m", pool); }),
              AllOf(HasSubstr("blk.0.ffn_up.weight"), HasSubstr("already quantized"), HasSubstr("as-is")));
  EXPECT_EQ(make_row(file, "as-is", pool).tensors.at("blk.0.ffn_up.weight").format, Format::kQ8_0);
}

TEST(Recipe, SharesTheMappedBytesWhenNothingChanges) {
  Skeleton model;
  const auto file = model.tensor("blk.0.ffn_up.weight", {256, 2}, Format::kBF16, {{3, 1.5f}}).open();
  kernels::ThreadPool pool(2);
  const RowWeights row = make_row(file, "bf16", pool);
  const RowTensor& tensor = row.tensors.at("blk.0.ffn_up.weight");
  EXPECT_EQ(tensor.data.data(), file->tensors()[0].data.data());
  EXPECT_EQ(tensor.owned, nullptr);
  EXPECT_EQ(row.bytes, 1024u);
  EXPECT_EQ(row.bits_per_weight, 16.0);
}

TEST(Recipe, NamesTheTensorAndTheFirstWeightThatIsNotFinite) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  kernels::ThreadPool pool(3);
  for (Format format : {Format::kF32, Format::kF16, Format::kBF16}) {
    Skeleton model;
    model.key("block_count", 1)
        .tensor("blk.0.ffn_up.weight", {256, 600}, format, {{100003, nan}, {1027, -inf}});
    const auto file = model.open();
    for (const char* recipe : {"q8_0", "q4_k_m", "f16", "as-is"})
      EXPECT_THAT(
          refusal([&] { make_row(file, recipe, pool); }),
          AllOf(HasSubstr("tensor 'blk.0.ffn_up.weight'"), HasSubstr("weight 1027 (row 4, column 3)")));
  }
}

TEST(Recipe, ABrokenNormIsFoundThoughItIsNotQuantized) {
  Skeleton model;
  const auto file = model.tensor("output_norm.weight", {8}, Format::kF32, {{7, std::nanf("")}}).open();
  kernels::ThreadPool pool(1);
  EXPECT_THAT(refusal([&] { make_row(file, "bf16", pool); }), HasSubstr("weight 7"));
}

TEST(Recipe, ABrokenScaleOfAQuantizedTensorIsFound) {
  Skeleton model;
  const std::string path = testing::TempDir() + "scale-" + std::to_string(::getpid()) + ".gguf";
  std::vector<std::byte> blocks(2 * 210);
  const std::uint16_t inf = 0x7c00;
  std::memcpy(blocks.data() + 210 + 208, &inf, 2);
  GgufWriter writer;
  writer.add("general.architecture", gguf_text("llama"));
  writer.add_tensor("x.weight", {256, 2}, Format::kQ6_K, blocks);
  writer.write(path);
  const auto file = Checkpoint::open(path);
  std::filesystem::remove(path);
  kernels::ThreadPool pool(1);
  EXPECT_THAT(refusal([&] { make_row(file, "as-is", pool); }),
              AllOf(HasSubstr("x.weight"), HasSubstr("starts at weight 256 (row 1, column 0)")));
}

TEST(Recipe, AWeightTooLargeForTheTargetIsAnErrorNotAnInfinity) {
  Skeleton model;
  const auto file =
      model.key("block_count", 1).tensor("blk.0.ffn_up.weight", {256, 2}, Format::kF32, {{300, 1e6f}}).open();
  kernels::ThreadPool pool(1);
  EXPECT_THAT(refusal([&] { make_row(file, "f16", pool); }),
              AllOf(HasSubstr("weight 300"), HasSubstr("too large for F16")));
  EXPECT_EQ(make_row(file, "bf16", pool).tensors.size(), 1u);
}

TEST(Recipe, RowsAreTheSameForAnyNumberOfThreads) {
  BRINKMAP_NEEDS_REFERENCE("logits/llama/llama-F16.gguf");
  const auto file = Checkpoint::open(tests::reference("logits/llama/llama-F16.gguf").string());
  kernels::ThreadPool one(1), seven(7);
  for (const char* recipe : {"q4_k_m", "q2_k", "q8_0", "iq4_xs", "mlx-3-g32", "nf4-dq"}) {
    const RowWeights a = make_row(file, recipe, one), b = make_row(file, recipe, seven);
    ASSERT_EQ(a.bytes, b.bytes);
    for (const auto& [name, tensor] : a.tensors) {
      const auto& other = b.tensors.at(name);
      EXPECT_EQ(std::memcmp(tensor.data.data(), other.data.data(), tensor.data.size()), 0) << name;
    }
  }
}

}  // namespace
}  // namespace brinkmap::worker
