#include "audit/stats.h"

#include <algorithm>
#include <boost/math/distributions/beta.hpp>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/hypergeometric.hpp>
#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "schedule/error.h"

namespace brinkmap::audit {
namespace {

constexpr std::int64_t kMostItems = std::int64_t{1}
                                    << 30;  // counts above would lose bits or overflow the tables

void check_share(std::int64_t k, std::int64_t n) {
  if (k < 0 || n < k || n > kMostItems)
    throw Error("statistics: expected 0 <= k <= n, found " + std::to_string(k) + " of " + std::to_string(n));
}

void check_level(double confidence) {
  if (!(confidence > 0 && confidence < 1))
    throw Error("statistics: expected a confidence between 0 and 1, found " + std::to_string(confidence));
}

double beta_quantile(double a, double b, double p) {
  return boost::math::quantile(boost::math::beta_distribution<double>(a, b), p);
}

double high_limit(std::int64_t k, std::int64_t n, double tail) {
  return k == n ? 1.0 : beta_quantile(static_cast<double>(k) + 1, static_cast<double>(n - k), 1 - tail);
}

double low_limit(std::int64_t k, std::int64_t n, double tail) {
  return k == 0 ? 0.0 : beta_quantile(static_cast<double>(k), static_cast<double>(n - k) + 1, tail);
}

}  // namespace

Interval clopper_pearson(std::int64_t k, std::int64_t n, double confidence) {
  check_share(k, n);
  check_level(confidence);
  if (n == 0) return {};
  const double tail = (1 - confidence) / 2;
  return {low_limit(k, n, tail), high_limit(k, n, tail)};
}

double upper_bound(std::int64_t k, std::int64_t n, double confidence) {
  check_share(k, n);
  check_level(confidence);
  return n == 0 ? 1.0 : high_limit(k, n, 1 - confidence);
}

Interval wilson(std::int64_t k, std::int64_t n, double z) {
  check_share(k, n);
  if (n == 0) return {};
  const double size = static_cast<double>(n);
  const double p = static_cast<double>(k) / size;
  const double scale = 1 + z * z / size;
  const double centre = (p + z * z / (2 * size)) / scale;
  const double half = z * std::sqrt(p * (1 - p) / size + z * z / (4 * size * size)) / scale;
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

double mcnemar_exact(std::int64_t b, std::int64_t c) {
  check_share(b, b + c);
  check_share(c, b + c);
  if (b + c == 0) return 1;
  const boost::math::binomial_distribution<double> fair(static_cast<double>(b + c), 0.5);
  return std::min(1.0, 2 * boost::math::cdf(fair, static_cast<double>(std::min(b, c))));
}

double fisher_exact(std::int64_t a, std::int64_t b, std::int64_t c, std::int64_t d) {
  check_share(a, a + b);
  check_share(c, c + d);
  check_share(a + c, a + b + c + d);
  const auto drawn = static_cast<unsigned>(a + b);
  const auto positive = static_cast<unsigned>(a + c);
  const auto total = static_cast<unsigned>(a + b + c + d);
  if (drawn == 0 || positive == 0 || drawn == total || positive == total) return 1;
  const boost::math::hypergeometric_distribution<double> tables(positive, drawn, total);
  const double observed = boost::math::pdf(tables, static_cast<unsigned>(a)) * (1 + 1e-7);
  const unsigned low = drawn + positive > total ? drawn + positive - total : 0;
  double sum = 0;
  for (unsigned x = low; x <= std::min(drawn, positive); ++x) {
    const double p = boost::math::pdf(tables, x);
    if (p <= observed) sum += p;
  }
  return std::min(1.0, sum);
}

double paired_difference_low(std::int64_t lost, std::int64_t gained, std::int64_t n, double confidence) {
  check_share(lost, n);
  check_share(gained, n - lost);
  check_level(confidence);
  if (n == 0) return -1;
  const double z = boost::math::quantile(boost::math::normal_distribution<double>(), confidence);
  const double size = static_cast<double>(n);
  const double b = static_cast<double>(lost);
  const double c = static_cast<double>(gained);
  // Score of the hypothesis p1 - p2 = delta; `q` is the likelier value of the second cell under it.
  const auto score = [&](double delta) {
    const double linear = -b - c + (2 * size - b + c) * delta;
    const double constant = -c * delta * (1 - delta);
    const double root = std::sqrt(std::max(0.0, linear * linear - 8 * size * constant));
    const double q = (root - linear) / (4 * size);
    const double variance = size * (2 * q + delta * (1 - delta));
    const double distance = b - c - size * delta;
    if (variance <= 0)
      return distance == 0 ? 0.0 : std::copysign(std::numeric_limits<double>::infinity(), distance);
    return distance / std::sqrt(variance);
  };
  double low = -1;
  double high = (b - c) / size;
  for (int i = 0; i < 100; ++i) {  // the score falls as delta grows
    const double middle = low + (high - low) / 2;
    (score(middle) > z ? low : high) = middle;
  }
  return low + (high - low) / 2;
}

double quantile(std::span<const double> values, double q) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(std::floor(at));
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - std::floor(at)) * (sorted[above] - sorted[below]);
}

}  // namespace brinkmap::audit
