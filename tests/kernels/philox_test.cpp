#include "kernels/philox.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace brinkmap::kernels {
namespace {

using Block = std::array<std::uint32_t, 4>;

// Known-answer vectors of Random123 (tests/kat_vectors, philox4x32 with 10 rounds).
TEST(Philox, GivesThePublishedAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, DrawsOfAStreamHaveTheMomentsTheyPromise) {
  const RandomStream stream{7, 11};
  constexpr int kDraws = 20000;
  double uniform_sum = 0, normal_sum = 0, normal_squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double u = stream.uniform(static_cast<std::uint64_t>(i));
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    const double z = stream.normal(static_cast<std::uint64_t>(i));
    uniform_sum += u;
    normal_sum += z;
    normal_squares += z * z;
  }
  // Five standard errors.
  EXPECT_NEAR(uniform_sum / kDraws, 0.5, 5 * std::sqrt(1.0 / 12 / kDraws));
  EXPECT_NEAR(normal_sum / kDraws, 0.0, 5 * std::sqrt(1.0 / kDraws));
  EXPECT_NEAR(normal_squares / kDraws, 1.0, 5 * std::sqrt(2.0 / kDraws));
}

TEST(Philox, StreamsSeedsAndIndicesAllChangeTheDraw) {
  std::set<std::uint32_t> seen;
  for (std::uint64_t seed : {0ull, 1ull, 1ull << 32})
    for (std::uint64_t stream : {0ull, 1ull, 1ull << 32})
      for (std::uint64_t index : {0ull, 1ull, 1ull << 32})
        seen.insert(RandomStream{seed, stream}.bits(index));
  EXPECT_EQ(seen.size(), 27u);
}

TEST(Philox, BelowIsTheHighHalfOfTheProduct) {
  const RandomStream stream{3, 5};
  for (std::uint64_t n : {1ull, 2ull, 3ull, 1000ull, (1ull << 32) + 7, ~0ull})
    for (std::uint64_t i = 0; i < 200; ++i) {
      const auto w = stream.block(i);
      const std::uint64_t x = static_cast<std::uint64_t>(w[1]) << 32 | w[0];
      __extension__ using Wide = unsigned __int128;
      EXPECT_EQ(stream.below(i, n), static_cast<std::uint64_t>((static_cast<Wide>(x) * n) >> 64));
    }
}

}  // namespace
}  // namespace brinkmap::kernels
