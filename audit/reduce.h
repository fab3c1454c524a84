#pragma once

#include <cstdint>

#include "schedule/results.h"

// Row variables from unit variables: rates, confusion matrices, votes, bounds. n stands beside every figure;
// items without a usable result are left out and counted in "<id>_missing".
namespace brinkmap::audit {

// Level of the one-sided bounds in the file (METHODS-evaluator 1.10), whatever the gate's confidence is.
inline constexpr double kBoundConfidence = 0.95;

// Computes the row variables of one row but its verdict, from whatever units are done. Heads: with a seed
// missing the single-head figures stand on the others, but there is no cascade: it is a vote of all heads of
// the job.
void reduce_row(schedule::Results& results, std::uint32_t row);

// Reduces every row, then judges every row (audit/gate.h) and sets "verdict". The caller stores all variables
// of the plan that have no shard axis.
void reduce(schedule::Results& results);

}  // namespace brinkmap::audit
