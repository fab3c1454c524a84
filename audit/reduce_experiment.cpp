#include "audit/reduce_experiment.h"

#include <algorithm>
#include <cmath>

#include "audit/auc.h"
#include "audit/cascade_sweep.h"
#include "audit/layer_curve.h"
#include "audit/method_comparison.h"
#include "audit/reduce.h"
#include "audit/reduce_suite.h"
#include "audit/stats.h"
#include "audit/usable.h"

namespace brinkmap::audit {
namespace {

using schedule::ExperimentKind;
using schedule::Results;
using schedule::Split;

// What the heads of a row say of validation and test items, in this order.
struct RowVotes {
  std::size_t heads = 0;
  std::vector<std::uint8_t> prediction;
  std::vector<float> logits;  // zero on validation, where none are kept
  std::vector<std::uint8_t> gold;
  std::vector<Split> splits;

  HeadVotes view() const { return {heads, prediction, logits, gold, splits}; }
};

RowVotes read_votes(const Results& results, std::uint32_t experiment, std::uint32_t row) {
  const schedule::ExperimentSpec& e = results.plan.job.experiments[experiment];
  const schedule::SuiteFacts& facts =
      results.plan.facts.suites.at(schedule::suite_of(results.plan, experiment));
  RowVotes out;
  out.heads = static_cast<std::size_t>(e.seeds);
  for (const Split split : {Split::kValidation, Split::kTest})
    for (std::size_t i = 0; i < facts.splits.size(); ++i)
      if (facts.splits[i] == split) {
        out.gold.push_back(facts.expected[i]);
        out.splits.push_back(split);
      }
  const auto validation = results.at<std::uint8_t>(e.id + "_validation_class", row);
  const auto test = results.at<std::uint8_t>(e.id + "_prediction", row);
  const auto logit = results.at<float>(e.id + "_logit", row);
  const std::size_t n = validation.size() / out.heads, t = test.size() / out.heads;
  for (std::size_t h = 0; h < out.heads; ++h) {
    const auto append = [](auto& to, auto from) { to.insert(to.end(), from.begin(), from.end()); };
    append(out.prediction, validation.subspan(h * n, n));
    append(out.prediction, test.subspan(h * t, t));
    out.logits.resize(out.logits.size() + n * schedule::kDecisionClasses);
    append(out.logits, logit.subspan(h * t * schedule::kDecisionClasses, t * schedule::kDecisionClasses));
  }
  return out;
}

void reduce_sweep(Results& results, std::uint32_t experiment, std::uint32_t row, const RowVotes& votes) {
  const std::string p = results.plan.job.experiments[experiment].id + "_";
  const ThresholdSweep sweep = sweep_thresholds(votes.view(), kBoundConfidence);
  std::vector<double> accuracy, revised;
  std::vector<std::int32_t> approved;
  for (const SweepPoint& point : sweep.points) {
    accuracy.push_back(point.test.accuracy);
    revised.push_back(point.test.revise_rate);
    approved.push_back(point.test.veto_to_approve);
  }
  const SweepPoint& best = sweep.points.at(sweep.best);
  set(results, row, p + "sweep_accuracy", accuracy);
  set(results, row, p + "sweep_revise_rate", revised);
  set(results, row, p + "sweep_veto_to_approve", approved);
  set(results, row, p + "best_veto", std::int32_t{best.veto});
  set(results, row, p + "best_approve", std::int32_t{best.approve});
  set(results, row, p + "best_accuracy", best.test.accuracy);
  set(results, row, p + "best_revise_rate", best.test.revise_rate);
  set(results, row, p + "best_veto_to_approve", best.test.veto_to_approve);
}

void reduce_subsamples(Results& results, std::uint32_t experiment, std::uint32_t row, const RowVotes& votes) {
  const schedule::Job& job = results.plan.job;
  const std::string p = job.experiments[experiment].id + "_";
  constexpr std::size_t kSizes = std::size(kSubsampleSizes);
  const std::size_t cells = std::size(kVoteRules) * kSizes;
  std::vector<double> mean(cells, std::nan("")), low = mean, high = mean, revised = mean, approved = mean,
                                                 any = mean;
  // The same draws on every row, so that rows pair.
  const KeyedRandom random(job.seed, "subsamples of heads");
  for (const SubsampleScore& score : score_subsamples(votes.view(), job.vote, random)) {
    const auto size = static_cast<std::size_t>(
        std::find(std::begin(kSubsampleSizes), std::end(kSubsampleSizes), score.heads) -
        std::begin(kSubsampleSizes));
    if (size == kSizes) continue;
    const std::size_t at = static_cast<std::size_t>(score.rule) * kSizes + size;
    mean[at] = score.accuracy.mean;
    low[at] = score.accuracy.low;
    high[at] = score.accuracy.high;
    revised[at] = score.revise_rate.mean;
    approved[at] = score.veto_to_approve.mean;
    any[at] = score.share_with_approve;
  }
  set(results, row, p + "subsample_accuracy", mean);
  set(results, row, p + "subsample_accuracy_low", low);
  set(results, row, p + "subsample_accuracy_high", high);
  set(results, row, p + "subsample_revise_rate", revised);
  set(results, row, p + "subsample_veto_to_approve", approved);
  set(results, row, p + "subsample_share_with_approve", any);
}

bool complete(const std::vector<char>& usable) {
  return std::find(usable.begin(), usable.end(), 0) == usable.end();
}

// A skill's curve over the blocks of the row's model; the AUC where the question is yes or no.
std::vector<double> curve(const Results& results, const std::string& p, std::uint32_t row, std::size_t skill,
                          std::size_t depth) {
  const auto values = results.at<double>(p + (skill == 1 ? "auc" : "accuracy"), row);
  std::vector<double> out;
  for (std::size_t b = 0; b < depth; ++b) out.push_back(values[b * schedule::kProbeSkillCount + skill]);
  return out;
}

bool finite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

void reduce_probes(Results& results, std::uint32_t experiment, std::uint32_t row) {
  const std::string p = results.plan.job.experiments[experiment].id + "_";
  const std::size_t depth = schedule::experiment_items(results.plan, experiment, row);
  const double unknown = std::nan("");
  std::vector<std::int32_t> block(schedule::kProbeSkillCount, -1);
  std::vector<double> peak(block.size(), unknown), at = peak, drop = peak, largest = peak;
  std::vector<std::uint8_t> inverted(block.size(), 255);
  for (std::size_t skill = 0; skill < block.size(); ++skill) {
    const std::vector<double> own = curve(results, p, row, skill, depth);
    const std::vector<double> base = curve(results, p, results.plan.rows[row].baseline, skill, depth);
    if (!finite(own)) continue;
    const CurvePeak best = curve_peak(own);
    block[skill] = best.layer;
    peak[skill] = best.value;
    at[skill] = best.depth;
    if (!finite(base)) continue;
    const CurveChange change = compare_curves(own, base);
    drop[skill] = change.drop;
    largest[skill] = change.largest_drop;
    inverted[skill] = change.inverted ? 1 : 0;
  }
  set(results, row, p + "peak_block", block);
  set(results, row, p + "peak", peak);
  set(results, row, p + "peak_depth", at);
  set(results, row, p + "drop", drop);
  set(results, row, p + "largest_drop", largest);
  set(results, row, p + "inverted", inverted);
}

void reduce_evidence(Results& results, std::uint32_t experiment, std::uint32_t row,
                     const std::vector<char>& usable) {
  const std::string p = results.plan.job.experiments[experiment].id + "_";
  const schedule::SuiteFacts& facts =
      results.plan.facts.suites.at(schedule::suite_of(results.plan, experiment));
  const auto score = results.at<double>(p + "score", row);
  const std::size_t lines = schedule::most_evidence(facts);
  std::vector<double> scores;
  std::vector<std::uint8_t> cited;
  for (std::size_t i = 0; i < facts.evidence.size(); ++i) {
    if (facts.splits[i] != Split::kTest || usable[0] == 0) continue;
    for (std::size_t j = 0; j < facts.evidence[i].size(); ++j) {
      scores.push_back(score[i * lines + j]);
      cited.push_back(facts.evidence[i][j].cited);
    }
  }
  const auto positive = static_cast<std::int32_t>(std::count(cited.begin(), cited.end(), 1));
  const auto negative = static_cast<std::int32_t>(cited.size()) - positive;
  Auc auc;
  auc.auc = auc.interval.low = auc.interval.high = std::nan("");
  if (positive > 0 && negative > 0 && finite(scores)) auc = delong(scores, cited, kBoundConfidence);
  set(results, row, p + "auc", auc.auc);
  set(results, row, p + "auc_low", auc.interval.low);
  set(results, row, p + "auc_high", auc.interval.high);
  set(results, row, p + "cited_n", positive);
  set(results, row, p + "other_n", negative);
}

void reduce_reranked(Results& results, std::uint32_t experiment, std::uint32_t row,
                     const std::vector<char>& usable) {
  const schedule::SuiteFacts& facts =
      results.plan.facts.suites.at(schedule::suite_of(results.plan, experiment));
  const std::string p = results.plan.job.experiments[experiment].id + "_";
  const auto order = results.at<std::uint8_t>(p + "order", row);
  const std::size_t lines = schedule::most_evidence(facts);
  std::int32_t moved = 0;
  for (std::size_t i = 0; i < usable.size(); ++i) {
    const auto own = order.subspan(i * lines, facts.evidence[i].size());
    moved += usable[i] != 0 && !std::is_sorted(own.begin(), own.end()) ? 1 : 0;
  }
  set(results, row, p + "moved", moved);
}

void reduce_speed(Results& results, std::uint32_t experiment, std::uint32_t row,
                  const std::vector<char>& usable) {
  const std::string p = results.plan.job.experiments[experiment].id + "_";
  const auto own = results.at<double>(p + "seconds", row),
             base = results.at<double>(p + "baseline_seconds", row);
  const auto tokens = results.at<std::int64_t>(p + "tokens", row);
  std::vector<double> ratio, rate;
  for (std::size_t i = 0; i < usable.size(); ++i) {
    if (usable[i] == 0 || !(own[i] > 0) || !(base[i] > 0)) continue;
    ratio.push_back(base[i] / own[i]);
    rate.push_back(static_cast<double>(tokens[i]) / own[i]);
  }
  set(results, row, p + "ratio", quantile(ratio, 0.5));
  set(results, row, p + "ratio_low", quantile(ratio, 0));
  set(results, row, p + "ratio_high", quantile(ratio, 1));
  set(results, row, p + "tokens_per_second", quantile(rate, 0.5));
}

// The borders are the same for every row; they stand where the histograms do.
void reduce_spectra(Results& results, const std::string& id, std::uint32_t row) {
  if (results.plan.rows[row].baseline != row) return;
  std::vector<double> edges;
  for (int i = 0; i <= schedule::kSpectrumBins; ++i)
    edges.push_back(schedule::kSpectrumLow +
                    (schedule::kSpectrumHigh - schedule::kSpectrumLow) * i / schedule::kSpectrumBins);
  set(results, row, id + "_bin_edge", edges);
}

void set_comparison(Results& results, std::uint32_t row, const std::string& p, const MethodComparison& c) {
  const double nan = std::nan("");
  // A no-op is no result: its seeds differ by nothing that the method did.
  const auto number = [&](const char* what, double value) {
    set(results, row, p + what, c.no_op ? nan : value);
  };
  set(results, row, p + "no_op", std::uint8_t{c.no_op});
  number("shift", c.shift.estimate);
  number("shift_low", c.shift.interval.low);
  number("shift_high", c.shift.interval.high);
  number("shift_median", c.shift.median);
  number("p_wilcoxon", c.wilcoxon.p);
  number("p_holm", c.wilcoxon_holm);
  number("p_t", c.t.p);
  number("p_sign", c.sign.p);
  number("case_shift", c.cases.mean);
  number("case_low", c.cases.interval.low);
  number("case_high", c.cases.interval.high);
  number("p_cascade", c.cascade_p);
  set(results, row, p + "cascade_lost", c.no_op ? std::int32_t{-1} : c.lost);
  set(results, row, p + "cascade_gained", c.no_op ? std::int32_t{-1} : c.gained);
}

// Whether a method's heads read the reference's features: it left its own as they were, and differs from the
// reference in nothing else that makes features.
bool no_op(const Results& results, const schedule::ExperimentSpec& e,
           const schedule::ExperimentSpec& reference, std::uint32_t row) {
  if (e.method == schedule::Suppression::kNone || e.layer != reference.layer ||
      e.pooling != reference.pooling || e.train_on != reference.train_on ||
      reference.method != schedule::Suppression::kNone)
    return false;
  const auto same = results.at<std::uint8_t>(e.id + "_same_features", row);
  return std::all_of(same.begin(), same.end(), [](std::uint8_t flag) { return flag == 1; });
}

}  // namespace

void reduce_experiment(Results& results, std::uint32_t experiment, std::uint32_t row) {
  const schedule::ExperimentSpec& e = results.plan.job.experiments[experiment];
  const std::vector<char> usable = usable_parts(results, experiment, row);
  set(results, row, e.id + "_missing",
      static_cast<std::int32_t>(std::count(usable.begin(), usable.end(), 0)));
  switch (e.kind) {
    case ExperimentKind::kDecisionHeads:
      reduce_heads(results, experiment, row, usable);
      if (complete(usable)) {
        const RowVotes votes = read_votes(results, experiment, row);
        reduce_sweep(results, experiment, row, votes);
        reduce_subsamples(results, experiment, row, votes);
      }
      return;
    case ExperimentKind::kLayerProbes:
      return reduce_probes(results, experiment, row);
    case ExperimentKind::kEvidenceHead:
      return reduce_evidence(results, experiment, row, usable);
    case ExperimentKind::kRerankedPrompts:
      return reduce_reranked(results, experiment, row, usable);
    case ExperimentKind::kSpeed:
      return reduce_speed(results, experiment, row, usable);
    case ExperimentKind::kMechanisms:
      return reduce_mechanisms(results, experiment, row, usable);
    case ExperimentKind::kSpectra:
      return reduce_spectra(results, e.id, row);
    case ExperimentKind::kJudge:
      return reduce_judge(results, experiment, row);
  }
}

void reduce_comparisons(Results& results, std::uint32_t experiment, std::uint32_t row) {
  const schedule::Job& job = results.plan.job;
  const schedule::ExperimentSpec& reference = job.experiments[experiment];
  if (reference.kind != ExperimentKind::kDecisionHeads || !complete(usable_parts(results, experiment, row)))
    return;
  std::vector<std::uint32_t> compared;
  for (std::uint32_t e = 0; e < job.experiments.size(); ++e)
    if (job.experiments[e].against == reference.id && complete(usable_parts(results, e, row)))
      compared.push_back(e);
  if (compared.empty()) return;
  const RowVotes plain = read_votes(results, experiment, row);
  std::vector<RowVotes> votes;
  for (const std::uint32_t e : compared) votes.push_back(read_votes(results, e, row));
  std::vector<Method> methods;
  for (std::size_t i = 0; i < compared.size(); ++i) {
    const schedule::ExperimentSpec& e = job.experiments[compared[i]];
    methods.push_back({e.id, no_op(results, e, reference, row), votes[i].prediction});
  }
  const std::vector<MethodComparison> comparisons = compare_methods(
      plain.view(), methods, job.vote, kBoundConfidence, KeyedRandom(job.seed, "cases " + reference.id));
  for (const MethodComparison& c : comparisons) set_comparison(results, row, c.name + "_", c);
}

}  // namespace brinkmap::audit
