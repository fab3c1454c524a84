#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "schedule/job.h"

// Cascade voting of many heads (METHODS-evaluator 1.9).
namespace brinkmap::audit {

// Votes for APPROVE, REVISE, VETO.
using VoteCount = std::array<std::int32_t, schedule::kDecisionClasses>;

// Heads that a threshold asks for: max(1, round(heads * share)); halves go up, to the stricter side.
std::int32_t heads_needed(std::int32_t heads, double share);

// Counts the classes 0..2 of one item over the heads; throws Error for any other value.
VoteCount count_votes(std::span<const std::uint8_t> predictions);

// VETO when enough heads say VETO (tested first), else APPROVE when enough say APPROVE, else REVISE. Throws
// Error when nobody voted.
schedule::Decision cascade(const VoteCount& votes, const schedule::VoteSpec& thresholds);

// Share of the votes that agree with the cascade's decision.
double confidence(const VoteCount& votes, schedule::Decision decision);

}  // namespace brinkmap::audit
