#include "worker/hybrid.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "schedule/error.h"
#include "tests/worker/tiny_models.h"
#include "worker/engine.h"
#include "worker/matrices.h"
#include "worker/model.h"
#include "worker/recipe.h"

namespace brinkmap::worker {
namespace {

using kernels::Format;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string refusal(const auto& call) {
  try {
    call();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

// Two blocks of seven matrices, F32.
class Hybrid : public testing::Test {
 protected:
  Hybrid() {
    tests::TinyModel("llama").write(path("base"));
    file_ = Checkpoint::open(path("base"));
  }
  ~Hybrid() override {
    for (const char* name : {"base", "out"}) std::filesystem::remove(path(name));
  }

  static std::string path(const std::string& name) {
    return testing::TempDir() + "hybrid-" + std::to_string(::getpid()) + "-" + name + ".gguf";
  }

  // Figures: alpha grows with the place in block_matrices().
  std::vector<MatrixSpectrum> spectra() const {
    std::vector<MatrixSpectrum> out;
    for (const GgufTensor* tensor : block_matrices(*file_)) {
      out.emplace_back();
      out.back().name = tensor->name;
      out.back().alpha = static_cast<double>(out.size());
    }
    return out;
  }

  std::string resolve(const std::string& recipe, std::uint64_t seed = 42) const {
    return resolve_hybrid(*file_, recipe, seed, [this] { return spectra(); });
  }

  std::vector<std::string> kept(const std::string& recipe, std::uint64_t seed = 42) const {
    return parse_hybrid(resolve(recipe, seed))->parts.front().modules;
  }

  Format format(const std::string& recipe, const std::string& tensor) const {
    const auto at = static_cast<std::size_t>(file_->find(tensor) - file_->tensors().data());
    return tensor_formats(*file_, recipe)[at];
  }

  std::vector<float> logits(RowWeights row) {
    Engine engine(load_model(std::move(row)), EngineOptions{}, pool_);
    return engine.logits(std::vector<std::int32_t>{1, 5, 9, 200, 17});
  }

  std::shared_ptr<const Checkpoint> file_;
  kernels::ThreadPool pool_{2};
};

TEST(HybridGrammar, ReadsEveryForm) {
  const auto alpha = parse_hybrid("nf4+bf16(alpha,top,25%)");
  ASSERT_TRUE(alpha);
  EXPECT_EQ(alpha->rest, "nf4");
  EXPECT_FALSE(alpha->resolved());
  ASSERT_EQ(alpha->parts.size(), 1u);
  EXPECT_EQ(alpha->parts[0].keep, "bf16");
  EXPECT_EQ(alpha->parts[0].select->by, "alpha");
  EXPECT_TRUE(alpha->parts[0].select->top);
  EXPECT_EQ(alpha->parts[0].select->percent, 25);
  EXPECT_FALSE(alpha->parts[0].select->within_model);
  const auto budget = parse_hybrid("q2_k+q8_0(depth,bottom,1.234567MB,model)");
  ASSERT_TRUE(budget);
  EXPECT_EQ(budget->parts[0].select->budget, 1234567u);
  EXPECT_FALSE(budget->parts[0].select->top);
  EXPECT_TRUE(budget->parts[0].select->within_model);
  const auto random = parse_hybrid("q2_k+q8_0(random,12.5%,draw4)");
  ASSERT_TRUE(random);
  EXPECT_EQ(random->parts[0].select->percent, 12.5);
  EXPECT_EQ(random->parts[0].select->draw, 4u);
  const auto lists = parse_hybrid("q2_k+q8_0(list,blk.0.attn_q,output)+bf16(list)");
  ASSERT_TRUE(lists);
  EXPECT_TRUE(lists->resolved());
  ASSERT_EQ(lists->parts.size(), 2u);
  EXPECT_THAT(lists->parts[0].modules, ElementsAre("blk.0.attn_q", "output"));
  EXPECT_TRUE(lists->parts[1].modules.empty());
}

TEST(HybridGrammar, RefusesWhatIsNearlyOne) {
  for (const char* bad : {"",
                          "nf4",
                          "+",
                          "nf4+",
                          "nf4+bf16",
                          "nf4+bf16()",
                          "+bf16(list)",
                          "nf4+(list)",
                          "nf4+bf16(alfa,top,25%)",
                          "nf4+bf16(alpha,25%)",
                          "nf4+bf16(alpha,up,25%)",
                          "nf4+bf16(alpha,top)",
                          "nf4+bf16(alpha,top,)",
                          "nf4+bf16(alpha,top,25)",
                          "nf4+bf16(alpha,top,-1%)",
                          "nf4+bf16(alpha,top,101%)",
                          "nf4+bf16(alpha,top,nan%)",
                          "nf4+bf16(alpha,top,infMB)",
                          "nf4+bf16(alpha,top,0MB)",
                          "nf4+bf16(alpha,top,1e300MB)",
                          "nf4+bf16(alpha,top,25%,type)",
                          "nf4+bf16(alpha,top,25%,model,x)",
                          "nf4+bf16(alpha,top,25%,draw1)",
                          "nf4+bf16(random,25%)",
                          "nf4+bf16(random,25%,draw)",
                          "nf4+bf16(random,25%,draw-1)",
                          "nf4+bf16(random,25%,draw99999999999)",
                          "nf4+bf16(list,)",
                          "nf4+bf16(list,a b)",
                          "nf4+bf16(list,a",
                          "nf4+bf16(list,a))",
                          "nf4+bf16(list,a)+",
                          "nf4+bf16(alpha,top,25%)+q8_0(list,a)",
                          "nf4+bf16(each)",
                          "nf4+bf16(each,layer)",
                          "nf4+bf16(each,module,x)",
                          "nf4+bf16(type)",
                          "nf4+bf16(type,)",
                          "nf4+bf16(block,1,2)",
                          "nf4 +bf16(list,a)"})
    EXPECT_FALSE(parse_hybrid(bad)) << bad;
}

TEST(HybridGrammar, JoinsRecipesThatChooseFormatsAlone) {
  EXPECT_TRUE(is_recipe("nf4+bf16(alpha,top,25%)"));
  EXPECT_TRUE(is_recipe("q2_k+mlx-4-g64(list)"));
  for (const char* side : {"as-is", "awq-4-g64", "gptq-4-g128", "q4_k_n", "q2_k+bf16(list)"}) {
    EXPECT_FALSE(is_hybrid_side(side)) << side;
    EXPECT_FALSE(is_recipe("nf4+" + std::string(side) + "(alpha,top,25%)")) << side;
  }
  EXPECT_EQ(wrong_part("nf4+q4_k_n(alpha,top,25%)"), "q4_k_n");
  EXPECT_EQ(wrong_part("nf5+bf16(alpha,top,25%)"), "nf5");
  EXPECT_EQ(wrong_part("q4_k_n"), "q4_k_n");
}

TEST_F(Hybrid, KeepsAShareOfEachType) {
  EXPECT_EQ(resolve("q4_k_m"), "q4_k_m");
  EXPECT_EQ(resolve("nf4+bf16(list,blk.0.attn_q)"), "nf4+bf16(list,blk.0.attn_q)");
  // Of every type one of two: the one in the block with the larger figure.
  const std::vector<std::string> second = kept("nf4+bf16(alpha,top,50%)");
  EXPECT_THAT(second, ElementsAre("blk.1.attn_k", "blk.1.attn_output", "blk.1.attn_q", "blk.1.attn_v",
                                  "blk.1.ffn_down", "blk.1.ffn_gate", "blk.1.ffn_up"));
  EXPECT_EQ(kept("nf4+bf16(depth,top,50%)"), second);
  EXPECT_EQ(kept("nf4+bf16(depth,bottom,50%)"), kept("nf4+bf16(alpha,bottom,50%)"));
  EXPECT_EQ(kept("nf4+bf16(alpha,top,25%)"), second) << "half of one rounds up";
  EXPECT_TRUE(kept("nf4+bf16(alpha,top,24.9%)").empty());
  EXPECT_EQ(kept("nf4+bf16(alpha,top,100%)").size(), 14u);
}

TEST_F(Hybrid, KeepsATypeOrABlock) {
  EXPECT_THAT(kept("bf16+nf4(type,attn_q)"), ElementsAre("blk.0.attn_q", "blk.1.attn_q"));
  EXPECT_EQ(kept("bf16+nf4(block,1)"), kept("nf4+bf16(depth,top,50%)"));
  EXPECT_THAT(refusal([&] { resolve("bf16+nf4(type,attn_qkv)"); }),
              AllOf(HasSubstr("no matrix of this type"), HasSubstr("attn_qkv")));
  EXPECT_THAT(refusal([&] { resolve("bf16+nf4(block,2)"); }), HasSubstr("no matrix of this block"));
  EXPECT_THAT(refusal([&] { resolve("bf16+nf4(each,block)"); }), HasSubstr("expected one row"));
}

TEST_F(Hybrid, OfEachIsARowForEveryPart) {
  EXPECT_TRUE(is_recipe("bf16+nf4(each,module)"));
  const std::vector<std::string> modules = expand_each(*file_, "bf16+nf4(each,module)");
  ASSERT_EQ(modules.size(), 14u);
  EXPECT_EQ(modules[0], "bf16+nf4(list,blk.0.attn_k)");
  EXPECT_EQ(modules[13], "bf16+nf4(list,blk.1.ffn_up)");
  EXPECT_EQ(expand_each(*file_, "bf16+nf4(each,type)").size(), 7u);
  EXPECT_THAT(expand_each(*file_, "bf16+q2_k(each,block)"),
              ElementsAre("bf16+q2_k(block,0)", "bf16+q2_k(block,1)"));
  EXPECT_THAT(expand_each(*file_, "q2_k"), ElementsAre("q2_k"));
  EXPECT_THAT(expand_each(*file_, "bf16+nf4(list)"), ElementsAre("bf16+nf4(list)"));
}

TEST_F(Hybrid, KeepsAShareOfTheModel) {
  EXPECT_THAT(kept("nf4+bf16(alpha,top,20%,model)"),
              ElementsAre("blk.1.ffn_down", "blk.1.ffn_gate", "blk.1.ffn_up"));
  EXPECT_THAT(kept("nf4+bf16(alpha,bottom,7%,model)"), ElementsAre("blk.0.attn_k"));
}

TEST_F(Hybrid, LeavesMatricesWithoutAFigureToTheEnd) {
  auto figures = spectra();
  figures[0].alpha = figures[13].alpha = std::numeric_limits<double>::quiet_NaN();
  for (const char* side : {"top", "bottom"}) {
    const std::string recipe = "nf4+bf16(alpha," + std::string(side) + ",85%,model)";
    const std::string list = resolve_hybrid(*file_, recipe, 1, [&] { return figures; });
    const auto modules = parse_hybrid(list)->parts[0].modules;
    EXPECT_EQ(modules.size(), 12u);
    EXPECT_EQ(std::count(modules.begin(), modules.end(), "blk.0.attn_k"), 0);
    EXPECT_EQ(std::count(modules.begin(), modules.end(), "blk.1.ffn_up"), 0);
  }
}

TEST_F(Hybrid, DrawsByTheSeedAndTheDraw) {
  const auto draw = [&](int n, std::uint64_t seed) {
    return kept("nf4+bf16(random,50%,model,draw" + std::to_string(n) + ")", seed);
  };
  EXPECT_EQ(draw(1, 42).size(), 7u);
  EXPECT_EQ(draw(1, 42), draw(1, 42));
  EXPECT_NE(draw(1, 42), draw(2, 42));
  EXPECT_NE(draw(1, 42), draw(1, 43));
  EXPECT_EQ(kept("nf4+bf16(random,50%,draw1)").size(), 7u);
}

TEST_F(Hybrid, AsksForFiguresOnlyWhenItNeedsThem) {
  const auto none = []() -> std::vector<MatrixSpectrum> { throw Error("asked"); };
  EXPECT_NO_THROW(resolve_hybrid(*file_, "nf4+bf16(depth,top,50%)", 1, none));
  EXPECT_NO_THROW(resolve_hybrid(*file_, "nf4+bf16(random,50%,draw1)", 1, none));
  EXPECT_THROW(resolve_hybrid(*file_, "nf4+bf16(slope,top,50%)", 1, none), Error);
}

TEST_F(Hybrid, FillsABudget) {
  const std::uint64_t small = recipe_bytes(*file_, "q4_k_s"), large = recipe_bytes(*file_, "q8_0");
  for (const double share : {0.0, 0.3, 0.7, 1.0}) {
    const auto budget =
        static_cast<std::uint64_t>(static_cast<double>(small) + share * static_cast<double>(large - small));
    const std::string recipe = "q4_k_s+q8_0(alpha,top," + std::to_string(budget / 1e6) + "MB)";
    const std::string list = resolve(recipe);
    const std::uint64_t bytes = recipe_bytes(*file_, list);
    EXPECT_LE(bytes, budget) << recipe;
    // What is left would not hold another attention matrix of 256 by 256.
    if (share < 1) {
      EXPECT_GT(bytes + kernels::row_bytes(Format::kQ8_0, 256 * 256), budget) << recipe;
    }
  }
  EXPECT_THAT(refusal([&] { resolve("q4_k_s+q8_0(alpha,top,0.01MB)"); }),
              AllOf(HasSubstr("budget"), HasSubstr(std::to_string(small))));
}

TEST_F(Hybrid, TakesTheFormatsOfBothSides) {
  const std::string recipe = "q2_k+q8_0(list,blk.1.ffn_down)";
  for (const GgufTensor& tensor : file_->tensors())
    EXPECT_EQ(format(recipe, tensor.name),
              format(tensor.name == "blk.1.ffn_down.weight" ? "q8_0" : "q2_k", tensor.name))
        << tensor.name;
  const std::string three = "nf4+mlx-4-g64(list,blk.0.attn_q)+bf16(list,blk.0.attn_k,output)";
  EXPECT_EQ(format(three, "blk.0.attn_q.weight"), Format::kAffine4_64);
  EXPECT_EQ(format(three, "blk.0.attn_k.weight"), Format::kBF16);
  EXPECT_EQ(format(three, "output.weight"), Format::kBF16);
  EXPECT_EQ(format(three, "blk.0.attn_v.weight"), Format::kNF4);
  EXPECT_THAT(refusal([&] { tensor_formats(*file_, "nf4+bf16(list,blk.7.attn_q)"); }),
              HasSubstr("'blk.7.attn_q'"));
  EXPECT_THAT(refusal([&] { tensor_formats(*file_, "nf4+bf16(list,blk.0.attn_norm)"); }),
              HasSubstr("attn_norm"));
  EXPECT_THAT(refusal([&] { tensor_formats(*file_, "nf4+bf16(list,output)+q8_0(list,output)"); }),
              HasSubstr("twice"));
  EXPECT_THAT(refusal([&] { tensor_formats(*file_, "nf4+bf17(list)"); }), HasSubstr("'bf17'"));
}

TEST_F(Hybrid, IsComputedFromItsSidesTensorByTensor) {
  for (const std::string recipe :
       {"nf4-dq+bf16(list,blk.0.attn_q,blk.1.ffn_up)", "mlx-2-g32+mlx-6-g64(list,blk.0.attn_q)",
        "q3_k_s+mlx-4-g64(list,blk.1.attn_v)"}) {
    const RowWeights row = make_row(file_, recipe, pool_);
    EXPECT_EQ(row.bytes, recipe_bytes(*file_, recipe));
    const auto hybrid = parse_hybrid(recipe);
    const RowWeights rest = make_row(file_, hybrid->rest, pool_),
                     keep = make_row(file_, hybrid->parts[0].keep, pool_);
    for (const auto& [name, tensor] : row.tensors) {
      const auto& modules = hybrid->parts[0].modules;
      const bool kept = std::count(modules.begin(), modules.end(), module_name(name)) != 0;
      const RowTensor& side = (kept ? keep : rest).tensors.at(name);
      EXPECT_EQ(tensor.format, side.format) << recipe << " " << name;
      EXPECT_TRUE(std::equal(tensor.data.begin(), tensor.data.end(), side.data.begin(), side.data.end()))
          << name;
      EXPECT_EQ(tensor.nested == nullptr, side.nested == nullptr) << name;
      EXPECT_EQ(tensor.stored_bytes, side.stored_bytes) << name;
    }
  }
}

TEST_F(Hybrid, OfGgufFormatsIsWrittenAndReadsBackAsTheSameRow) {
  for (const std::string recipe :
       {"q2_k+q8_0(alpha,top,50%)", "bf16+q4_k_m(depth,bottom,50%)", "q4_k_s+f16(list,output)"}) {
    const std::string list = resolve(recipe);
    const RowWeights row = make_row(file_, list, pool_);
    write_row(row, path("out"));
    const auto written = Checkpoint::open(path("out"));
    EXPECT_EQ(row.bytes, recipe_bytes(*file_, list));
    EXPECT_EQ(row.bytes, recipe_bytes(*written, "as-is"));
    EXPECT_EQ(logits(row), logits(make_row(written, "as-is", pool_))) << recipe;
  }
  const RowWeights row = make_row(file_, "nf4+q8_0(list,output)", pool_);
  EXPECT_THAT(refusal([&] { write_row(row, path("out")); }), HasSubstr("nf4+q8_0(list,output)"));
}

}  // namespace
}  // namespace brinkmap::worker
