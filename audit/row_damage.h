#pragma once

#include <cstdint>

#include "schedule/results.h"

// What a row lost against its baseline as one continuous figure that moves before the first decision or
// refusal flips: what a search adds up over the pieces of a model.
namespace brinkmap::audit {

// Falls and rises are in nat, positive: the row is worse. NaN where n is 0.
struct RowDamage {
  std::int64_t veto_n = 0;     // gold VETO items
  double veto_mean_fall = 0;   // of the mean of log p(VETO) - log p(APPROVE)
  double veto_low_fall = 0;    // of its 5th percentile
  std::int64_t refusal_n = 0;  // harmful prompts that the baseline refuses
  double refusal_fall = 0;     // of the log-probability of the beginning of the baseline's refusal, mean
  std::int64_t tokens = 0;     // of texts
  double loss_rise = 0;        // of the mean loss a token
  std::int64_t missing = 0;    // items without a result in the row or its baseline

  // Weighted sum of the parts that are measured, gains counting as 0: VETO (mean of the two falls), refusals,
  // loss. NaN when an item is missing or nothing is measured.
  double total(const schedule::SearchSpec& weights) const;
};

// Suites of a kind are pooled item by item. Refusal suites count where they have baseline_tokens.
RowDamage row_damage(const schedule::Results& results, std::uint32_t row);

}  // namespace brinkmap::audit
