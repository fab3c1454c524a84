#include "mpi/schema.h"

#include <limits>
#include <map>
#include <set>

namespace brinkmap::mpi {
namespace {

using schedule::Dimension;
using schedule::DType;
using schedule::Field;
using schedule::Plan;

StoredVariable unit_variable(const Plan& plan, const char* name, DType dtype, const char* units,
                             const char* long_name, double fill, double initial,
                             std::vector<std::string> meanings = {}) {
  StoredVariable v;
  v.field = Field{name, dtype, {}, units, long_name, fill, std::move(meanings)};
  v.axes = {Dimension{kUnitAxis, plan.units.size(), {}}};
  v.initial = initial;
  return v;
}

// What the codes of an expected answer mean; letters of choices stand for themselves.
std::vector<std::string> expected_meanings(schedule::SuiteKind kind) {
  switch (kind) {
    case schedule::SuiteKind::kRefusal:
      return {"answer", "refuse"};
    case schedule::SuiteKind::kDecision:
      return {"APPROVE", "REVISE", "VETO"};
    case schedule::SuiteKind::kBias:
      return {"A", "B", "C"};
    case schedule::SuiteKind::kChoice:
      return {"A", "B", "C", "D", "E", "F", "G", "H", "I", "J"};
    case schedule::SuiteKind::kPerplexity:
    case schedule::SuiteKind::kTruthfulness:
    case schedule::SuiteKind::kQuality:
      return {};
  }
  return {};
}

// The unit table. The last five entries restate the plan so that the file can be read without expanding the
// job.
std::vector<StoredVariable> unit_table(const Plan& plan) {
  constexpr double kNone = 4294967295.0;
  std::vector<StoredVariable> t;
  t.push_back(unit_variable(plan, kUnitStatus, DType::kU8, "1", "state of the unit", 255, 0,
                            {"todo", "done", "failed"}));
  t.push_back(unit_variable(plan, kUnitCrc, DType::kU32, "1", "CRC-32 of the unit's data", kNone, 0));
  t.push_back(unit_variable(plan, kUnitSeconds, DType::kF64, "s", "wall-clock time of the unit",
                            std::numeric_limits<double>::quiet_NaN(),
                            std::numeric_limits<double>::quiet_NaN()));
  t.push_back(unit_variable(plan, kUnitRank, DType::kI32, "1", "rank that computed the unit", -1, -1));
  t.push_back(unit_variable(plan, kUnitReason, DType::kU8, "1", "why the unit failed, UTF-8 bytes", 0, 0));
  t.back().axes.push_back(Dimension{"unit_text", kReasonBytes, {}});
  for (const auto& [name, text] : {std::pair{"unit_kind", "0: prompts of a suite, 1: part of an experiment"},
                                   std::pair{"unit_row", "row of the unit"},
                                   std::pair{"unit_item", "suite or experiment of the unit, in job order"},
                                   std::pair{"unit_begin", "first prompt, seed, block or repetition"},
                                   std::pair{"unit_end", "one past the last"}})
    t.push_back(unit_variable(plan, name, DType::kU32, "1", text, kNone, 0));
  return t;
}

}  // namespace

std::uint64_t StoredVariable::bytes() const {
  std::uint64_t n = schedule::dtype_bytes(field.dtype);
  for (const Dimension& d : axes) {
    if (d.size != 0 && n > std::numeric_limits<std::uint64_t>::max() / 2 / d.size)
      throw Error("variable " + field.name + " is too large for a file");
    n *= d.size;
  }
  return n;
}

std::vector<StoredVariable> stored_variables(const Plan& plan) {
  std::vector<StoredVariable> all = unit_table(plan);
  StoredVariable complete;
  complete.field =
      Field{kComplete, DType::kU8,   {}, "1", "1 when every unit is done or failed and all rows are reduced",
            255,       {"no", "yes"}};
  all.push_back(complete);

  for (const schedule::Variable& v : plan.variables) {
    StoredVariable s;
    s.field = v.field;
    s.axes = schedule::dimensions(plan, v);
    s.initial = v.field.fill;
    s.measured = !v.field.timing;
    all.push_back(std::move(s));
  }
  for (std::size_t i = 0; i < plan.facts.suites.size() && i < plan.job.suites.size(); ++i) {
    const schedule::SuiteFacts& facts = plan.facts.suites[i];
    if (facts.expected.empty()) continue;
    const std::string& id = plan.job.suites[i].id;
    StoredVariable s;
    s.field = Field{id + "_expected",
                    DType::kU8,
                    {},
                    "1",
                    "what the suite file expects of each prompt",
                    255,
                    expected_meanings(plan.job.suites[i].kind)};
    s.axes.push_back(Dimension{id + "_prompt", facts.ids.size(), facts.ids});
    s.initial = 255;
    all.push_back(std::move(s));
  }

  std::set<std::string> names;
  for (const StoredVariable& v : all)
    if (!names.insert(v.field.name).second) throw Error("two variables are called " + v.field.name);
  for (const Dimension& d : distinct_axes(all))
    if (names.contains(d.name)) throw Error("a variable and an axis are both called " + d.name);
  return all;
}

PlannedBytes planned_bytes(const Plan& plan) {
  PlannedBytes out;
  for (const StoredVariable& v : stored_variables(plan)) {
    out.all += v.bytes();
    if (!v.field.bulk) continue;
    out.bulk += v.bytes();
    const schedule::Variable& planned =
        plan.variables.at(static_cast<std::size_t>(schedule::find_variable(plan, v.field.name)));
    PlannedBytes::Part part{planned.kind == schedule::UnitKind::kPrompts
                                ? plan.job.suites.at(planned.item).id
                                : plan.job.experiments.at(planned.item).id,
                            v.field.name, "", v.bytes()};
    for (const Dimension& d : v.axes) part.shape += std::to_string(d.size) + " x ";
    part.shape.replace(part.shape.size() - 2, 2,
                       v.field.dtype == DType::kF16   ? "f16"
                       : v.field.dtype == DType::kF32 ? "f32"
                                                      : "i32");
    out.parts.push_back(std::move(part));
  }
  return out;
}

std::vector<std::pair<std::string, std::uint64_t>> PlannedBytes::owners() const {
  std::vector<std::pair<std::string, std::uint64_t>> out;
  for (const Part& part : parts) {
    if (out.empty() || out.back().first != part.owner) out.emplace_back(part.owner, 0);
    out.back().second += part.bytes;
  }
  return out;
}

std::vector<Dimension> distinct_axes(const std::vector<StoredVariable>& variables) {
  std::vector<Dimension> axes;
  std::map<std::string, std::size_t> known;
  for (const StoredVariable& v : variables)
    for (const Dimension& d : v.axes) {
      const auto [at, fresh] = known.emplace(d.name, axes.size());
      if (fresh) {
        axes.push_back(d);
        continue;
      }
      Dimension& first = axes[at->second];
      if (first.size != d.size)
        throw Error("axis " + d.name + " has " + std::to_string(first.size) + " and " +
                    std::to_string(d.size) + " entries");
      if (first.labels.empty()) first.labels = d.labels;
    }
  return axes;
}

}  // namespace brinkmap::mpi
