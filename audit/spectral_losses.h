#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "audit/keyed_random.h"
#include "audit/stats.h"
#include "schedule/results.h"

// Text losses of rows, block by block: the same blocks of the same texts in every row of a job, so that rows
// are compared in pairs.
namespace brinkmap::audit {

// One entry for each item of all perplexity suites, in job order; NaN where the row has no usable value.
struct BlockLosses {
  std::vector<double> nll;     // nat, summed over the block's tokens
  std::vector<double> kl;      // nat, from the baseline's distribution; NaN throughout without top_k
  std::vector<double> tokens;  // scored
};
BlockLosses block_losses(const schedule::Results& results, std::uint32_t row);

// A mean difference in nat a token, positive: the first loses more.
struct LossChange {
  std::int64_t blocks = 0;  // that have a value on both sides
  std::int64_t tokens = 0;  // in them
  double change = 0;        // sum of the differences / tokens; NaN without blocks, as all below
  Interval interval;        // 95 %, percentile bootstrap over blocks
  double p = 1;             // Wilcoxon's signed ranks over the blocks' differences a token, two-sided
  double p_holm = 1;        // over what the caller adjusts together; p until then

  // The change has this sign by more than chance: p after Holm and the whole interval agree.
  bool shown(int sign) const;
};

// `values` and `reference`: losses of the blocks; blocks where either is NaN are left out.
LossChange compare_losses(std::span<const double> values, std::span<const double> reference,
                          std::span<const double> tokens, const KeyedRandom& random);

// A difference in nat of every block, NaN where it is not known, and the blocks' tokens.
struct BlockDifferences {
  std::vector<double> nat, tokens;
};

// 95 % percentile bootstrap of the mean of several changes over the same blocks: blocks are drawn for all at
// once, so that what they share is counted once. Blocks that one of them lacks are left out; NaN without
// blocks. Throws Error when they differ in the number of blocks.
Interval mean_change_interval(const std::vector<const BlockDifferences*>& changes, const KeyedRandom& random);

// Sets p_holm of all from their p. NaN is not counted.
void adjust(const std::vector<LossChange*>& changes);

}  // namespace brinkmap::audit
