#include "worker/recipe_grammar.h"

#include <gtest/gtest.h>

namespace brinkmap::worker {
namespace {

TEST(RecipeGrammar, ReadsBitsGroupAndOptions) {
  const auto mlx = parse_packing("mlx-3-g128-e16");
  ASSERT_TRUE(mlx);
  EXPECT_EQ(mlx->packing, Packing::kMlx);
  EXPECT_EQ(mlx->bits, 3);
  EXPECT_EQ(mlx->group, 128);
  EXPECT_TRUE(mlx->has("e16"));
  EXPECT_FALSE(parse_packing("mlx-4-g64")->has("e16"));
  EXPECT_EQ(parse_packing("nf4")->packing, Packing::kNf4);
  EXPECT_TRUE(parse_packing("nf4-dq")->has("dq"));
}

TEST(RecipeGrammar, RefusesWhatNoFamilySpells) {
  for (const char* name : {"", "mlx", "mlx-4", "mlx-5-g64", "mlx-4-g6", "mlx-4-g640", "mlx-44-g64",
                           "mlx-4-64", "mlx-4-g64-", "mlx-4-g64-e16-e16", "mlx-4-g64-e161", "mlx-g64-4",
                           "MLX-4-g64", "nf4-", "nf4-e16", "nf4dq", "q4_k_m"})
    EXPECT_FALSE(parse_packing(name)) << name;
}

}  // namespace
}  // namespace brinkmap::worker
