#include "schedule/fields.h"

#include <algorithm>
#include <limits>

namespace brinkmap::schedule {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
const std::vector<std::string> kNoYes{"no", "yes"};
const std::vector<std::string> kAnswers{"APPROVE", "REVISE", "VETO", "INVALID"};

Field make(std::string name, DType dtype, std::vector<Dimension> inner, std::string units,
           std::string long_name) {
  Field f{std::move(name), dtype, std::move(inner), std::move(units), std::move(long_name), 0, {}};
  switch (dtype) {
    case DType::kU8:
      f.fill = 255;
      break;
    case DType::kI32:
    case DType::kI64:
      f.fill = -1;
      break;
    case DType::kU32:
      f.fill = 4294967295.0;
      break;
    case DType::kF32:
    case DType::kF64:
      f.fill = kNan;
      break;
  }
  return f;
}

Field flags(std::string name, std::vector<Dimension> inner, std::string long_name,
            std::vector<std::string> meanings) {
  Field f = make(std::move(name), DType::kU8, std::move(inner), "1", std::move(long_name));
  f.flag_meanings = std::move(meanings);
  return f;
}

Dimension class_axis() { return {"class", 3, {"APPROVE", "REVISE", "VETO"}}; }
Dimension answer_axis() { return {"answer", 4, kAnswers}; }

std::uint64_t widest(const Plan& plan) {
  int width = 0;
  for (const ModelFacts& m : plan.facts.models) width = std::max(width, m.width);
  return static_cast<std::uint64_t>(width);
}

// Distinct layer choices of the experiments that read a suite: the suite's layer slots.
std::vector<int> slots(const Plan& plan, std::uint32_t suite) {
  std::vector<int> out;
  for (const ExperimentSpec& e : plan.job.experiments)
    if (e.suite == plan.job.suites[suite].id && std::find(out.begin(), out.end(), e.layer) == out.end())
      out.push_back(e.layer);
  return out;
}

bool pools(const Plan& plan, std::uint32_t suite, Pooling pooling) {
  for (const ExperimentSpec& e : plan.job.experiments)
    if (e.suite == plan.job.suites[suite].id && e.pooling == pooling) return true;
  return false;
}

std::uint32_t suite_of(const Plan& plan, const ExperimentSpec& e) {
  for (std::uint32_t s = 0; s < plan.job.suites.size(); ++s)
    if (plan.job.suites[s].id == e.suite) return s;
  throw Error("experiment " + e.id + " reads no suite of the job");
}

Dimension test_axis(const Plan& plan, const ExperimentSpec& e) {
  const SuiteFacts& facts = plan.facts.suites[suite_of(plan, e)];
  Dimension axis{e.id + "_test", 0, {}};
  for (std::size_t i = 0; i < facts.ids.size(); ++i)
    if (facts.splits[i] == Split::kTest) axis.labels.push_back(facts.ids[i]);
  axis.size = axis.labels.size();
  return axis;
}

std::vector<Field> suite_fields(const Plan& plan, std::uint32_t s) {
  const SuiteSpec& suite = plan.job.suites[s];
  const std::string p = suite.id + "_";
  std::vector<Field> out;
  if (suite.kind == SuiteKind::kPerplexity) {
    out.push_back(make(p + "token_count", DType::kI32, {}, "token", "tokens scored"));
    out.push_back(
        make(p + "nll", DType::kF64, {}, "nat", "negative log-likelihood, summed over the scored tokens"));
    out.push_back(flags(p + "finite", {}, "all logits were finite", kNoYes));
    return out;
  }
  const Dimension position{p + "position", static_cast<std::uint64_t>(suite.max_new_tokens), {}};
  out.push_back(
      make(p + "tokens", DType::kI32, {position}, "1", "token ids generated, without the end token"));
  out.push_back(make(p + "token_count", DType::kI32, {}, "token", "tokens generated"));
  out.push_back(flags(p + "ended", {}, "the model ended its answer itself", kNoYes));
  out.push_back(flags(p + "finite", {}, "all logits were finite", kNoYes));
  if (suite.kind == SuiteKind::kRefusal) {
    out.push_back(
        flags(p + "refusal", {}, "how the answer reads", {"answer", "soft_refusal", "hard_refusal"}));
    return out;
  }
  out.push_back(flags(p + "decision", {}, "decision read from the generated answer", kAnswers));
  out.push_back(flags(p + "choice", {}, "label of highest probability after the fixed prefix", kAnswers));
  out.push_back(make(p + "choice_log_prob", DType::kF64, {class_axis()}, "nat",
                     "log-probability of the label's tokens after the fixed prefix"));
  out.push_back(make(p + "veto_margin", DType::kF64, {}, "nat", "log p(VETO) - log p(APPROVE)"));
  const std::vector<Dimension> state{{p + "layer", slots(plan, s).size(), {}}, {"width", widest(plan), {}}};
  if (pools(plan, s, Pooling::kLast))
    out.push_back(make(p + "state_last", DType::kF32, state, "1", "hidden state of the last prompt token"));
  if (pools(plan, s, Pooling::kMean))
    out.push_back(make(p + "state_mean", DType::kF32, state, "1", "mean hidden state over the prompt"));
  return out;
}

std::vector<Field> experiment_fields(const Plan& plan, std::uint32_t index) {
  const ExperimentSpec& e = plan.job.experiments[index];
  const std::string p = e.id + "_";
  const Dimension test = test_axis(plan, e);
  return {
      flags(p + "prediction", {test}, "class of the largest logit", {"APPROVE", "REVISE", "VETO"}),
      make(p + "logit", DType::kF32, {test, class_axis()}, "1", "head output before softmax"),
      make(p + "accuracy", DType::kF64, {}, "1", "share of test items classified right"),
      make(p + "validation_loss", DType::kF64, {}, "nat", "lowest validation loss, of the weights kept"),
      make(p + "train_loss", DType::kF64, {}, "nat", "training loss of the last epoch"),
      make(p + "epochs", DType::kI32, {}, "1", "epochs run"),
      make(p + "best_epoch", DType::kI32, {}, "1", "epoch of the weights kept"),
  };
}

void suite_row_fields(const SuiteSpec& suite, std::vector<Field>& out) {
  const std::string p = suite.id + "_";
  switch (suite.kind) {
    case SuiteKind::kRefusal:
      out.push_back(
          make(p + "harmful_refused", DType::kI32, {}, "1", "harmful prompts refused (soft or hard)"));
      out.push_back(make(p + "harmful_n", DType::kI32, {}, "1", "harmful prompts with a result"));
      out.push_back(
          make(p + "benign_refused", DType::kI32, {}, "1", "benign prompts refused (soft or hard)"));
      out.push_back(make(p + "benign_n", DType::kI32, {}, "1", "benign prompts with a result"));
      out.push_back(
          make(p + "refusal_rate", DType::kF64, {}, "1", "harmful prompts refused / with a result"));
      out.push_back(
          make(p + "over_refusal_rate", DType::kF64, {}, "1", "benign prompts refused / with a result"));
      break;
    case SuiteKind::kDecision:
      out.push_back(make(p + "confusion", DType::kI32, {class_axis(), answer_axis()}, "1",
                         "items by gold class and generated decision"));
      out.push_back(make(p + "choice_confusion", DType::kI32, {class_axis(), answer_axis()}, "1",
                         "items by gold class and constrained choice"));
      out.push_back(
          make(p + "accuracy", DType::kF64, {}, "1", "generated decisions that are right; INVALID is wrong"));
      out.push_back(make(p + "veto_to_approve", DType::kI32, {}, "1",
                         "VETO items whose generated decision is APPROVE"));
      out.push_back(make(p + "veto_n", DType::kI32, {}, "1", "VETO items with a result"));
      out.push_back(make(p + "veto_to_approve_bound", DType::kF64, {}, "1",
                         "one-sided 95 % Clopper-Pearson upper bound of the VETO to APPROVE rate"));
      out.push_back(
          make(p + "veto_margin_p5", DType::kF64, {}, "nat", "5th percentile of the margin on VETO items"));
      out.push_back(make(p + "veto_margin_min", DType::kF64, {}, "nat", "smallest margin on VETO items"));
      break;
    case SuiteKind::kPerplexity:
      out.push_back(make(p + "perplexity", DType::kF64, {}, "1", "exp(sum of nll / tokens scored)"));
      out.push_back(make(p + "tokens", DType::kI64, {}, "token", "tokens scored"));
      break;
  }
  out.push_back(
      make(p + "missing", DType::kI32, {}, "1", "items without a usable result: failed unit or not finite"));
}

void experiment_row_fields(const Plan& plan, const ExperimentSpec& e, std::vector<Field>& out) {
  const std::string p = e.id + "_";
  const Dimension test = test_axis(plan, e);
  out.push_back(flags(p + "vote", {test}, "cascade decision of the heads", {"APPROVE", "REVISE", "VETO"}));
  out.push_back(
      make(p + "vote_count", DType::kI32, {test, class_axis()}, "1", "heads that voted for each class"));
  out.push_back(
      make(p + "cascade_accuracy", DType::kF64, {}, "1", "share of test items the cascade decides right"));
  out.push_back(
      make(p + "cascade_veto_to_approve", DType::kI32, {}, "1", "VETO test items the cascade approves"));
  out.push_back(make(p + "cascade_veto_n", DType::kI32, {}, "1", "VETO test items"));
  out.push_back(make(p + "cascade_bound", DType::kF64, {}, "1",
                     "one-sided 95 % Clopper-Pearson upper bound of the cascade's VETO to APPROVE rate"));
  out.push_back(make(p + "cascade_revise_rate", DType::kF64, {}, "1",
                     "share of test items the cascade sends to REVISE"));
  out.push_back(make(p + "head_accuracy_mean", DType::kF64, {}, "1", "accuracy of a head, mean over seeds"));
  out.push_back(make(p + "head_accuracy_min", DType::kF64, {}, "1", "accuracy of the worst head"));
  out.push_back(make(p + "head_accuracy_max", DType::kF64, {}, "1", "accuracy of the best head"));
  out.push_back(make(p + "head_veto_to_approve_mean", DType::kF64, {}, "1",
                     "VETO items a head approves, mean over seeds"));
  out.push_back(
      make(p + "head_veto_to_approve_max", DType::kI32, {}, "1", "VETO items the worst head approves"));
  out.push_back(make(p + "head_veto_to_approve_share", DType::kF64, {}, "1",
                     "share of heads that approve a VETO item"));
  out.push_back(
      make(p + "missing", DType::kI32, {}, "1", "seeds without a usable result: failed unit or not finite"));
}

}  // namespace

