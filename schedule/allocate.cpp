#include "schedule/allocate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

#include "schedule/error.h"

namespace brinkmap::schedule {
namespace {

constexpr std::size_t kMostChoices = 255;
constexpr std::uint64_t kMostTable = std::uint64_t{1} << 27;  // bytes of taken_

std::uint64_t smallest(const std::vector<PieceChoice>& choices) {
  std::uint64_t least = choices.front().bytes;
  for (const PieceChoice& c : choices) least = std::min(least, c.bytes);
  return least;
}

void check(const std::vector<std::vector<PieceChoice>>& pieces) {
  if (pieces.empty()) throw Error("allocation: expected at least one piece");
  for (const auto& choices : pieces) {
    if (choices.empty() || choices.size() > kMostChoices)
      throw Error("allocation: expected 1.." + std::to_string(kMostChoices) + " choices of a piece, found " +
                  std::to_string(choices.size()));
    for (const PieceChoice& c : choices)
      if (!std::isfinite(c.damage) || c.damage < 0)
        throw Error("allocation: a damage is below 0 or not known");
  }
}

}  // namespace

Frontier::Frontier(std::vector<std::vector<PieceChoice>> pieces) : pieces_(std::move(pieces)) {
  check(pieces_);
  std::uint64_t divisor = 0, range = 0;
  for (const auto& choices : pieces_) {
    const std::uint64_t least = smallest(choices);
    std::uint64_t widest = 0;
    for (const PieceChoice& c : choices) {
      divisor = std::gcd(divisor, c.bytes - least);
      widest = std::max(widest, c.bytes - least);
    }
    least_ += least;
    range += widest;
  }
  const std::uint64_t most_cells = std::min(kAllocationCells, kMostTable / pieces_.size());
  unit_ = std::max<std::uint64_t>(divisor, 1);
  if (range / unit_ > most_cells) unit_ = range / most_cells + 1;
  // Rounding up may add a cell a piece.
  cells_ = range / unit_ + (unit_ == divisor ? 0 : pieces_.size()) + 1;

  damage_.assign(cells_, 0);
  taken_.assign(pieces_.size() * cells_, 0);
  std::vector<double> next(cells_);
  for (std::size_t p = 0; p < pieces_.size(); ++p) {
    const std::vector<PieceChoice>& choices = pieces_[p];
    const std::uint64_t least = smallest(choices);
    std::vector<std::uint32_t> order(choices.size());
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return choices[a].bytes < choices[b].bytes; });
    std::fill(next.begin(), next.end(), std::numeric_limits<double>::infinity());
    for (const std::uint32_t j : order) {
      const std::uint64_t cost = (choices[j].bytes - least + unit_ - 1) / unit_;
      for (std::uint64_t c = cost; c < cells_; ++c) {
        const double with = damage_[c - cost] + choices[j].damage;
        if (with >= next[c]) continue;
        next[c] = with;
        taken_[p * cells_ + c] = static_cast<std::uint8_t>(j);
      }
    }
    damage_.swap(next);
  }
  most_ = best(std::numeric_limits<std::uint64_t>::max()).bytes;
}

Allocation Frontier::best(std::uint64_t budget) const {
  if (budget < least_)
    throw Error("allocation: the smallest formats take " + std::to_string(least_) + " bytes, more than " +
                std::to_string(budget));
  const std::uint64_t cell = std::min((budget - least_) / unit_, cells_ - 1);
  const auto first =
      std::partition_point(damage_.begin(), damage_.begin() + static_cast<std::ptrdiff_t>(cell),
                           [&](double d) { return d > damage_[cell]; });
  return at(static_cast<std::uint64_t>(first - damage_.begin()));
}

Allocation Frontier::at(std::uint64_t cell) const {
  Allocation out;
  out.choice.resize(pieces_.size());
  for (std::size_t p = pieces_.size(); p-- > 0;) {
    const std::uint32_t j = taken_[p * cells_ + cell];
    out.choice[p] = j;
    cell -= (pieces_[p][j].bytes - smallest(pieces_[p]) + unit_ - 1) / unit_;
  }
  for (std::size_t p = 0; p < pieces_.size(); ++p) {
    out.bytes += pieces_[p][out.choice[p]].bytes;
    out.damage += pieces_[p][out.choice[p]].damage;
  }
  return out;
}

std::vector<std::vector<std::uint32_t>> lowered(const std::vector<std::vector<PieceChoice>>& pieces,
                                                const std::vector<std::uint32_t>& current, int n) {
  if (current.size() != pieces.size()) throw Error("lowered: expected one choice a piece");
  struct Step {
    std::size_t piece;
    std::uint32_t choice;
    double price;  // damage a byte saved
  };
  std::vector<Step> steps;  // the cheapest of each piece
  for (std::size_t p = 0; p < pieces.size(); ++p) {
    const PieceChoice& now = pieces[p].at(current[p]);
    std::optional<Step> best;
    for (std::uint32_t c = 0; c < pieces[p].size(); ++c) {
      if (pieces[p][c].bytes >= now.bytes) continue;
      const double price =
          (pieces[p][c].damage - now.damage) / static_cast<double>(now.bytes - pieces[p][c].bytes);
      if (!best || price < best->price) best = Step{p, c, price};
    }
    if (best) steps.push_back(*best);
  }
  std::stable_sort(steps.begin(), steps.end(),
                   [](const Step& a, const Step& b) { return a.price < b.price; });
  std::vector<std::vector<std::uint32_t>> out;
  const auto take = [&](std::size_t from, std::size_t to) {
    if (static_cast<int>(out.size()) >= n || to > steps.size()) return;
    out.push_back(current);
    for (std::size_t s = from; s < to; ++s) out.back()[steps[s].piece] = steps[s].choice;
  };
  take(0, 1);
  take(1, 2);
  for (std::size_t together = 2; together <= steps.size(); together *= 2) take(0, together);
  return out;
}

}  // namespace brinkmap::schedule
