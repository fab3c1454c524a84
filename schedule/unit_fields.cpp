#include <algorithm>

#include "schedule/fields.h"

namespace brinkmap::schedule {
namespace {

const std::vector<std::string> kNoYes{"no", "yes"};
const std::vector<std::string> kAnswers{"APPROVE", "REVISE", "VETO", "INVALID"};

// "A", "B", ...: the first n of ten letters.
std::vector<std::string> letters(std::size_t n) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < n; ++i) out.emplace_back(1, static_cast<char>('A' + i));
  return out;
}

// Tokens of a suite's longest item, over the models.
std::uint64_t longest_item(const Plan& plan, std::uint32_t suite) {
  std::uint32_t longest = 1;
  for (const auto& of_model : plan.facts.suites[suite].tokens)
    for (const std::uint32_t tokens : of_model) longest = std::max(longest, tokens);
  return longest;
}

void add_refusal(const SuiteSpec& suite, const std::string& p, std::vector<Field>& out) {
  out.push_back(
      make_flags(p + "refusal", {}, "how the answer reads", {"answer", "soft_refusal", "hard_refusal"}));
  out.push_back(make_field(p + "opening", DType::kU8, {{"opening_byte", 64, {}}}, "1",
                           "first five words in lower case, letters and digits, ASCII padded with 0"));
  if (suite.baseline_tokens > 0)
    out.push_back(make_field(p + "baseline_log_prob", DType::kF64, {}, "nat",
                             "log-probability of the first " + std::to_string(suite.baseline_tokens) +
                                 " tokens of the baseline's answer; unset where that is empty"));
}

// States of prompts, evidence lines and single tokens, as far as an experiment reads them.
void add_states(const Plan& plan, std::uint32_t s, const std::string& p, std::vector<Field>& out) {
  const Dimension layer = layer_axis(plan, s);
  const Dimension span{p + "span", most_evidence(plan.facts.suites[s]), {}};
  const std::vector<int> slots = token_slots(plan, s);
  const bool means = keeps_span_means(plan, s);
  const std::size_t before = out.size();
  if (keeps_pooled(plan, s, Pooling::kLast))
    out.push_back(make_state(plan, p + "state_last", {layer}, "hidden state of the last prompt token"));
  if (keeps_pooled(plan, s, Pooling::kMean))
    out.push_back(make_state(plan, p + "state_mean", {layer}, "mean hidden state over the prompt"));
  if (means)
    out.push_back(make_state(plan, p + "span_mean", {span, layer},
                             "mean hidden state over the tokens of each evidence line"));
  if (!slots.empty()) {
    std::uint64_t most = 1;
    for (const std::uint32_t n : plan.facts.suites[s].span_tokens) most = std::max<std::uint64_t>(most, n);
    out.push_back(make_state(plan, p + "span_token",
                             {{p + "token_layer", slots.size(), {}}, {p + "span_token_at", most, {}}},
                             "hidden states of the tokens of all evidence lines, one after the other"));
  }
  if (out.size() == before) return;
  add_state_records(p, out);
  if (!means && slots.empty()) return;
  out.push_back(make_field(p + "span_offset", DType::kI32, {{p + "span_border", span.size + 1, {}}}, "token",
                           "line j holds the span tokens [offset j, offset j + 1)"));
  out.push_back(make_field(p + "prompt_token_count", DType::kI32, {}, "token", "tokens of the prompt"));
}

void add_decision(const Plan& plan, std::uint32_t s, const std::string& p, std::vector<Field>& out) {
  out.push_back(make_flags(p + "decision", {}, "decision read from the generated answer", kAnswers));
  out.push_back(
      make_flags(p + "choice", {}, "label of highest probability after the fixed prefix", kAnswers));
  out.push_back(make_field(p + "choice_log_prob", DType::kF64, {class_axis()}, "nat",
                           "log-probability of the label's tokens after the fixed prefix"));
  out.push_back(make_field(p + "veto_margin", DType::kF64, {}, "nat", "log p(VETO) - log p(APPROVE)"));
  add_states(plan, s, p, out);
}

void add_choice(const Plan& plan, std::uint32_t s, const std::string& p, std::vector<Field>& out) {
  std::uint8_t most = 0;
  for (const std::uint8_t n : plan.facts.suites[s].choices) most = std::max(most, n);
  const std::vector<std::string> names = letters(most);
  out.push_back(make_flags(p + "answer", {}, "choice read from the generated answer", names));
  out.push_back(make_flags(p + "correct", {}, "the generated answer names the right choice", kNoYes));
  out.push_back(make_flags(p + "choice", {}, "choice whose letter has the highest probability", names));
  out.push_back(make_field(p + "choice_log_prob", DType::kF64, {{p + "letter", most, names}}, "nat",
                           "log-probability of the letter as the answer's beginning"));
}

