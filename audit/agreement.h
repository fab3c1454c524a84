#pragma once

#include <cstdint>
#include <span>

#include "audit/keyed_random.h"
#include "audit/stats.h"
#include "schedule/judge.h"

// How far two raters agree on the same answers (METHOD.md 13).
namespace brinkmap::audit {

// What two raters say of one answer, as codes of schedule::Meaning.
struct RatedPair {
  std::uint8_t a = 0, b = 0;
  double weight = 1;          // answers that this one stands for; above 0
  std::uint32_t cluster = 0;  // the prompt: its answers are drawn together by the bootstrap
};

// All figures are weighted; with equal weights they are those of the plain counts. A pair is clear when
// neither rater says unclear.
struct Agreement {
  std::int64_t pairs = 0, clear = 0;
  double agreement = 0;   // share of all pairs, unclear ones included, that say the same; NaN without pairs
  double kappa = 0;       // on the clear pairs; 0 below two, which `clear` shows
  Interval large_sample;  // 95 % by kappa's simple large-sample error; NaN below two clear pairs
  Interval bootstrap;     // 95 % percentile, clusters resampled; the same
  double rate_a = 0, rate_b = 0;  // share of the clear pairs that a, b call positive; NaN without any

  double gap_pp() const { return 100 * (rate_b - rate_a); }
};

// Cohen's kappa of a square table [a's class, b's class] of n pairs: (p_o - p_e) / (1 - p_e), 0 for fewer
// than two pairs, and where chance alone would always agree 1 when they do, else 0.
double cohen_kappa(std::span<const double> table, std::int64_t n);

// Standard error sqrt(p_o (1 - p_o) / n) / (1 - p_e). `n`: pairs, or what they weigh like (Kish: the squared
// sum of weights over the sum of their squares). 0 where kappa is fixed by its rules.
double kappa_error(std::span<const double> table, double n);

// `random` keys the resamples; without it there is no bootstrap interval.
Agreement agreement(std::span<const RatedPair> pairs, const KeyedRandom* random);

}  // namespace brinkmap::audit
