#include "audit/row_damage.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "audit/stats.h"
#include "audit/usable.h"

namespace brinkmap::audit {
namespace {

using schedule::Results;
using schedule::SuiteKind;

constexpr double kLowShare = 0.05;

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return values.empty() ? std::nan("") : sum / static_cast<double>(values.size());
}

// Collects one suite after the other.
class Pool {
 public:
  Pool(const Results& results, std::uint32_t row)
      : results_(results), row_(row), baseline_(results.plan.rows.at(row).baseline) {}

  void add(std::uint32_t suite) {
    const schedule::SuiteSpec& spec = results_.plan.job.suites[suite];
    const std::vector<char> here = usable_prompts(results_, suite, row_);
    const std::vector<char> there = usable_prompts(results_, suite, baseline_);
    usable_.clear();
    for (std::size_t i = 0; i < here.size(); ++i) usable_.push_back(here[i] != 0 && there[i] != 0 ? 1 : 0);
    if (spec.kind == SuiteKind::kDecision) decisions(suite, spec.id + "_veto_margin");
    if (spec.kind == SuiteKind::kRefusal && spec.baseline_tokens > 0) refusals(suite, spec.id);
    if (spec.kind == SuiteKind::kPerplexity) texts(spec.id);
  }

  RowDamage damage() const {
    RowDamage out;
    out.veto_n = static_cast<std::int64_t>(margin_.size());
    out.veto_mean_fall = mean(baseline_margin_) - mean(margin_);
    out.veto_low_fall = quantile(baseline_margin_, kLowShare) - quantile(margin_, kLowShare);
    out.refusal_n = static_cast<std::int64_t>(refusal_fall_.size());
    out.refusal_fall = mean(refusal_fall_);
    out.tokens = tokens_;
    out.loss_rise = tokens_ == 0 ? std::nan("") : loss_rise_ / static_cast<double>(tokens_);
    out.missing = missing_;
    return out;
  }

 private:
  template <class T>
  std::span<const T> values(const std::string& name, std::uint32_t row) const {
    return results_.at<T>(name, row);
  }

  bool counted(std::size_t i) {
    if (usable_[i] != 0) return true;
    ++missing_;
    return false;
  }

  void decisions(std::uint32_t suite, const std::string& name) {
    const std::vector<std::uint8_t>& gold = results_.plan.facts.suites[suite].expected;
    const auto here = values<double>(name, row_), there = values<double>(name, baseline_);
    for (std::size_t i = 0; i < usable_.size(); ++i) {
      if (gold.at(i) != static_cast<std::uint8_t>(schedule::Decision::kVeto) || !counted(i)) continue;
      margin_.push_back(here[i]);
      baseline_margin_.push_back(there[i]);
    }
  }

  void refusals(std::uint32_t suite, const std::string& id) {
    const std::vector<std::uint8_t>& harmful = results_.plan.facts.suites[suite].expected;
    const auto refused = values<std::uint8_t>(id + "_refusal", baseline_);
    const std::string name = id + "_baseline_log_prob";
    const auto here = values<double>(name, row_), there = values<double>(name, baseline_);
    for (std::size_t i = 0; i < usable_.size(); ++i) {
      if (harmful.at(i) == 0 || !counted(i)) continue;
      // An empty answer is a refusal without a beginning.
      if (refused[i] == 0 || !std::isfinite(there[i])) continue;
      if (std::isfinite(here[i]))
        refusal_fall_.push_back(there[i] - here[i]);
      else
        ++missing_;
    }
  }

  void texts(const std::string& id) {
    const auto here = values<double>(id + "_nll", row_), there = values<double>(id + "_nll", baseline_);
    const auto count = values<std::int32_t>(id + "_token_count", row_);
    for (std::size_t i = 0; i < usable_.size(); ++i) {
      if (!counted(i)) continue;
      loss_rise_ += here[i] - there[i];
      tokens_ += count[i];
    }
  }

  const Results& results_;
  std::uint32_t row_, baseline_;
  std::vector<char> usable_;  // of the suite at hand, in the row and its baseline
  std::vector<double> margin_, baseline_margin_, refusal_fall_;
  double loss_rise_ = 0;
  std::int64_t tokens_ = 0, missing_ = 0;
};

}  // namespace

double RowDamage::total(const schedule::SearchSpec& weights) const {
  if (missing > 0 || veto_n + refusal_n + tokens == 0) return std::nan("");
  const auto part = [](std::int64_t n, double fall) { return n == 0 ? 0.0 : std::max(0.0, fall); };
  return weights.veto_weight * (part(veto_n, veto_mean_fall) + part(veto_n, veto_low_fall)) / 2 +
         weights.refusal_weight * part(refusal_n, refusal_fall) +
         weights.loss_weight * part(tokens, loss_rise);
}

RowDamage row_damage(const Results& results, std::uint32_t row) {
  Pool pool(results, row);
  for (std::uint32_t s = 0; s < results.plan.job.suites.size(); ++s) pool.add(s);
  return pool.damage();
}

}  // namespace brinkmap::audit