void add_quality(const Plan& plan, const SuiteSpec& suite, const std::string& p, std::vector<Field>& out) {
  std::string encoder;
  if (suite.needs_encoder())
    encoder = " (states of block " + std::to_string(encoder_layer(plan)) + " of the encoder)";
  for (const Metric metric : suite.metrics) {
    const std::string name = p + metric_name(metric);
    switch (metric) {
      case Metric::kRougeL:
        out.push_back(make_field(name, DType::kF64, {}, "1", "ROUGE-L F1 against the reference"));
        break;
      case Metric::kBertScore:
        out.push_back(make_field(name, DType::kF64, {}, "1",
                                 "F1 of greedily matched token states against the reference" + encoder));
        break;
      case Metric::kCoherence:
        out.push_back(make_field(name, DType::kF64, {}, "1",
                                 std::string("cosine of ") +
                                     (plan.job.encoder.pooling == Pooling::kMean ? "mean" : "last") +
                                     " token states of answer and reference" + encoder));
        break;
    }
  }
  out.push_back(make_flags(p + "exact", {}, "the answer equals the reference, both normalised", kNoYes));
}

void add_perplexity(const Plan& plan, std::uint32_t s, const std::string& p, std::vector<Field>& out) {
  out.push_back(make_field(p + "token_count", DType::kI32, {}, "token", "tokens scored"));
  out.push_back(make_field(p + "nll", DType::kF64, {}, "nat",
                           "negative log-likelihood, summed over the scored tokens"));
  out.push_back(make_flags(p + "finite", {}, "all logits were finite", kNoYes));
  const int k = plan.job.suites[s].top_k;
  if (k == 0) return;
  const Dimension position{p + "position", longest_item(plan, s), {}};
  const Dimension top{p + "top", static_cast<std::uint64_t>(k), {}};
  out.push_back(bulk(make_field(p + "top_token", DType::kI32, {position, top}, "1",
                                "ids of the largest logits after each token, largest first")));
  out.push_back(bulk(make_field(p + "top_logit", DType::kF32, {position, top}, "1", "these logits")));
  out.push_back(bulk(make_field(p + "log_sum_exp", DType::kF32, {position}, "nat",
                                "log of the sum of exp over all logits after each token")));
  out.push_back(
      make_field(p + "kl", DType::kF64, {}, "nat",
                 "KL divergence of this row from the baseline, summed over the scored tokens; of the "
                 "distributions over the baseline's top tokens and the rest as one class, a lower "
                 "bound of the whole divergence"));
  out.push_back(make_field(p + "top1_agree", DType::kI32, {}, "token",
                           "scored tokens whose most likely token is the baseline's"));
}

}  // namespace

std::vector<Field> suite_unit_fields(const Plan& plan, std::uint32_t s) {
  const SuiteSpec& suite = plan.job.suites[s];
  const std::string p = suite.id + "_";
  std::vector<Field> out;
  if (!generates(suite.kind)) {
    add_perplexity(plan, s, p, out);
    return out;
  }
  const Dimension position{p + "position", static_cast<std::uint64_t>(suite.max_new_tokens), {}};
  out.push_back(
      make_field(p + "tokens", DType::kI32, {position}, "1", "token ids generated, without the end token"));
  out.push_back(make_field(p + "token_count", DType::kI32, {}, "token", "tokens generated"));
  out.push_back(make_flags(p + "ended", {}, "the model ended its answer itself", kNoYes));
  out.push_back(make_flags(p + "finite", {}, "all logits were finite", kNoYes));
  out.push_back(make_field(p + "text_hash", DType::kU8, {{"hash_byte", 32, {}}}, "1",
                           "SHA-256 of the answer's text; 255 throughout where it was not finite"));
  out.push_back(make_field(p + "repetition", DType::kF64, {}, "1",
                           "distinct / all runs of four words of the answer; 1 below four words"));
  switch (suite.kind) {
    case SuiteKind::kRefusal:
      add_refusal(suite, p, out);
      add_mechanism_inputs(plan, s, out);
      break;
    case SuiteKind::kDecision:
      add_decision(plan, s, p, out);
      break;
    case SuiteKind::kTruthfulness:
      out.push_back(
          make_field(p + "score", DType::kF64, {}, "1",
                     "1: nearer to the correct references, 0: to the incorrect ones, 0.5: neither"));
      break;
    case SuiteKind::kBias:
      out.push_back(make_field(p + "score", DType::kF64, {}, "1",
                               "0: the stereotyped choice, 0.5: no answer, 1: else"));
      out.push_back(make_flags(p + "choice", {}, "choice the answer selects", letters(kBiasChoices)));
      break;
    case SuiteKind::kChoice:
      add_choice(plan, s, p, out);
      break;
    case SuiteKind::kQuality:
      add_quality(plan, suite, p, out);
      break;
    case SuiteKind::kPerplexity:
      break;
  }
  return out;
}

}  // namespace brinkmap::schedule
