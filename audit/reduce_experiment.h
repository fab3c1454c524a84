#pragma once

#include <cstdint>

#include "schedule/results.h"

// The reduction of one experiment on one row, by kind. Internal to audit/reduce.h, which says what is
// computed.
namespace brinkmap::audit {

void reduce_experiment(schedule::Results& results, std::uint32_t experiment, std::uint32_t row);

// Decision heads that name `experiment` as what they are compared with, all together: the p-values are
// adjusted over them. Nothing for other experiments, and where a seed of either side is missing.
void reduce_comparisons(schedule::Results& results, std::uint32_t experiment, std::uint32_t row);

// The mechanistic probes of one row (reduce_mechanisms.cpp). `usable` says of every block whether it has a
// result.
void reduce_mechanisms(schedule::Results& results, std::uint32_t experiment, std::uint32_t row,
                       const std::vector<char>& usable);

// Agreement of a judge with the suite's scorer (reduce_judge.cpp).
void reduce_judge(schedule::Results& results, std::uint32_t experiment, std::uint32_t row);

// The votes of one row's heads (reduce_heads.cpp). `usable` says of every seed whether it has a result.
void reduce_heads(schedule::Results& results, std::uint32_t experiment, std::uint32_t row,
                  const std::vector<char>& usable);

}  // namespace brinkmap::audit
