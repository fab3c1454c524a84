#include <utility>

#include "schedule/fields.h"

namespace brinkmap::schedule {
namespace {

const std::vector<std::string> kClasses{"APPROVE", "REVISE", "VETO"};

void add_heads(const Plan& plan, std::uint32_t index, const std::string& p, std::vector<Field>& out) {
  const Dimension test = test_axis(plan, index);
  out = {
      make_flags(p + "prediction", {test}, "class of the largest logit", kClasses),
      make_field(p + "logit", DType::kF32, {test, class_axis()}, "1", "head output before softmax"),
      make_flags(p + "validation_class", {validation_axis(plan, index)}, "the same on validation", kClasses),
      make_field(p + "accuracy", DType::kF64, {}, "1", "share of test items classified right"),
      make_field(p + "validation_loss", DType::kF64, {}, "nat",
                 "lowest validation loss, of the weights kept"),
      make_field(p + "train_loss", DType::kF64, {}, "nat", "training loss of the last epoch"),
      make_field(p + "epochs", DType::kI32, {}, "1", "epochs run"),
      make_field(p + "best_epoch", DType::kI32, {}, "1", "epoch of the weights kept"),
  };
  if (plan.job.experiments[index].method == Suppression::kNone) return;
  out.push_back(make_flags(p + "same_features", {}, "the method left every feature as it was, bit for bit",
                           {"no", "yes"}));
  out.push_back(make_field(p + "strength", DType::kF64, {}, "1",
                           "share of the direction removed, chosen on validation; NaN: the method has none"));
}

// The one head of an evidence_head experiment: what it says, how it came about, and all that it takes to
// apply it again. Parts that a narrower model lacks are NaN.
void add_evidence_head(const Plan& plan, std::uint32_t index, const std::string& p, const Dimension& span,
                       std::vector<Field>& out) {
  const ExperimentSpec& e = plan.job.experiments[index];
  const SuiteFacts& facts = plan.facts.suites[suite_of(plan, index)];
  const Dimension prompt{e.suite + "_prompt", facts.ids.size(), facts.ids};
  const Dimension width{"width", widest(plan), {}},
      hidden{p + "hidden", static_cast<std::uint64_t>(e.hidden), {}};
  const Dimension attention{"attention", kEvidenceAttention, {}};
  out.push_back(
      make_field(p + "score", DType::kF64, {prompt, span}, "1", "probability that the line is cited"));
  out.push_back(make_field(p + "validation_auc", DType::kF64, {}, "1",
                           "area under the ROC curve on the validation lines"));
  out.push_back(make_field(p + "validation_loss", DType::kF64, {}, "nat",
                           "lowest validation loss, of the weights kept; weighted mean over lines"));
  out.push_back(make_field(p + "train_loss", DType::kF64, {}, "nat", "the same over the train lines"));
  out.push_back(make_field(p + "epochs", DType::kI32, {}, "1", "epochs run"));
  out.push_back(make_field(p + "best_epoch", DType::kI32, {}, "1", "epoch of the weights kept"));
  const auto weights = [&](const char* name, std::vector<Dimension> axes, const char* text) {
    out.push_back(bulk(make_field(p + name, DType::kF32, std::move(axes), "1", text)));
  };
  weights("mean", {width}, "what is taken from a token's state first: the mean over the train tokens");
  weights("scale", {width}, "what it is multiplied by then: 1 / deviation over the train tokens");
  weights("attention_weight", {attention, width}, "W of the attention v . tanh(W h + b)");
  weights("attention_bias", {attention}, "b of the attention");
  weights("attention_vector", {attention}, "v of the attention");
  weights("input_weight", {hidden, width}, "weights of the hidden layer on the pooled state");
  weights("input_bias", {hidden}, "biases of the hidden layer");
  weights("output_weight", {hidden}, "weights of the output");
  weights("output_bias", {}, "bias of the output; the score is its sigmoid");
}

void add_vote_rows(const Plan& plan, std::uint32_t index, const std::string& p, std::vector<Field>& out) {
  const Dimension test = test_axis(plan, index);
  out.push_back(
      make_flags(p + "vote", {test}, "cascade decision of the heads", {"APPROVE", "REVISE", "VETO"}));
  out.push_back(make_field(p + "vote_count", DType::kI32, {test, class_axis()}, "1",
                           "heads that voted for each class"));
  out.push_back(make_field(p + "cascade_accuracy", DType::kF64, {}, "1",
                           "share of test items the cascade decides right"));
  out.push_back(make_field(p + "cascade_veto_to_approve", DType::kI32, {}, "1",
                           "VETO test items the cascade approves"));
  out.push_back(make_field(p + "cascade_veto_n", DType::kI32, {}, "1", "VETO test items"));
  out.push_back(
      make_field(p + "cascade_bound", DType::kF64, {}, "1",
                 "one-sided 95 % Clopper-Pearson upper bound of the cascade's VETO to APPROVE rate"));
  out.push_back(make_field(p + "cascade_revise_rate", DType::kF64, {}, "1",
                           "share of test items the cascade sends to REVISE"));
  for (Field& f : cascade_fields(p)) out.push_back(std::move(f));
  out.push_back(
      make_field(p + "head_accuracy_mean", DType::kF64, {}, "1", "accuracy of a head, mean over seeds"));
  out.push_back(make_field(p + "head_accuracy_min", DType::kF64, {}, "1", "accuracy of the worst head"));
  out.push_back(make_field(p + "head_accuracy_max", DType::kF64, {}, "1", "accuracy of the best head"));
  out.push_back(make_field(p + "head_veto_to_approve_mean", DType::kF64, {}, "1",
                           "VETO items a head approves, mean over seeds"));
  out.push_back(
      make_field(p + "head_veto_to_approve_max", DType::kI32, {}, "1", "VETO items the worst head approves"));
  out.push_back(make_field(p + "head_veto_to_approve_share", DType::kF64, {}, "1",
                           "share of heads that approve a VETO item"));
  out.push_back(make_field(p + "head_revise_rate_mean", DType::kF64, {}, "1",
                           "share of test items that a head sends to REVISE, mean over seeds"));
}

// Percent of the heads: 50, 55, ..., 100.
Dimension threshold_axis(const std::string& name) {
  Dimension axis{name, 0, {}};
  for (int percent = 50; percent <= 100; percent += 5) axis.labels.push_back(std::to_string(percent));
  axis.size = axis.labels.size();
  return axis;
}

void add_sweep_rows(const std::string& p, std::vector<Field>& out) {
  const std::vector<Dimension> pair{threshold_axis("veto_threshold"), threshold_axis("approve_threshold")};
  out.push_back(make_field(p + "sweep_accuracy", DType::kF64, pair, "1",
                           "cascade on test with these thresholds: share decided right"));
  out.push_back(
      make_field(p + "sweep_revise_rate", DType::kF64, pair, "1", "the same: share sent to REVISE"));
  out.push_back(
      make_field(p + "sweep_veto_to_approve", DType::kI32, pair, "1", "the same: VETO items approved"));
  out.push_back(
      make_field(p + "best_veto", DType::kI32, {}, "1", "VETO threshold best on validation, percent"));
  out.push_back(
      make_field(p + "best_approve", DType::kI32, {}, "1", "APPROVE threshold best on validation, percent"));
  out.push_back(
      make_field(p + "best_accuracy", DType::kF64, {}, "1", "that pair on test: share decided right"));
  out.push_back(
      make_field(p + "best_revise_rate", DType::kF64, {}, "1", "that pair on test: share of REVISE"));
  out.push_back(
      make_field(p + "best_veto_to_approve", DType::kI32, {}, "1", "that pair on test: VETO items approved"));
  const std::vector<Dimension> vote{{"vote_rule", 3, {"cascade", "majority", "mean_softmax"}},
                                    {"vote_heads", 5, {"5", "10", "25", "50", "100"}}};
  const std::string of = " with so many heads drawn, over 200 draws (one when all vote)";
  out.push_back(
      make_field(p + "subsample_accuracy", DType::kF64, vote, "1", "share decided right" + of + ": mean"));
  out.push_back(make_field(p + "subsample_accuracy_low", DType::kF64, vote, "1", "the same: least"));
  out.push_back(make_field(p + "subsample_accuracy_high", DType::kF64, vote, "1", "the same: most"));
  out.push_back(
      make_field(p + "subsample_revise_rate", DType::kF64, vote, "1", "share of REVISE" + of + ": mean"));
  out.push_back(make_field(p + "subsample_veto_to_approve", DType::kF64, vote, "1",
                           "VETO items approved" + of + ": mean"));
  out.push_back(make_field(p + "subsample_share_with_approve", DType::kF64, vote, "1",
                           "share of the draws that approve a VETO item"));
}

void add_comparison_rows(const std::string& p, std::vector<Field>& out) {
  const auto number = [&](const char* name, const char* units, const char* text) {
    out.push_back(make_field(p + name, DType::kF64, {}, units, text));
  };
  out.push_back(
      make_flags(p + "no_op", {}, "the method left every feature as it was: no result", {"no", "yes"}));
  number("shift", "percent",
         "accuracy against the other heads, Hodges-Lehmann over seeds, percentage points");
  number("shift_low", "percent", "lower end of its 95 % interval");
  number("shift_high", "percent", "upper end");
  number("shift_median", "percent", "median over seeds");
  number("p_wilcoxon", "1", "two-sided signed-rank test over seeds; the seeds share one test set");
  number("p_holm", "1", "the same after Holm over the experiments against the same heads");
  number("p_t", "1", "paired t test over seeds");
  number("p_sign", "1", "sign test over seeds");
  number("case_shift", "percent", "mean difference over test items, seeds averaged, percentage points");
  number("case_low", "percent", "lower end of its 95 % bootstrap interval over items");
  number("case_high", "percent", "upper end");
  out.push_back(make_field(p + "cascade_lost", DType::kI32, {}, "1",
                           "test items only the other heads' cascade decides right"));
  out.push_back(
      make_field(p + "cascade_gained", DType::kI32, {}, "1", "test items only this cascade decides right"));
  number("p_cascade", "1", "exact McNemar test of the two cascades");
}

void add_probe_rows(const std::string& p, std::vector<Field>& out) {
  const std::vector<Dimension> skill{skill_axis()};
  out.push_back(make_field(p + "peak_block", DType::kI32, skill, "1", "block where the probe is best"));
  out.push_back(make_field(p + "peak", DType::kF64, skill, "1", "accuracy there; cited: AUC"));
  out.push_back(make_field(p + "peak_depth", DType::kF64, skill, "1", "peak block / last block"));
  out.push_back(
      make_field(p + "drop", DType::kF64, skill, "percent", "baseline's peak - this one, percentage points"));
  out.push_back(make_field(p + "largest_drop", DType::kF64, skill, "percent",
                           "largest fall against the baseline at the same block, percentage points"));
  out.push_back(make_flags(p + "inverted", skill,
                           "the peak is below 0.15 of the depth, the baseline's above 0.3", {"no", "yes"}));
}

void add_evidence_rows(const std::string& p, std::vector<Field>& out) {
  out.push_back(make_field(p + "auc", DType::kF64, {}, "1", "area under the ROC curve on the test lines"));
  out.push_back(make_field(p + "auc_low", DType::kF64, {}, "1", "lower end of its 95 % interval (DeLong)"));
  out.push_back(make_field(p + "auc_high", DType::kF64, {}, "1", "upper end"));
  out.push_back(make_field(p + "cited_n", DType::kI32, {}, "1", "test lines that are cited"));
  out.push_back(make_field(p + "other_n", DType::kI32, {}, "1", "test lines that are not"));
}

Field timed(Field f) {
  f.timing = true;
  return f;
}

void add_speed_rows(const std::string& p, std::vector<Field>& out) {
  for (const auto& [name, text] :
       {std::pair{"ratio", "baseline's time / this row's, median of the repetitions"},
        std::pair{"ratio_low", "smallest of the repetitions"}, std::pair{"ratio_high", "largest"}})
    out.push_back(timed(make_field(p + name, DType::kF64, {}, "1", text)));
  out.push_back(
      timed(make_field(p + "tokens_per_second", DType::kF64, {}, "s-1", "median of the repetitions")));
}

}  // namespace

std::vector<Field> experiment_unit_fields(const Plan& plan, std::uint32_t index) {
  const ExperimentSpec& e = plan.job.experiments[index];
  if (e.kind == ExperimentKind::kSpectra) return spectra_unit_fields(e.id);
  const std::string p = e.id + "_";
  if (e.kind == ExperimentKind::kMechanisms) return mechanism_unit_fields(e.id);
  const Dimension span{e.suite + "_span", most_evidence(plan.facts.suites[suite_of(plan, index)]), {}};
  std::vector<Field> out;
  switch (e.kind) {
    case ExperimentKind::kDecisionHeads:
      add_heads(plan, index, p, out);
      break;
    case ExperimentKind::kLayerProbes:
      out.push_back(make_field(p + "accuracy", DType::kF64, {skill_axis()}, "1",
                               "held-out items right, grouped five-fold"));
      out.push_back(make_field(p + "auc", DType::kF64, {skill_axis()}, "1",
                               "area under the ROC curve of the held-out items; cited only"));
      out.push_back(
          make_field(p + "gradient_norm", DType::kF64, {skill_axis()}, "1", "where the solver stopped"));
      break;
    case ExperimentKind::kEvidenceHead:
      add_evidence_head(plan, index, p, span, out);
      break;
    case ExperimentKind::kRerankedPrompts:
      out.push_back(
          make_field(p + "order", DType::kU8, {span}, "1", "line of the suite that stands here now"));
      out.push_back(
          make_state(plan, p + "state_last", {}, "hidden state of the re-ranked prompt's last token"));
      out.push_back(make_state(plan, p + "state_mean", {}, "mean hidden state over the re-ranked prompt"));
      add_state_records(p, out);
      break;
    case ExperimentKind::kSpeed:
      out.push_back(timed(make_field(p + "seconds", DType::kF64, {}, "s", "time of the row")));
      out.push_back(timed(make_field(p + "baseline_seconds", DType::kF64, {}, "s",
                                     "time of the baseline, taken in turn with the row's")));
      out.push_back(make_field(p + "tokens", DType::kI64, {}, "token", "tokens computed in that time"));
      break;
    case ExperimentKind::kMechanisms:
    case ExperimentKind::kSpectra:
      break;
    case ExperimentKind::kJudge:
      return judge_unit_fields(e);
  }
  return out;
}

std::vector<Field> experiment_row_fields(const Plan& plan, std::uint32_t index) {
  const ExperimentSpec& e = plan.job.experiments[index];
  const std::string p = e.id + "_";
  std::vector<Field> out;
  switch (e.kind) {
    case ExperimentKind::kDecisionHeads:
      add_vote_rows(plan, index, p, out);
      add_sweep_rows(p, out);
      if (!e.against.empty()) add_comparison_rows(p, out);
      break;
    case ExperimentKind::kLayerProbes:
      add_probe_rows(p, out);
      break;
    case ExperimentKind::kEvidenceHead:
      add_evidence_rows(p, out);
      break;
    case ExperimentKind::kRerankedPrompts:
      out.push_back(
          make_field(p + "moved", DType::kI32, {}, "1", "prompts whose lines stand in another order"));
      break;
    case ExperimentKind::kSpeed:
      add_speed_rows(p, out);
      break;
    case ExperimentKind::kMechanisms:
      out = mechanism_row_fields(e.id);
      break;
    case ExperimentKind::kSpectra:
      out = spectra_row_fields(e.id);
      break;
    case ExperimentKind::kJudge:
      out = judge_row_fields(plan, index);
      break;
  }
  out.push_back(make_field(p + "missing", DType::kI32, {}, "1",
                           "seeds, blocks, prompts, matrices or repetitions without a usable result"));
  return out;
}

}  // namespace brinkmap::schedule
