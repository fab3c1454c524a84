#include "audit/agreement.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "audit/paired_rows.h"
#include "schedule/error.h"

namespace brinkmap::audit {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr auto kPositive = static_cast<std::uint8_t>(schedule::Meaning::kPositive);
constexpr auto kUnclear = static_cast<std::uint8_t>(schedule::Meaning::kUnclear);
constexpr std::size_t kClear = 2;  // classes of clear pairs

struct Shares {
  double observed = 0, expected = 0;
};

Shares shares_of(std::span<const double> table) {
  std::size_t k = 0;
  while (k * k < table.size()) ++k;
  if (k * k != table.size()) throw Error("kappa: expected a square table");
  std::vector<double> a(k), b(k);
  double total = 0, same = 0, chance = 0;
  for (std::size_t i = 0; i < k; ++i)
    for (std::size_t j = 0; j < k; ++j) {
      a[i] += table[i * k + j];
      b[j] += table[i * k + j];
      total += table[i * k + j];
      if (i == j) same += table[i * k + j];
    }
  for (std::size_t i = 0; i < k; ++i) chance += a[i] * b[i];
  return {same / total, chance / (total * total)};
}

// Both raters gave one class throughout.
bool is_certain(const Shares& s) { return !(s.expected < 1); }

// The clear pairs of one prompt, or of several.
struct Cluster {
  std::array<double, kClear * kClear> table{};
  std::int64_t n = 0;

  void add(const Cluster& other) {
    for (std::size_t i = 0; i < table.size(); ++i) table[i] += other.table[i];
    n += other.n;
  }
};

Interval resampled(const std::vector<Cluster>& clusters, const KeyedRandom& random) {
  const auto n = static_cast<std::uint32_t>(clusters.size());
  std::vector<double> kappas(kPairedResamples);
  for (std::uint32_t r = 0; r < kPairedResamples; ++r) {
    Cluster sum;
    for (std::uint32_t i = 0; i < n; ++i) sum.add(clusters[random.below(n, std::uint64_t{r} * n + i)]);
    kappas[r] = cohen_kappa(sum.table, sum.n);
  }
  return {quantile(kappas, 0.025), quantile(kappas, 0.975)};
}

}  // namespace

double cohen_kappa(std::span<const double> table, std::int64_t n) {
  if (n < 2) return 0;
  const Shares s = shares_of(table);
  if (is_certain(s)) return s.observed < 1 ? 0 : 1;
  return (s.observed - s.expected) / (1 - s.expected);
}

double kappa_error(std::span<const double> table, double n) {
  const Shares s = shares_of(table);
  if (is_certain(s) || !(n > 0)) return 0;
  return std::sqrt(std::max(0.0, s.observed * (1 - s.observed)) / n) / (1 - s.expected);
}

Agreement agreement(std::span<const RatedPair> pairs, const KeyedRandom* random) {
  Agreement out;
  std::map<std::uint32_t, Cluster> clusters;
  Cluster all;
  double weights = 0, same = 0, clear = 0, squares = 0, positive_a = 0, positive_b = 0;
  for (const RatedPair& p : pairs) {
    if (p.a > kUnclear || p.b > kUnclear || !(p.weight > 0 && std::isfinite(p.weight)))
      throw Error("agreement: a pair without a meaning or a weight");
    ++out.pairs;
    weights += p.weight;
    if (p.a == p.b) same += p.weight;
    if (p.a == kUnclear || p.b == kUnclear) continue;
    clear += p.weight;
    squares += p.weight * p.weight;
    if (p.a == kPositive) positive_a += p.weight;
    if (p.b == kPositive) positive_b += p.weight;
    Cluster one;
    one.table[p.a * kClear + p.b] = p.weight;
    one.n = 1;
    clusters[p.cluster].add(one);
    all.add(one);
  }
  out.clear = all.n;
  out.agreement = out.pairs == 0 ? kNan : same / weights;
  out.rate_a = out.clear == 0 ? kNan : positive_a / clear;
  out.rate_b = out.clear == 0 ? kNan : positive_b / clear;
  out.kappa = cohen_kappa(all.table, all.n);
  out.large_sample = out.bootstrap = {kNan, kNan};
  if (out.clear < 2) return out;
  const double half = kWilsonZ * kappa_error(all.table, clear * clear / squares);
  out.large_sample = {std::max(-1.0, out.kappa - half), std::min(1.0, out.kappa + half)};
  if (random == nullptr) return out;
  std::vector<Cluster> prompts;
  for (const auto& [prompt, cluster] : clusters) prompts.push_back(cluster);
  out.bootstrap = resampled(prompts, *random);
  return out;
}

}  // namespace brinkmap::audit
