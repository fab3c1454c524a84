#include "audit/spectral_losses.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "audit/bootstrap.h"
#include "audit/paired_rows.h"
#include "audit/paired_tests.h"
#include "audit/seed_tests.h"
#include "audit/usable.h"

namespace brinkmap::audit {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

}  // namespace

BlockLosses block_losses(const schedule::Results& results, std::uint32_t row) {
  BlockLosses out;
  const schedule::Job& job = results.plan.job;
  for (std::uint32_t s = 0; s < job.suites.size(); ++s) {
    if (job.suites[s].kind != schedule::SuiteKind::kPerplexity) continue;
    const std::string p = job.suites[s].id + "_";
    const std::vector<char> usable = usable_prompts(results, s, row);
    const auto nll = results.at<double>(p + "nll", row);
    const auto tokens = results.at<std::int32_t>(p + "token_count", row);
    std::span<const double> kl;
    if (job.suites[s].top_k > 0) kl = results.at<double>(p + "kl", row);
    for (std::size_t i = 0; i < usable.size(); ++i) {
      const bool ok = usable[i] != 0 && tokens[i] > 0;
      out.nll.push_back(ok ? nll[i] : kNone);
      out.kl.push_back(ok && !kl.empty() ? kl[i] : kNone);
      out.tokens.push_back(ok ? tokens[i] : kNone);
    }
  }
  return out;
}

bool LossChange::shown(int sign) const {
  return p_holm < kShownLevel && (sign < 0 ? interval.high < 0 : interval.low > 0);
}

LossChange compare_losses(std::span<const double> values, std::span<const double> reference,
                          std::span<const double> tokens, const KeyedRandom& random) {
  if (values.size() != reference.size() || values.size() != tokens.size())
    throw Error("losses of another number of blocks");
  LossChange out;
  std::vector<double> differences, rates;
  double sum = 0, count = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double d = values[i] - reference[i];
    if (!std::isfinite(d) || !(tokens[i] > 0)) continue;
    differences.push_back(d);
    rates.push_back(d / tokens[i]);
    sum += d;
    count += tokens[i];
  }
  out.blocks = static_cast<std::int64_t>(rates.size());
  out.tokens = static_cast<std::int64_t>(count);
  if (rates.empty()) {
    out.change = out.interval.low = out.interval.high = out.p = out.p_holm = kNone;
    return out;
  }
  out.change = sum / count;
  // A block weighs by its tokens: the mean of these is the change.
  for (double& d : differences) d *= static_cast<double>(rates.size()) / count;
  out.interval = bootstrap_mean(differences, 0.95, random, kPairedResamples).interval;
  out.p = out.p_holm = wilcoxon(rates).p;
  return out;
}

Interval mean_change_interval(const std::vector<const BlockDifferences*>& changes,
                              const KeyedRandom& random) {
  const std::size_t blocks = changes.empty() ? 0 : changes.front()->nat.size();
  std::vector<char> known(blocks, 1);
  for (const BlockDifferences* c : changes) {
    if (c->nat.size() != blocks || c->tokens.size() != blocks)
      throw Error("changes over another number of blocks");
    for (std::size_t i = 0; i < blocks; ++i) known[i] &= std::isfinite(c->nat[i]) && c->tokens[i] > 0 ? 1 : 0;
  }
  const auto n = static_cast<double>(std::count(known.begin(), known.end(), 1));
  if (n == 0) return {kNone, kNone};
  std::vector<double> values(blocks, 0.0);  // the mean of these is the mean of the changes
  for (const BlockDifferences* c : changes) {
    double tokens = 0;
    for (std::size_t i = 0; i < blocks; ++i) tokens += known[i] != 0 ? c->tokens[i] : 0;
    for (std::size_t i = 0; i < blocks; ++i)
      if (known[i] != 0) values[i] += c->nat[i] * n / tokens / static_cast<double>(changes.size());
  }
  std::vector<double> of_blocks;
  for (std::size_t i = 0; i < blocks; ++i)
    if (known[i] != 0) of_blocks.push_back(values[i]);
  return bootstrap_mean(of_blocks, 0.95, random, kPairedResamples).interval;
}

void adjust(const std::vector<LossChange*>& changes) {
  std::vector<double> p;
  for (const LossChange* c : changes) p.push_back(c->p);
  const std::vector<double> adjusted = holm(p);
  for (std::size_t i = 0; i < changes.size(); ++i) changes[i]->p_holm = adjusted[i];
}

}  // namespace brinkmap::audit