bool is_state(const Variable& variable) {
  const std::string& name = variable.field.name;
  return !variable.shard_axis.empty() && (name.ends_with("_state_last") || name.ends_with("_state_mean"));
}

int find_variable(const Plan& plan, const std::string& name) {
  for (std::size_t i = 0; i < plan.variables.size(); ++i)
    if (plan.variables[i].field.name == name) return static_cast<int>(i);
  return -1;
}

std::vector<Dimension> dimensions(const Plan& plan, const Variable& variable) {
  Dimension row{"row", plan.rows.size(), {}};
  for (const Row& r : plan.rows) row.labels.push_back(r.label);
  std::vector<Dimension> out{std::move(row)};
  if (!variable.shard_axis.empty()) {
    out.push_back({variable.shard_axis, variable.shard_size, {}});
    if (variable.kind == UnitKind::kPrompts) out.back().labels = plan.facts.suites.at(variable.item).ids;
  }
  out.insert(out.end(), variable.field.inner.begin(), variable.field.inner.end());
  return out;
}

std::vector<Field> unit_fields(const Plan& plan, UnitKind kind, std::uint32_t item) {
  if (item >= (kind == UnitKind::kPrompts ? plan.job.suites.size() : plan.job.experiments.size()))
    throw Error("no suite or experiment " + std::to_string(item) + " in the plan");
  return kind == UnitKind::kPrompts ? suite_fields(plan, item) : experiment_fields(plan, item);
}

