#include "audit/equivalence.h"

#include <algorithm>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>
#include <limits>

#include "audit/two_samples.h"
#include "schedule/error.h"

namespace brinkmap::audit {
namespace {

constexpr double kTail = 0.05;

// One-sided p that the mean is above `bound`. Equal differences, which have no variance to test with: the
// least share of other items that would bring the mean down to the bound, were each a fall by a whole score,
// and the chance that none of them is among n.
double p_above(const Sample& sample, double bound) {
  if (sample.variance > 0) return one_sample_t(sample, bound).p_greater;
  if (!(sample.mean > bound)) return 1;
  const double share = std::min(1.0, (sample.mean - bound) / (sample.mean + 1));
  return std::pow(1 - share, sample.n);
}

// 90 %, and for equal differences what p_above says at kTail each way.
Interval interval_of(const Sample& sample) {
  if (!(sample.variance > 0)) {
    const double others = 1 - std::pow(kTail, 1 / sample.n);
    return {sample.mean - others * (1 + sample.mean), sample.mean + others * (1 - sample.mean)};
  }
  const boost::math::students_t_distribution<double> t(sample.n - 1);
  const double half = boost::math::quantile(t, 1 - kTail) * std::sqrt(sample.variance / sample.n);
  return {sample.mean - half, sample.mean + half};
}

}  // namespace

Equivalence equivalence(std::span<const double> differences, double margin) {
  if (!(margin > 0)) throw Error("equivalence: expected a margin above 0");
  Equivalence out;
  out.n = static_cast<std::int64_t>(differences.size());
  if (differences.size() < 2) {
    constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    out.mean = out.p_not_worse = out.p_worse = out.p_equivalent = kNone;
    out.interval = {kNone, kNone};
    return out;
  }
  const Sample above = sample_of(differences);
  const Sample below{-above.mean, above.variance, above.n};
  out.mean = above.mean;
  out.interval = interval_of(above);
  out.p_not_worse = p_above(above, -margin);
  out.p_worse = p_above(below, margin);
  out.p_equivalent = std::max(out.p_not_worse, p_above(below, -margin));
  return out;
}

}  // namespace brinkmap::audit
