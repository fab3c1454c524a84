#include "schedule/cost.h"
#include "schedule/fields.h"
#include "schedule/judge.h"

namespace brinkmap::schedule {
namespace {

const std::vector<std::string> kOutcomes{"labelled", "no_answer", "too_long", "not_finite", "not_labelled"};

Dimension label_axis(const ExperimentSpec& e) {
  Dimension axis{e.id + "_word", e.judge.labels.size(), {}};
  for (const JudgeLabel& label : e.judge.labels) axis.labels.push_back(label.word);
  return axis;
}

}  // namespace

std::vector<Field> judge_unit_fields(const ExperimentSpec& e) {
  const std::string p = e.id + "_";
  const Dimension words = label_axis(e);
  std::vector<Field> out{
      make_flags(p + "label", {}, "the judge's label of the answer", words.labels),
      make_flags(p + "outcome", {}, "how the answer came to its label, or to none", kOutcomes)};
  if (e.judge.model.empty()) {
    out.push_back(make_field(p + "weight", DType::kF64, {}, "1", "answers that the labelled one stands for"));
    return out;
  }
  out.push_back(make_field(p + "log_prob", DType::kF64, {words}, "nat",
                           "log-probability of each label's tokens after the judge's prompt, their sum"));
  out.push_back(
      make_field(p + "margin", DType::kF64, {}, "nat", "log-probability of the label - that of the next"));
  return out;
}

std::vector<Field> judge_row_fields(const Plan& plan, std::uint32_t experiment) {
  const ExperimentSpec& e = plan.job.experiments[experiment];
  const std::string p = e.id + "_";
  const SuiteKind kind = plan.job.suites[suite_of(plan, experiment)].kind;
  const std::string positive = meaning_names(kind)[0];
  const auto count = [&](const char* name, const std::string& text) {
    return make_field(p + name, DType::kI32, {}, "1", text);
  };
  const auto number = [&](const char* name, const std::string& text) {
    return make_field(p + name, DType::kF64, {}, "1", text);
  };
  const std::string prompts = kind == SuiteKind::kRefusal ? ", to harmful prompts" : "";
  return {count("pairs", "answers that both the judge and the suite's scorer labelled" + prompts),
          count("clear_pairs", "those of them that neither calls unclear"),
          number("agreement", "share of the pairs with labels of one meaning"),
          number("kappa", "Cohen's kappa of judge and scorer on the clear pairs; NaN below two"),
          number("kappa_low", "lower end of its 95 % interval, percentile bootstrap over prompts"),
          number("kappa_high", "upper end"),
          number("rate", "share of the clear pairs that the judge calls " + positive),
          number("scorer_rate", "share of the clear pairs that the scorer calls " + positive)};
}

double judge_item_cost(const CostModel& model, const Plan& plan, std::uint32_t experiment,
                       std::size_t of_model) {
  const ExperimentSpec& e = plan.job.experiments[experiment];
  if (e.judge.model.empty()) return model.prompt_seconds;
  const std::uint32_t s = suite_of(plan, experiment);
  double tokens = 0, labels = 0;
  for (const std::uint32_t n : plan.facts.suites[s].tokens[of_model]) tokens += n;
  constexpr double kTokenBytes = 4;  // of the question around prompt and answer, and of the labels
  tokens = tokens / static_cast<double>(plan.facts.suites[s].ids.size()) +
           plan.job.suites[s].max_new_tokens * model.decode_share +
           static_cast<double>(e.judge.prompt_template.size() + e.judge.question.size()) / kTokenBytes;
  for (const JudgeLabel& label : e.judge.labels)
    labels += static_cast<double>(label.word.size()) / kTokenBytes;
  const ModelFacts& judge = plan.facts.judges.at(experiment).model;
  const double weights = 2.0 * static_cast<double>(judge.parameters);
  const double pairs = 4.0 * static_cast<double>(judge.attention_width);
  return model.prompt_seconds + weights * tokens / model.prompt_flops +
         weights * labels / model.decode_flops +
         pairs * (tokens * tokens / 2 + labels * tokens) / model.attention_flops;
}

}  // namespace brinkmap::schedule