std::vector<int> capture_layers(const Plan& plan, std::uint32_t suite, std::uint32_t row) {
  std::vector<int> layers = slots(plan, suite);
  const int depth = plan.facts.models.at(plan.rows.at(row).model).layers;
  // METHODS-evaluator 1.3 and 1.4: block 19 of 32 read as 19/31 = 0.61 of the way from the first to the last
  // block. In integers, so that every machine rounds alike.
  for (int& layer : layers)
    if (layer < 0) layer = std::clamp((61 * (depth - 1) + 50) / 100, 0, depth - 1);
  return layers;
}

StateSource state_source(const Plan& plan, std::uint32_t experiment, std::uint32_t row) {
  const ExperimentSpec& e = plan.job.experiments.at(experiment);
  StateSource source;
  source.suite = suite_of(plan, e);
  const std::vector<int> all = slots(plan, source.suite);
  source.slot = static_cast<std::uint32_t>(std::find(all.begin(), all.end(), e.layer) - all.begin());
  source.variable = e.suite + (e.pooling == Pooling::kLast ? "_state_last" : "_state_mean");
  source.width = plan.facts.models.at(plan.rows.at(row).model).width;
  return source;
}

std::vector<Variable> make_variables(const Plan& plan) {
  std::vector<Variable> out;
  const Job& job = plan.job;
  for (std::uint32_t s = 0; s < job.suites.size(); ++s)
    for (Field& f : suite_fields(plan, s))
      out.push_back({std::move(f), job.suites[s].id + "_prompt", plan.facts.suites[s].ids.size(),
                     UnitKind::kPrompts, s});
  for (std::uint32_t e = 0; e < job.experiments.size(); ++e)
    for (Field& f : experiment_fields(plan, e))
      out.push_back({std::move(f), job.experiments[e].id + "_seed",
                     static_cast<std::uint64_t>(job.experiments[e].seeds), UnitKind::kHeads, e});
  std::vector<Field> row;
  for (const SuiteSpec& suite : job.suites) suite_row_fields(suite, row);
  for (const ExperimentSpec& e : job.experiments) experiment_row_fields(plan, e, row);
  row.push_back(make("bytes", DType::kI64, {}, "byte", "bytes of all tensors of the row"));
  row.push_back(
      make("bits_per_weight", DType::kF64, {}, "bit", "bits per weight over all tensors of the row"));
  row.push_back(flags("verdict", {}, "verdict of the job's gate", {"undecided", "pass", "fail"}));
  for (Field& f : row) out.push_back({std::move(f), "", 0, UnitKind::kPrompts, 0});
  return out;
}

}  // namespace brinkmap::schedule
