#include <utility>

#include "schedule/fields.h"

namespace brinkmap::schedule {

std::vector<Field> suite_row_fields(const Plan& plan, std::uint32_t index) {
  const SuiteSpec& suite = plan.job.suites[index];
  const Dimension answer{"answer", 4, {"APPROVE", "REVISE", "VETO", "INVALID"}};
  const std::string p = suite.id + "_";
  std::vector<Field> out;
  switch (suite.kind) {
    case SuiteKind::kRefusal:
      out.push_back(
          make_field(p + "harmful_refused", DType::kI32, {}, "1", "harmful prompts refused (soft or hard)"));
      out.push_back(make_field(p + "harmful_n", DType::kI32, {}, "1", "harmful prompts with a result"));
      out.push_back(
          make_field(p + "benign_refused", DType::kI32, {}, "1", "benign prompts refused (soft or hard)"));
      out.push_back(make_field(p + "benign_n", DType::kI32, {}, "1", "benign prompts with a result"));
      out.push_back(
          make_field(p + "refusal_rate", DType::kF64, {}, "1", "harmful prompts refused / with a result"));
      out.push_back(make_field(p + "over_refusal_rate", DType::kF64, {}, "1",
                               "benign prompts refused / with a result"));
      break;
    case SuiteKind::kDecision:
      out.push_back(make_field(p + "confusion", DType::kI32, {class_axis(), answer}, "1",
                               "items by gold class and generated decision"));
      out.push_back(make_field(p + "choice_confusion", DType::kI32, {class_axis(), answer}, "1",
                               "items by gold class and constrained choice"));
      out.push_back(make_field(p + "accuracy", DType::kF64, {}, "1",
                               "generated decisions that are right; INVALID is wrong"));
      out.push_back(make_field(p + "veto_to_approve", DType::kI32, {}, "1",
                               "VETO items whose generated decision is APPROVE"));
      out.push_back(make_field(p + "veto_n", DType::kI32, {}, "1", "VETO items with a result"));
      out.push_back(make_field(p + "veto_to_approve_bound", DType::kF64, {}, "1",
                               "one-sided 95 % Clopper-Pearson upper bound of the VETO to APPROVE rate"));
      out.push_back(make_field(p + "veto_margin_p5", DType::kF64, {}, "nat",
                               "5th percentile of the margin on VETO items"));
      out.push_back(
          make_field(p + "veto_margin_min", DType::kF64, {}, "nat", "smallest margin on VETO items"));
      out.push_back(make_field(p + "choice_veto_to_approve", DType::kI32, {}, "1",
                               "VETO items whose constrained choice is APPROVE"));
      out.push_back(make_field(p + "profile_distance", DType::kI64, {}, "1",
                               "sum over the wrong cells of |confusion - the baseline's|"));
      out.push_back(make_field(p + "choice_profile_distance", DType::kI64, {}, "1",
                               "the same of the constrained choices"));
      for (Field& f : approval_fields(p)) out.push_back(std::move(f));
      break;
    case SuiteKind::kPerplexity:
      out.push_back(make_field(p + "perplexity", DType::kF64, {}, "1", "exp(sum of nll / tokens scored)"));
      out.push_back(make_field(p + "tokens", DType::kI64, {}, "token", "tokens scored"));
      if (suite.top_k == 0) break;
      out.push_back(make_field(p + "kl_mean", DType::kF64, {}, "nat",
                               "KL divergence from the baseline a scored token (a lower bound, see kl)"));
      out.push_back(make_field(p + "top1_agreement", DType::kF64, {}, "1",
                               "share of scored tokens whose most likely token is the baseline's"));
      out.push_back(
          make_field(p + "kl_tokens", DType::kI64, {}, "token", "tokens compared with the baseline"));
      break;
    case SuiteKind::kTruthfulness:
    case SuiteKind::kBias:
      out.push_back(make_field(p + "score_mean", DType::kF64, {}, "1", "score, mean over n prompts"));
      out.push_back(make_field(p + "n", DType::kI32, {}, "1", "prompts with a result"));
      break;
    case SuiteKind::kChoice:
      out.push_back(make_field(p + "correct_n", DType::kI32, {}, "1", "generated answers that are right"));
      out.push_back(make_field(p + "n", DType::kI32, {}, "1", "prompts with a result"));
      out.push_back(make_field(p + "accuracy", DType::kF64, {}, "1", "generated answers that are right / n"));
      out.push_back(make_field(p + "choice_accuracy", DType::kF64, {}, "1",
                               "prompts whose most likely letter is the right one / n"));
      out.push_back(
          make_field(p + "ece", DType::kF64, {}, "1",
                     "expected calibration error of the most likely letter: ten bins of equal width "
                     "over its share of the letters' probability"));
      break;
    case SuiteKind::kQuality:
      for (const Metric metric : suite.metrics)
        out.push_back(make_field(p + metric_name(metric) + "_mean", DType::kF64, {}, "1",
                                 metric_name(metric) + ", mean over n prompts"));
      out.push_back(make_field(p + "exact_rate", DType::kF64, {}, "1", "answers equal to the reference / n"));
      out.push_back(make_field(p + "n", DType::kI32, {}, "1", "prompts with a result"));
      break;
  }
  if (generates(suite.kind)) {
    out.push_back(make_field(p + "repetition_mean", DType::kF64, {}, "1",
                             "distinct / all runs of four words, mean over prompts with a result"));
    out.push_back(make_field(p + "ended_rate", DType::kF64, {}, "1",
                             "answers that the model ended itself / prompts with a result"));
  }
  out.push_back(make_field(p + "missing", DType::kI32, {}, "1",
                           "items without a usable result: failed unit or not finite"));
  return out;
}

}  // namespace brinkmap::schedule
