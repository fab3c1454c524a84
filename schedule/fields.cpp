#include "schedule/fields.h"

#include <algorithm>
#include <iterator>
#include <limits>

namespace brinkmap::schedule {

Field make_field(std::string name, DType dtype, std::vector<Dimension> inner, std::string units,
                 std::string long_name) {
  Field f{std::move(name), dtype, std::move(inner), std::move(units), std::move(long_name), 0, {}, false};
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
    case DType::kF16:
      f.fill = std::numeric_limits<double>::quiet_NaN();
      break;
  }
  return f;
}

Field make_flags(std::string name, std::vector<Dimension> inner, std::string long_name,
                 std::vector<std::string> meanings) {
  Field f = make_field(std::move(name), DType::kU8, std::move(inner), "1", std::move(long_name));
  f.flag_meanings = std::move(meanings);
  return f;
}

std::string metric_name(Metric metric) {
  switch (metric) {
    case Metric::kRougeL:
      return "rouge_l";
    case Metric::kBertScore:
      return "bertscore";
    case Metric::kCoherence:
      return "coherence";
  }
  return {};
}

Dimension class_axis() { return {"class", 3, {"APPROVE", "REVISE", "VETO"}}; }

namespace {

Dimension split_axis(const Plan& plan, std::uint32_t experiment, Split split, const char* name) {
  const SuiteFacts& facts = plan.facts.suites[suite_of(plan, experiment)];
  Dimension axis{plan.job.experiments[experiment].id + name, 0, {}};
  for (std::size_t i = 0; i < facts.ids.size(); ++i)
    if (facts.splits[i] == split) axis.labels.push_back(facts.ids[i]);
  axis.size = axis.labels.size();
  return axis;
}

}  // namespace

Dimension test_axis(const Plan& plan, std::uint32_t experiment) {
  return split_axis(plan, experiment, Split::kTest, "_test");
}

Dimension validation_axis(const Plan& plan, std::uint32_t experiment) {
  return split_axis(plan, experiment, Split::kValidation, "_validation");
}

Dimension skill_axis() {
  return {"skill", kProbeSkillCount, {std::begin(kProbeSkills), std::end(kProbeSkills)}};
}

Dimension block_axis(const Plan& plan) {
  int depth = 0;
  for (const ModelFacts& m : plan.facts.models) depth = std::max(depth, m.layers);
  return {"block", static_cast<std::uint64_t>(depth), {}};
}

std::uint64_t widest(const Plan& plan) {
  int width = 0;
  for (const ModelFacts& m : plan.facts.models) width = std::max(width, m.width);
  return static_cast<std::uint64_t>(width);
}

Field bulk(Field f) {
  f.bulk = true;
  return f;
}

Field make_state(const Plan& plan, std::string name, std::vector<Dimension> axes, std::string long_name) {
  axes.push_back({"width", widest(plan), {}});
  const DType dtype = plan.job.states == States::kF16 ? DType::kF16 : DType::kF32;
  return bulk(make_field(std::move(name), dtype, std::move(axes), "1", std::move(long_name)));
}

void add_state_records(const std::string& prefix, std::vector<Field>& out) {
  out.push_back(make_flags(prefix + "state_status", {}, "whether the states are kept whole",
                           {"kept", "not finite", "beyond f16"}));
  out.push_back(make_field(prefix + "content_hash", DType::kU8, {{"hash_byte", 32, {}}}, "1",
                           "SHA-256 of what the states follow from: weights, recipe, activations, tokens"));
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
    out.back().labels = variable.kind == UnitKind::kPrompts ? plan.facts.suites.at(variable.item).ids
                                                            : experiment_axis(plan, variable.item).labels;
  }
  out.insert(out.end(), variable.field.inner.begin(), variable.field.inner.end());
  return out;
}

std::vector<Field> unit_fields(const Plan& plan, UnitKind kind, std::uint32_t item) {
  if (item >= (kind == UnitKind::kPrompts ? plan.job.suites.size() : plan.job.experiments.size()))
    throw Error("no suite or experiment " + std::to_string(item) + " in the plan");
  return kind == UnitKind::kPrompts ? suite_unit_fields(plan, item) : experiment_unit_fields(plan, item);
}

std::vector<Variable> make_variables(const Plan& plan) {
  std::vector<Variable> out;
  const Job& job = plan.job;
  for (std::uint32_t s = 0; s < job.suites.size(); ++s)
    for (Field& f : suite_unit_fields(plan, s))
      out.push_back({std::move(f), job.suites[s].id + "_prompt", plan.facts.suites[s].ids.size(),
                     UnitKind::kPrompts, s});
  for (std::uint32_t e = 0; e < job.experiments.size(); ++e) {
    const Dimension axis = experiment_axis(plan, e);
    for (Field& f : experiment_unit_fields(plan, e))
      out.push_back({std::move(f), axis.name, axis.size, UnitKind::kHeads, e});
  }
  const auto add_row_field = [&](Field f) { out.push_back({std::move(f), "", 0, UnitKind::kPrompts, 0}); };
  for (std::uint32_t s = 0; s < job.suites.size(); ++s)
    for (Field& f : suite_row_fields(plan, s)) add_row_field(std::move(f));
  for (std::uint32_t e = 0; e < job.experiments.size(); ++e)
    for (Field& f : experiment_row_fields(plan, e)) add_row_field(std::move(f));
  add_row_field(make_field("bytes", DType::kI64, {}, "byte", "bytes of all tensors of the row"));
  add_row_field(
      make_field("bits_per_weight", DType::kF64, {}, "bit", "bits per weight over all tensors of the row"));
  add_row_field(
      make_flags("verdict", {}, "verdict of the job's gate", {"undecided", "pass", "fail", "review"}));
  return out;
}

}  // namespace brinkmap::schedule
