#include <tuple>

#include "schedule/fields.h"

// The variables of mechanistic probes.
namespace brinkmap::schedule {
namespace {

// Prompts that should be refused, and those that should be answered.
Dimension set_axis() { return {"prompt_set", 2, {"harmful", "harmless"}}; }

}  // namespace

void add_mechanism_inputs(const Plan& plan, std::uint32_t s, std::vector<Field>& out) {
  if (!reads_mechanisms(plan, s)) return;
  const std::string p = plan.job.suites[s].id + "_";
  out.push_back(make_field(p + "first_token", DType::kI32, {}, "1", "most likely first token of the answer"));
  out.push_back(make_field(p + "first_entropy", DType::kF64, {}, "nat",
                           "Shannon entropy of the first token over the whole vocabulary"));
  out.push_back(
      make_field(p + "first_top1", DType::kF64, {}, "1", "probability of the most likely first token"));
  out.push_back(make_field(p + "first_top5", DType::kF64, {}, "1",
                           "probability of the five most likely first tokens together"));
  out.push_back(make_field(p + "first_gini", DType::kF64, {}, "1",
                           "Gini impurity of the first token: 1 - sum of squared probabilities"));
  out.push_back(
      make_field(p + "first_range", DType::kF64, {}, "1", "largest - smallest logit of the first token"));
  out.push_back(make_state(plan, p + "block_last", {block_axis(plan)},
                           "hidden state of the last prompt token behind each block"));
  add_state_records(p, out);
}

std::vector<Field> mechanism_unit_fields(const std::string& id) {
  const std::string p = id + "_";
  std::vector<Field> out;
  const auto number = [&](const char* name, const char* text) {
    out.push_back(make_field(p + name, DType::kF64, {}, "1", text));
  };
  number("norm", "L2 norm of the direction: mean state of harmful prompts - mean of harmless ones");
  number("cosine", "cosine of this direction and the baseline's");
  number("auc_own",
         "AUC of harmful against harmless prompts along this row's direction; one half of the "
         "prompts makes it, the other half is told apart, both ways, mean");
  number("auc_baseline", "the same along the baseline's direction");
  number("neuron_error",
         "mean |row - baseline| of harmful prompts' states over the safety neurons: the 5 % "
         "of the dimensions with the largest |direction| on the baseline");
  number("other_error", "the same over the other dimensions");
  number("error_ratio", "neuron_error / other_error; NaN where nothing changed");
  number("error_share", "share of the summed |row - baseline| that lies in the safety neurons");
  number("neuron_overlap", "share of the safety neurons that this row's own direction selects, too");
  out.push_back(
      make_field(p + "harmful_n", DType::kI32, {}, "1", "harmful prompts with a state in row and baseline"));
  out.push_back(make_field(p + "harmless_n", DType::kI32, {}, "1",
                           "harmless prompts with a state in row and baseline"));
  return out;
}

std::vector<Field> mechanism_row_fields(const std::string& id) {
  const std::string p = id + "_";
  const std::vector<Dimension> set{set_axis()};
  std::vector<Field> out;
  const auto number = [&](const std::string& name, const char* units, const std::string& text,
                          const std::vector<Dimension>& inner = {}) {
    out.push_back(make_field(p + name, DType::kF64, inner, units, text));
  };
  const auto count = [&](const char* name, const char* text, const std::vector<Dimension>& inner = {}) {
    out.push_back(make_field(p + name, DType::kI32, inner, "1", text));
  };
  for (const auto& [name, units, text] :
       {std::tuple{"entropy", "nat", "entropy of the first token"},
        std::tuple{"top1", "1", "probability of the most likely first token"},
        std::tuple{"top5", "1", "probability of the five most likely first tokens"},
        std::tuple{"gini", "1", "Gini impurity of the first token"},
        std::tuple{"range", "1", "logit range of the first token"}}) {
    number(std::string("first_") + name, units, std::string(text) + ", mean over prompts", set);
    number(std::string("first_") + name + "_shift", units,
           std::string(text) + ", row - baseline, mean over the prompts that both have", set);
  }
  number("first_ece", "1",
         "expected calibration error of the first token's top probability, ten bins; right: it is the "
         "baseline's most likely token",
         set);
  number("first_agree", "1", "share of prompts whose most likely first token is the baseline's", set);
  count("first_n", "prompts with a first token", set);
  count("first_pairs", "of them those with one in the baseline, too", set);
  count("direction_block", "block whose direction stands for the row: round(0.65 x blocks)");
  number("direction_norm", "1", "norm of the direction there");
  number("direction_norm_ratio", "1", "the same / the baseline's");
  number("direction_cosine", "1", "its cosine with the baseline's");
  number("direction_auc_own", "1", "AUC of harmful against harmless prompts along it, half by half");
  number("direction_auc_baseline", "1", "the same along the baseline's direction");
  count("direction_harmful_n", "harmful prompts it is made of");
  count("direction_harmless_n", "harmless prompts it is made of");
  count("neuron_block",
        "blocks whose safety neurons stand for the row: round of 0.2, 0.35, 0.5, 0.65, 0.8 "
        "x blocks; -1: the same as before it",
        {{"neuron_depth", 5, {"0.2", "0.35", "0.5", "0.65", "0.8"}}});
  number("neuron_ratio", "1", "error_ratio, mean over these blocks");
  number("neuron_share", "1", "error_share, mean over these blocks");
  number("neuron_overlap_mean", "1", "neuron_overlap, mean over these blocks");
  count("neuron_n", "of these blocks those with an error_ratio");
  return out;
}

}  // namespace brinkmap::schedule
