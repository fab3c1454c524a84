#pragma once

#include <cstdint>
#include <span>
#include <vector>

// The error that counts most, a VETO item that is approved, on the same items of two rows (METHODS-evaluator
// 1.10), and the balanced items that the study counts it on (1.7).
namespace brinkmap::audit {

struct PairedApprovals {
  std::int32_t n = 0;       // VETO items that are compared
  std::int32_t gained = 0;  // approved by the row, not by the baseline
  std::int32_t lost = 0;    // approved by the baseline, not by the row
  double p = 1;             // exact McNemar
};

// [item] gold class, what the row and what the baseline says of it (INVALID is no approval), and whether both
// have a result. Throws Error when sizes disagree.
PairedApprovals pair_approvals(std::span<const std::uint8_t> gold, std::span<const std::uint8_t> row,
                               std::span<const std::uint8_t> baseline, const std::vector<char>& both);

// [item] 1: among the first kBalancedItems items of its label in the suite's order, or as many as the rarest
// label has. Throws Error for a gold class that is not 0..2.
inline constexpr std::size_t kBalancedItems = 50;
std::vector<char> balanced_items(std::span<const std::uint8_t> gold);

}  // namespace brinkmap::audit
