#include "audit/approvals.h"

#include <algorithm>
#include <array>

#include "audit/stats.h"
#include "schedule/error.h"
#include "schedule/job.h"

namespace brinkmap::audit {

PairedApprovals pair_approvals(std::span<const std::uint8_t> gold, std::span<const std::uint8_t> row,
                               std::span<const std::uint8_t> baseline, const std::vector<char>& both) {
  constexpr auto kApprove = static_cast<std::uint8_t>(schedule::Decision::kApprove);
  constexpr auto kVeto = static_cast<std::uint8_t>(schedule::Decision::kVeto);
  if (row.size() != gold.size() || baseline.size() != gold.size() || both.size() != gold.size())
    throw Error("approvals: the answers of the two rows do not fit the items");
  PairedApprovals out;
  for (std::size_t i = 0; i < gold.size(); ++i) {
    if (both[i] == 0 || gold[i] != kVeto) continue;
    const bool now = row[i] == kApprove, before = baseline[i] == kApprove;
    ++out.n;
    out.gained += now && !before ? 1 : 0;
    out.lost += before && !now ? 1 : 0;
  }
  out.p = mcnemar_exact(out.gained, out.lost);
  return out;
}

std::vector<char> balanced_items(std::span<const std::uint8_t> gold) {
  std::array<std::size_t, schedule::kDecisionClasses> count{}, taken{};
  for (const std::uint8_t g : gold) {
    if (g >= count.size()) throw Error("approvals: a decision item has no gold class");
    ++count[g];
  }
  const std::size_t most = std::min(kBalancedItems, *std::min_element(count.begin(), count.end()));
  std::vector<char> out;
  for (const std::uint8_t g : gold) out.push_back(taken[g]++ < most ? 1 : 0);
  return out;
}

}  // namespace brinkmap::audit
