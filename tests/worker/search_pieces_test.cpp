#include "worker/search_pieces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "schedule/error.h"
#include "tests/worker/tiny_models.h"
#include "worker/recipe.h"

namespace brinkmap::worker {
namespace {

using schedule::SearchOf;
using testing::ElementsAre;

// Two blocks of seven matrices, an embedding and an output, F32.
class SearchPiecesTest : public testing::Test {
 protected:
  SearchPiecesTest() {
    tests::TinyModel("llama").write(path_);
    file_ = Checkpoint::open(path_);
  }
  ~SearchPiecesTest() override { std::filesystem::remove(path_); }

  const std::string path_ = testing::TempDir() + "pieces-" + std::to_string(::getpid()) + ".gguf";
  std::shared_ptr<const Checkpoint> file_;
};

TEST_F(SearchPiecesTest, CutTheWholeModel) {
  for (const auto& [of, count] :
       {std::pair{SearchOf::kModule, 16u}, std::pair{SearchOf::kType, 9u}, std::pair{SearchOf::kBlock, 4u}}) {
    const SearchPieces cut = search_pieces(*file_, {"q4_k_s", "bf16"}, of);
    EXPECT_EQ(cut.pieces.size(), count);
    std::size_t modules = 0;
    std::uint64_t small = cut.other_bytes, large = cut.other_bytes;
    for (const SearchPiece& piece : cut.pieces) {
      modules += piece.modules.size();
      small += piece.bytes[0];
      large += piece.bytes[1];
    }
    EXPECT_EQ(modules, 16u);
    EXPECT_EQ(small, recipe_bytes(*file_, "q4_k_s"));
    EXPECT_EQ(large, recipe_bytes(*file_, "bf16"));
    EXPECT_EQ(large, cut.baseline_bytes);
  }
}

TEST_F(SearchPiecesTest, KnowWhichFormatsMakeTheSame) {
  // llama.cpp gives the output Q6_K under every k-quant, and this family's value projections Q3_K under Q2_K.
  const SearchPieces cut = search_pieces(*file_, {"q6_k", "q3_k_s", "q2_k", "bf16"}, SearchOf::kType);
  const auto piece = [&](const std::string& name) {
    for (const SearchPiece& p : cut.pieces)
      if (p.name == name) return p;
    throw Error("no piece " + name);
  };
  EXPECT_THAT(piece("output").same_as, ElementsAre(0, 0, 0, 3));
  EXPECT_THAT(piece("attn_q").same_as, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(piece("attn_output").same_as, ElementsAre(0, 1, 1, 3));
}

TEST_F(SearchPiecesTest, RefuseRecipesThatCannotBeMixed) {
  for (const char* format : {"as-is", "gptq-4-g128", "q2_k+q8_0(alpha,top,25%)"})
    EXPECT_THROW(search_pieces(*file_, {format, "bf16"}, SearchOf::kModule), InputError) << format;
}

}  // namespace
}  // namespace brinkmap::worker
