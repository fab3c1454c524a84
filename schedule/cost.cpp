#include "schedule/cost.h"

#include <algorithm>
#include <cmath>

namespace brinkmap::schedule {

double prompt_cost(const CostModel& model, const ModelFacts& facts, const SuiteSpec& suite,
                   std::uint32_t tokens, std::uint64_t encoder_parameters) {
  const double weights = 2.0 * static_cast<double>(facts.parameters);
  // Scores and weighted sums of causal attention: 4 operations a token pair and number of a head, half of the
  // pairs. Sliding windows and recurrent blocks do less; what they do beside their weights is not counted.
  const double pairs = 4.0 * static_cast<double>(facts.attention_width);
  const double prompt = tokens;
  double decoded = suite.max_new_tokens * model.decode_share;
  // The encoder reads the answer and a reference of about its length.
  const double encoded = suite.needs_encoder() ? 4.0 * static_cast<double>(encoder_parameters) * decoded : 0;
  if (suite.kind == SuiteKind::kDecision) decoded += model.choice_tokens;
  if (suite.kind == SuiteKind::kChoice) decoded += model.letter_tokens;
  return model.prompt_seconds + (weights * prompt + encoded) / model.prompt_flops +
         weights * decoded / model.decode_flops +
         pairs * (prompt * prompt / 2 + decoded * (prompt + decoded / 2)) / model.attention_flops;
}

double seed_cost(const CostModel& model, const ModelFacts& facts, const ExperimentSpec& experiment,
                 std::uint64_t train_items) {
  const double width = facts.width;
  const double hidden = experiment.hidden;
  const double batch = experiment.batch;
  const double steps_an_epoch = std::ceil(static_cast<double>(train_items) / batch);
  const double steps = std::max(1.0, experiment.max_epochs * model.epoch_share) * steps_an_epoch;
  // Three products (forward, weight gradient, input gradient), two operations a multiply-add; AdamW touches
  // every weight about 16 times a step.
  const double weights = width * hidden + kDecisionClasses * hidden;
  return model.head_seconds + steps * (6.0 * batch * weights + 16.0 * weights) / model.head_flops;
}

namespace {

// Of a matrix, mean over the model's: products of the Gram matrix, then the eigenvalues of the smaller side.
double spectrum_cost(const CostModel& model, const ModelFacts& facts) {
  double operations = 0;
  for (const MatrixFacts& m : facts.matrices) {
    const auto large = static_cast<double>(std::max(m.rows, m.cols)),
               small = static_cast<double>(std::min(m.rows, m.cols));
    operations += small * small * (large + 4 * small);
  }
  const auto count = static_cast<double>(std::max<std::size_t>(1, facts.matrices.size()));
  return operations / count / model.probe_flops;
}

// Evidence lines of the suite and their tokens.
std::pair<double, double> evidence_size(const SuiteFacts& facts, std::size_t of_model) {
  double lines = 0;
  for (const std::vector<Evidence>& item : facts.evidence) lines += static_cast<double>(item.size());
  const double most = facts.span_tokens.empty() ? 0 : facts.span_tokens[of_model];
  return {lines, most * static_cast<double>(facts.ids.size())};
}

}  // namespace

double experiment_item_cost(const CostModel& model, const Plan& plan, std::uint32_t experiment,
                            std::size_t of_model) {
  const ExperimentSpec& e = plan.job.experiments[experiment];
  if (e.kind == ExperimentKind::kSpectra) return spectrum_cost(model, plan.facts.models[of_model]);
  const std::uint32_t s = suite_of(plan, experiment);
  const SuiteFacts& suite = plan.facts.suites[s];
  const ModelFacts& facts = plan.facts.models[of_model];
  const auto items = static_cast<double>(suite.ids.size());
  const auto [lines, tokens] = evidence_size(suite, of_model);
  double prompts = 0;
  for (const std::uint32_t n : suite.tokens[of_model])
    prompts += prompt_cost(model, facts, plan.job.suites[s], n);
  switch (e.kind) {
    case ExperimentKind::kDecisionHeads:
      return seed_cost(
          model, facts, e,
          static_cast<std::uint64_t>(std::count(suite.splits.begin(), suite.splits.end(), Split::kTrain)));
    case ExperimentKind::kLayerProbes:
      // Two products an evaluation, five folds; classes of the three skills together.
      return (lines * (kEvidenceClasses + 2) + items * kDecisionClasses) * facts.width * 5 * 4 *
             model.probe_evaluations / model.probe_flops;
    case ExperimentKind::kEvidenceHead:
      return model.evidence_epochs * 6.0 * facts.width * (tokens * kEvidenceAttention + lines * e.hidden) /
             model.decode_flops;
    case ExperimentKind::kRerankedPrompts:
      return prompts / items;
    case ExperimentKind::kSpeed:
      return 2 * prompts / items * std::min(items, static_cast<double>(kSpeedPrompts));
    case ExperimentKind::kMechanisms: {
      const std::uint32_t harmless = harmless_suite_of(plan, experiment);
      const double all =
          items + (harmless == s ? 0 : static_cast<double>(plan.facts.suites[harmless].ids.size()));
      return 2 * all * facts.width * dtype_bytes(DType::kF32) / model.state_bytes;  // row and baseline
    }
    case ExperimentKind::kSpectra:
      break;
    case ExperimentKind::kJudge:
      return judge_item_cost(model, plan, experiment, of_model);
  }
  return 0;
}

double row_cost(const CostModel& model, const Plan& plan, std::uint32_t row) {
  const Row& r = plan.rows.at(row);
  const auto parameters = static_cast<double>(plan.facts.models.at(r.model).parameters);
  const CalibrationSpec& text = plan.job.calibration;
  const double rate = r.recipe.starts_with("gptq-")  ? model.gptq_rate
                      : r.recipe.starts_with("awq-") ? model.awq_rate
                                                     : 0;
  const double calibrating =
      rate > 0 && !text.file.empty() ? parameters * text.sequences * text.length / rate : 0;
  return parameters / model.row_bytes + calibrating;
}

namespace {

// Ends of about `shards` shards. Each shard aims at an equal share of what is left when it starts, so one
// very long prompt does not leave crumbs behind it.
std::vector<std::uint32_t> cut_into(const std::vector<double>& costs, double total, std::size_t shards,
                                    double floor) {
  std::vector<std::uint32_t> ends;
  double left = total;  // when the current shard starts
  double sum = 0;
  for (std::size_t i = 0; i < costs.size(); ++i) {
    const std::size_t open = shards - ends.size();
    // A prompt belongs to the shard in which its middle lies.
    if (open > 1 && sum >= floor && sum + costs[i] / 2 > left / static_cast<double>(open)) {
      ends.push_back(static_cast<std::uint32_t>(i));
      left -= sum;
      sum = 0;
    }
    sum += costs[i];
  }
  if (sum < floor && !ends.empty()) ends.pop_back();
  ends.push_back(static_cast<std::uint32_t>(costs.size()));
  return ends;
}

constexpr double kSlack = 1 + 1e-9;  // sums of equal costs round

bool fits(const std::vector<double>& costs, const std::vector<std::uint32_t>& ends, double cap) {
  std::uint32_t begin = 0;
  for (const std::uint32_t end : ends) {
    double sum = 0;
    for (std::uint32_t i = begin; i < end; ++i) sum += costs[i];
    if (sum > cap * kSlack && end - begin > 1) return false;
    begin = end;
  }
  return true;
}

}  // namespace

std::vector<std::uint32_t> cut_prompts(const std::vector<double>& costs, double cap, double floor) {
  if (costs.empty()) return {};
  double total = 0;
  for (const double c : costs) total += c;
  const double most_by_floor = std::max(1.0, std::floor(total / floor));
  const std::size_t most =
      static_cast<std::size_t>(std::min(static_cast<double>(costs.size()), most_by_floor));
  std::size_t shards =
      static_cast<std::size_t>(std::clamp(std::ceil(total / cap), 1.0, static_cast<double>(most)));
  std::vector<std::uint32_t> ends = cut_into(costs, total, shards, floor);
  // A boundary is off by half a prompt, so a few more shards than total / cap are enough.
  while (shards < most && !fits(costs, ends, cap)) {
    shards = std::min(most, shards + 1 + shards / 16);
    ends = cut_into(costs, total, shards, floor);
  }
  return ends;
}

int seeds_per_unit(const UnitLimits& limits, double seconds_a_seed, double share_seconds) {
  const double seconds = std::max(seconds_a_seed, 1e-9);
  double seeds = std::clamp(std::floor(limits.longest / seconds), static_cast<double>(limits.fewest_seeds),
                            static_cast<double>(limits.most_seeds));
  seeds = std::min(seeds, std::max(1.0, std::floor(share_seconds / seconds)));
  seeds = std::max(seeds, std::ceil(limits.shortest / seconds));
  return static_cast<int>(std::min(seeds, 10000.0));
}

}  // namespace brinkmap::schedule
