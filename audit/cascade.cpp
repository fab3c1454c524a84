#include "audit/cascade.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "schedule/error.h"

namespace brinkmap::audit {

std::int32_t heads_needed(std::int32_t heads, double share) {
  // A decimal share times a count may land a hair below the half that was meant.
  constexpr double kSlack = 1e-9;
  return std::max(1, static_cast<std::int32_t>(std::floor(heads * share + 0.5 + kSlack)));
}

VoteCount count_votes(std::span<const std::uint8_t> predictions) {
  VoteCount votes{};
  for (const std::uint8_t p : predictions) {
    if (p >= votes.size()) throw Error("vote: expected a class 0..2, found " + std::to_string(p));
    ++votes[p];
  }
  return votes;
}

schedule::Decision cascade(const VoteCount& votes, const schedule::VoteSpec& thresholds) {
  using schedule::Decision;
  const std::int32_t heads = votes[0] + votes[1] + votes[2];
  if (heads <= 0) throw Error("vote: expected at least one head, found none");
  if (votes[static_cast<std::size_t>(Decision::kVeto)] >= heads_needed(heads, thresholds.veto))
    return Decision::kVeto;
  if (votes[static_cast<std::size_t>(Decision::kApprove)] >= heads_needed(heads, thresholds.approve))
    return Decision::kApprove;
  return Decision::kRevise;
}

double confidence(const VoteCount& votes, schedule::Decision decision) {
  const std::int32_t heads = votes[0] + votes[1] + votes[2];
  if (heads <= 0 || decision == schedule::Decision::kInvalid)
    throw Error("vote: no confidence without votes");
  return static_cast<double>(votes[static_cast<std::size_t>(decision)]) / heads;
}

}  // namespace brinkmap::audit
