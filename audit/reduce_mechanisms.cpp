#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "audit/calibration.h"
#include "audit/correlation.h"
#include "audit/mechanism_blocks.h"
#include "audit/reduce_experiment.h"
#include "audit/reduce_suite.h"
#include "audit/usable.h"

namespace brinkmap::audit {
namespace {

using schedule::Results;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// First-token figures of a suite on a row; a prompt without a usable result has none.
class FirstTokens {
 public:
  FirstTokens(const Results& results, std::uint32_t suite, std::uint32_t row)
      : results_(results), suite_(suite), row_(row), usable_(usable_prompts(results, suite, row)) {
    const auto top1 = value("top1");
    for (std::size_t i = 0; i < usable_.size(); ++i)
      if (token()[i] < 0 || !(top1[i] > 0 && top1[i] <= 1)) usable_[i] = 0;
  }

  bool has(std::size_t prompt) const { return usable_[prompt] != 0; }
  std::span<const double> value(const std::string& what) const {
    return sized(results_.at<double>(name(what), row_));
  }
  std::span<const std::int32_t> token() const {
    return sized(results_.at<std::int32_t>(name("token"), row_));
  }

 private:
  std::string name(const std::string& what) const {
    return results_.plan.job.suites.at(suite_).id + "_first_" + what;
  }
  template <class T>
  std::span<const T> sized(std::span<const T> values) const {
    if (values.size() != usable_.size())
      throw Error("first tokens: another length than the suite " + results_.plan.job.suites[suite_].id);
    return values;
  }

  const Results& results_;
  std::uint32_t suite_, row_;
  std::vector<char> usable_;
};

// The figures of one set of prompts: those of a suite with this expected answer.
struct SetFigures {
  std::array<double, 5> mean{}, shift{};
  double ece = kNan, agree = kNan;
  std::int32_t n = 0, pairs = 0;
};
constexpr std::array<const char*, 5> kMeasures = {"entropy", "top1", "top5", "gini", "range"};

SetFigures set_figures(const Results& results, std::uint32_t suite, std::uint8_t expected,
                       std::uint32_t row) {
  const FirstTokens own(results, suite, row), base(results, suite, results.plan.rows.at(row).baseline);
  const std::vector<std::uint8_t>& labels = results.plan.facts.suites.at(suite).expected;
  SetFigures out;
  for (std::size_t m = 0; m < kMeasures.size(); ++m) {
    const auto now = own.value(kMeasures[m]), before = base.value(kMeasures[m]);
    std::vector<double> values, shifts;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] != expected || !own.has(i)) continue;
      values.push_back(now[i]);
      if (base.has(i)) shifts.push_back(now[i] - before[i]);
    }
    out.mean[m] = mean(values);
    out.shift[m] = mean(shifts);
    out.n = static_cast<std::int32_t>(values.size());
    out.pairs = static_cast<std::int32_t>(shifts.size());
  }
  std::vector<double> confidence, agrees;
  std::vector<char> right;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] != expected || !own.has(i) || !base.has(i)) continue;
    const bool same = own.token()[i] == base.token()[i];
    confidence.push_back(own.value("top1")[i]);
    right.push_back(same ? 1 : 0);
    agrees.push_back(same ? 1 : 0);
  }
  out.ece = calibration_error(confidence, right);
  out.agree = mean(agrees);
  return out;
}

void reduce_first_tokens(Results& results, std::uint32_t experiment, std::uint32_t row) {
  const std::string p = results.plan.job.experiments[experiment].id + "_first_";
  const std::array<SetFigures, 2> sets = {
      set_figures(results, schedule::suite_of(results.plan, experiment), 1, row),
      set_figures(results, schedule::harmless_suite_of(results.plan, experiment), 0, row)};
  for (std::size_t m = 0; m < kMeasures.size(); ++m) {
    const std::string name = p + kMeasures[m];
    set(results, row, name, std::vector<double>{sets[0].mean[m], sets[1].mean[m]});
    set(results, row, name + "_shift", std::vector<double>{sets[0].shift[m], sets[1].shift[m]});
  }
  set(results, row, p + "ece", std::vector<double>{sets[0].ece, sets[1].ece});
  set(results, row, p + "agree", std::vector<double>{sets[0].agree, sets[1].agree});
  set(results, row, p + "n", std::vector<std::int32_t>{sets[0].n, sets[1].n});
  set(results, row, p + "pairs", std::vector<std::int32_t>{sets[0].pairs, sets[1].pairs});
}

// Figures of a row's blocks; those whose unit is not done have none.
class BlockFigures {
 public:
  BlockFigures(const Results& results, const std::string& id, std::uint32_t row,
               const std::vector<char>& usable)
      : results_(results), id_(id), row_(row), usable_(usable) {}

  double at(const char* what, int block) const {
    return usable(block) ? results_.at<double>(id_ + what, row_)[static_cast<std::size_t>(block)] : kNan;
  }
  std::int32_t count(const char* what, int block) const {
    return usable(block) ? results_.at<std::int32_t>(id_ + what, row_)[static_cast<std::size_t>(block)] : -1;
  }

 private:
  bool usable(int block) const { return usable_.at(static_cast<std::size_t>(block)) != 0; }

  const Results& results_;
  std::string id_;
  std::uint32_t row_;
  const std::vector<char>& usable_;
};

}  // namespace

void reduce_mechanisms(Results& results, std::uint32_t experiment, std::uint32_t row,
                       const std::vector<char>& usable) {
  reduce_first_tokens(results, experiment, row);
  const std::string id = results.plan.job.experiments[experiment].id + "_";
  const std::uint32_t baseline = results.plan.rows.at(row).baseline;
  const std::vector<char> of_baseline = usable_parts(results, experiment, baseline);
  const BlockFigures own(results, id, row, usable), base(results, id, baseline, of_baseline);
  const int depth = static_cast<int>(usable.size());

  const int block = direction_block(depth);
  const double norm = own.at("norm", block), reference = base.at("norm", block);
  set(results, row, id + "direction_block", std::int32_t{block});
  set(results, row, id + "direction_norm", norm);
  set(results, row, id + "direction_norm_ratio", reference > 0 ? norm / reference : kNan);
  set(results, row, id + "direction_cosine", own.at("cosine", block));
  set(results, row, id + "direction_auc_own", own.at("auc_own", block));
  set(results, row, id + "direction_auc_baseline", own.at("auc_baseline", block));
  set(results, row, id + "direction_harmful_n", own.count("harmful_n", block));
  set(results, row, id + "direction_harmless_n", own.count("harmless_n", block));

  std::vector<std::int32_t> blocks(kNeuronBlocks, -1);
  std::vector<double> ratio, share, overlap;
  for (int k = 0, last = -1; k < kNeuronBlocks; ++k) {
    const int at = neuron_block(depth, k);
    if (at == last) continue;
    blocks[static_cast<std::size_t>(k)] = last = at;
    for (const auto& [values, what] : {std::pair{&ratio, "error_ratio"}, std::pair{&share, "error_share"},
                                       std::pair{&overlap, "neuron_overlap"}})
      if (const double v = own.at(what, at); std::isfinite(v)) values->push_back(v);
  }
  set(results, row, id + "neuron_block", blocks);
  set(results, row, id + "neuron_ratio", mean(ratio));
  set(results, row, id + "neuron_share", mean(share));
  set(results, row, id + "neuron_overlap_mean", mean(overlap));
  set(results, row, id + "neuron_n", static_cast<std::int32_t>(ratio.size()));
}

}  // namespace brinkmap::audit
