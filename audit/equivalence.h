#pragma once

#include <cstdint>
#include <span>

#include "audit/stats.h"

// Whether paired scores stayed within a margin: two one-sided t tests (Schuirmann, Journal of
// Pharmacokinetics and Biopharmaceutics 15, 1987).
namespace brinkmap::audit {

// Differences row minus baseline of scores within 0..1, higher is better, against -margin and +margin. n
// equal differences have no variance for a t test; they are read as 0 of n items that change, exactly: at a
// difference of 0, p = (1 - margin)^n, so that a margin of 0.02 takes 149 items (our choice: the worst case
// of such scores). Fewer than two: everything but n is NaN.
struct Equivalence {
  std::int64_t n = 0;
  double mean = 0;
  Interval interval;        // 90 %, of the mean: equivalent at 5 % when it lies within the margin
  double p_not_worse = 1;   // against a mean of -margin or less
  double p_worse = 1;       // against a mean of -margin or more
  double p_equivalent = 1;  // the larger of p_not_worse and that against +margin or more
};
Equivalence equivalence(std::span<const double> differences, double margin);

}  // namespace brinkmap::audit
