#pragma once

#include <cstdint>
#include <vector>

// Which format each piece of a model gets within a byte budget, when damages of pieces are taken to add up.
namespace brinkmap::schedule {

struct PieceChoice {
  std::uint64_t bytes = 0;
  double damage = 0;  // at least 0
};

struct Allocation {
  std::vector<std::uint32_t> choice;  // [piece] index in its choices
  std::uint64_t bytes = 0;            // of all pieces
  double damage = 0;                  // sum in the order of the pieces
};

// The least damage for every budget: a multiple-choice knapsack by dynamic programming over bytes. Exact
// where the pieces' bytes differ by multiples of some unit of which their whole range has at most
// kAllocationCells; else every choice's bytes are rounded up to such a unit, so that an allocation still
// keeps its budget and leaves at most a unit a piece unused. Damage never rises with the budget. Of equal
// damages the fewest bytes are taken, of equal bytes the first choices: the same on every machine.
inline constexpr std::uint64_t kAllocationCells = 1U << 16;

class Frontier {
 public:
  // Throws Error for no pieces, a piece without choices or with more than 255, and a damage that is below 0
  // or not finite.
  explicit Frontier(std::vector<std::vector<PieceChoice>> pieces);

  std::uint64_t least_bytes() const { return least_; }  // every piece in its smallest choice
  std::uint64_t most_bytes() const { return most_; }    // from here on more bytes save no damage

  // The least damage within `budget`, which must be at least least_bytes(); throws Error otherwise.
  Allocation best(std::uint64_t budget) const;

 private:
  Allocation at(std::uint64_t cell) const;

  std::vector<std::vector<PieceChoice>> pieces_;
  std::uint64_t least_ = 0, most_ = 0, unit_ = 1, cells_ = 1;
  std::vector<double> damage_;       // [cell] least damage of all pieces within it
  std::vector<std::uint8_t> taken_;  // [piece, cell] choice of the piece when the first ones share the cell
};

// At most `n` allocations below `current` ([piece] index in its choices) for when damages do not add up:
// pieces get a smaller choice, those first that damage least a byte saved. In this order: the first of them,
// the second alone, then the first two, four, eight, ... together.
std::vector<std::vector<std::uint32_t>> lowered(const std::vector<std::vector<PieceChoice>>& pieces,
                                                const std::vector<std::uint32_t>& current, int n);

}  // namespace brinkmap::schedule
