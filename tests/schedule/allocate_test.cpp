#include "schedule/allocate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "schedule/error.h"

namespace brinkmap::schedule {
namespace {

using Pieces = std::vector<std::vector<PieceChoice>>;

// Pieces whose bytes are multiples of `unit`.
Pieces random_pieces(std::uint32_t seed, std::size_t pieces, std::size_t choices, std::uint64_t unit) {
  std::mt19937 random(seed);
  Pieces out(pieces);
  for (auto& piece : out)
    for (std::size_t j = 0; j < choices; ++j)
      piece.push_back({unit * (1 + random() % 40), static_cast<double>(random() % 1000) / 64});
  return out;
}

// The least damage within a budget by trying everything; infinite when nothing fits.
double brute_force(const Pieces& pieces, std::uint64_t budget, std::size_t at = 0, std::uint64_t bytes = 0,
                   double damage = 0) {
  if (bytes > budget) return std::numeric_limits<double>::infinity();
  if (at == pieces.size()) return damage;
  double best = std::numeric_limits<double>::infinity();
  for (const PieceChoice& c : pieces[at])
    best = std::min(best, brute_force(pieces, budget, at + 1, bytes + c.bytes, damage + c.damage));
  return best;
}

TEST(Frontier, IsWhatTryingEverythingFinds) {
  for (std::uint32_t seed = 1; seed <= 20; ++seed) {
    const Pieces pieces = random_pieces(seed, 6, 4, 272);
    const Frontier frontier(pieces);
    for (std::uint64_t budget = frontier.least_bytes(); budget < 6 * 41 * 272; budget += 700) {
      const Allocation a = frontier.best(budget);
      EXPECT_LE(a.bytes, budget);
      EXPECT_EQ(a.damage, brute_force(pieces, budget)) << "seed " << seed << " budget " << budget;
    }
  }
}

TEST(Frontier, NeverGetsWorseWithMoreBytes) {
  // Bytes without a common unit, and far more of them than cells: rounded up, still monotone and within.
  Pieces pieces = random_pieces(3, 60, 6, 1'000'003);
  pieces[0][0].bytes += 1;
  const Frontier frontier(pieces);
  double last = std::numeric_limits<double>::infinity();
  for (std::uint64_t budget = frontier.least_bytes(); budget <= frontier.most_bytes(); budget += 9'999'991) {
    const Allocation a = frontier.best(budget);
    EXPECT_LE(a.bytes, budget);
    EXPECT_LE(a.damage, last);
    last = a.damage;
  }
}

TEST(Frontier, TakesTheFewestBytesOfEqualDamages) {
  const Frontier frontier(Pieces{{{100, 1}, {80, 1}, {200, 0.5}}, {{50, 0}, {70, 0}}});
  const Allocation a = frontier.best(190);
  EXPECT_EQ(a.choice, (std::vector<std::uint32_t>{1, 0}));
  EXPECT_EQ(a.bytes, 130u);
  EXPECT_EQ(frontier.least_bytes(), 130u);
  EXPECT_EQ(frontier.most_bytes(), 250u);
  EXPECT_EQ(frontier.best(std::numeric_limits<std::uint64_t>::max()).damage, 0.5);
}

TEST(Frontier, OfOneChoiceEachIsThatChoice) {
  const Frontier frontier(Pieces{{{7, 2}}, {{5, 3}}});
  EXPECT_EQ(frontier.least_bytes(), 12u);
  EXPECT_EQ(frontier.most_bytes(), 12u);
  EXPECT_EQ(frontier.best(12).damage, 5);
  EXPECT_THROW(frontier.best(11), Error);
}

TEST(Frontier, RefusesWhatCannotBeAllocated) {
  EXPECT_THROW(Frontier(Pieces{}), Error);
  EXPECT_THROW(Frontier(Pieces{{}}), Error);
  EXPECT_THROW(Frontier(Pieces{{{1, -1}}}), Error);
  EXPECT_THROW(Frontier(Pieces{{{1, std::nan("")}}}), Error);
  EXPECT_THROW(Frontier(Pieces{std::vector<PieceChoice>(256)}), Error);
}

}  // namespace
TEST(Lowered, TakesThePiecesThatDamageLeastAByteFirst) {
  // Piece 0 saves 10 bytes for 0.1, piece 1 saves 10 for 0.3 or 20 for 0.4, piece 2 nothing, piece 3 10 for
  // 0.5.
  const std::vector<std::vector<PieceChoice>> pieces{
      {{20, 0.0}, {10, 0.1}}, {{30, 0.0}, {20, 0.3}, {10, 0.4}}, {{5, 0.2}}, {{20, 0.0}, {10, 0.5}}};
  using All = std::vector<std::vector<std::uint32_t>>;
  EXPECT_EQ(lowered(pieces, {0, 0, 0, 0}, 6), (All{{1, 0, 0, 0}, {0, 2, 0, 0}, {1, 2, 0, 0}}));
  EXPECT_EQ(lowered(pieces, {0, 0, 0, 0}, 2), (All{{1, 0, 0, 0}, {0, 2, 0, 0}}));
  EXPECT_EQ(lowered(pieces, {1, 2, 0, 0}, 6), (All{{1, 2, 0, 1}}));
  EXPECT_TRUE(lowered(pieces, {1, 2, 0, 1}, 6).empty());
  EXPECT_THROW(lowered(pieces, {0}, 6), Error);
}

}  // namespace brinkmap::schedule
