#include "mpi/result_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <map>

#include "mpi/facts_text.h"
#include "mpi/sha256.h"
#include "mpi/unit_checksum.h"

namespace brinkmap::mpi {
namespace {

using schedule::Results;
using schedule::UnitState;

h5::File open_file(const std::string& path) {
  if (!std::filesystem::exists(path)) throw InputError(path, "", "no such file");
  return h5::File::open_for_reading(path);
}

// Turns the library's errors into errors about the file.
template <class Read>
auto reading(const std::string& path, Read read) {
  try {
    return read();
  } catch (const h5::H5Error& e) {
    throw InputError(path, "", std::string("is no readable result file: ") + e.what());
  }
}

FileHead head_of(const h5::File& file, const std::string& path) {
  const std::uint64_t schema = file.number_attribute(attribute::kSchema);
  if (schema != kSchemaVersion)
    throw InputError(path, attribute::kSchema,
                     "expected " + std::to_string(kSchemaVersion) + ", found " + std::to_string(schema) +
                         ": the program that wrote it has other variables");
  FileHead h;
  h.job_hash = file.attribute(attribute::kJobHash);
  h.job_path = file.attribute(attribute::kJobPath);
  h.job_text = file.text(kJobText);
  h.facts = file.text(kJobFacts);
  h.provenance = {file.attribute(attribute::kProgram),  file.attribute(attribute::kCommand),
                  file.attribute(attribute::kMachine),  file.attribute(attribute::kIsa),
                  file.attribute(attribute::kBlasCore), file.attribute(attribute::kCreated)};
  std::uint8_t complete = 0;
  file.array(kComplete).read({}, {}, std::as_writable_bytes(std::span(&complete, 1)));
  h.complete = complete == 1;
  return h;
}

std::vector<std::byte> read_all(const h5::Array& a) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 36;
  std::uint64_t bytes = schedule::dtype_bytes(a.dtype());
  for (const std::uint64_t d : a.shape()) {
    if (d != 0 && bytes > kMost / d) throw h5::H5Error(a.name() + " is larger than memory should hold");
    bytes *= d;
  }
  std::vector<std::byte> all(bytes);
  const std::vector<std::uint64_t> zero(a.shape().size(), 0);
  a.read(zero, a.shape(), all);
  return all;
}

template <class T>
std::vector<T> column(const h5::File& file, const std::string& name, std::size_t entries) {
  const h5::Array a = file.array(name);
  if (a.dtype() != schedule::dtype_of<T>() || a.elements() != entries)
    throw h5::H5Error(name + ": expected " + std::to_string(entries) + " entries of another type or number");
  const std::vector<std::byte> bytes = read_all(a);
  std::vector<T> values(entries);
  std::copy_n(bytes.data(), bytes.size(), std::as_writable_bytes(std::span(values)).data());
  return values;
}

// Codes are named; another one was not written by this program.
void check_codes(const schedule::Field& field, const schedule::Array& array) {
  if (field.flag_meanings.empty()) return;
  for (const std::byte b : array.bytes) {
    const auto code = std::to_integer<unsigned>(b);
    if (code >= field.flag_meanings.size() && code != static_cast<unsigned>(field.fill))
      throw h5::H5Error(field.name + " holds " + std::to_string(code) + ", expected a code below " +
                        std::to_string(field.flag_meanings.size()) + " or the fill value");
  }
}

void read_units(const h5::File& file, Results& results) {
  const std::size_t n = results.plan.units.size();
  const auto status = column<std::uint8_t>(file, kUnitStatus, n);
  const auto reason = column<std::uint8_t>(file, kUnitReason, n * kReasonBytes);
  results.unit_seconds = column<double>(file, kUnitSeconds, n);
  results.unit_state.assign(n, UnitState::kTodo);
  results.unit_reason.assign(n, {});
  for (std::size_t u = 0; u < n; ++u) {
    if (status[u] > static_cast<std::uint8_t>(UnitStatus::kFailed))
      throw h5::H5Error(std::string(kUnitStatus) + " holds " + std::to_string(status[u]) +
                        ", expected a code of 0 to 2");
    if (status[u] == static_cast<std::uint8_t>(UnitStatus::kDone)) results.unit_state[u] = UnitState::kDone;
    if (status[u] != static_cast<std::uint8_t>(UnitStatus::kFailed)) continue;
    results.unit_state[u] = UnitState::kFailed;
    const char* text = reinterpret_cast<const char*>(reason.data() + u * kReasonBytes);
    results.unit_reason[u].assign(text, strnlen(text, kReasonBytes));
  }
}

// A later version of the program may cut the work in other pieces; the file keeps its own.
void take_units_of(const h5::File& file, schedule::Plan& plan) {
  const std::size_t n = file.array(kUnitStatus).elements();
  const auto kind = column<std::uint32_t>(file, "unit_kind", n),
             row = column<std::uint32_t>(file, "unit_row", n),
             item = column<std::uint32_t>(file, "unit_item", n),
             begin = column<std::uint32_t>(file, "unit_begin", n),
             end = column<std::uint32_t>(file, "unit_end", n);
  std::vector<std::uint64_t> prompts, items;  // of each suite, of each experiment
  for (const schedule::SuiteFacts& suite : plan.facts.suites) prompts.push_back(suite.ids.size());
  for (std::uint32_t e = 0; e < plan.job.experiments.size(); ++e)
    items.push_back(schedule::experiment_axis(plan, e).size);
  std::vector<schedule::Unit> units(n);
  bool same = n == plan.units.size();
  for (std::size_t u = 0; u < n; ++u) {
    const std::vector<std::uint64_t>& axes =
        kind[u] == static_cast<std::uint32_t>(schedule::UnitKind::kPrompts) ? prompts : items;
    if (kind[u] > 1 || row[u] >= plan.rows.size() || item[u] >= axes.size() || begin[u] > end[u] ||
        end[u] > axes[item[u]])
      throw h5::H5Error("unit " + std::to_string(u) + " of the unit table names what the job does not have");
    units[u] = {static_cast<std::uint32_t>(u),
                static_cast<schedule::UnitKind>(kind[u]),
                row[u],
                item[u],
                begin[u],
                end[u],
                0};
    same = same && units[u].kind == plan.units[u].kind && row[u] == plan.units[u].row &&
           item[u] == plan.units[u].item && begin[u] == plan.units[u].begin && end[u] == plan.units[u].end;
  }
  if (same) return;
  plan.units = std::move(units);
  plan.needs.assign(n, {});
}

void check_shapes(const h5::File& file, const schedule::Plan& plan) {
  for (const StoredVariable& v : stored_variables(plan)) {
    const h5::Array a = file.array(v.field.name);
    std::vector<std::uint64_t> shape;
    for (const schedule::Dimension& d : v.axes) shape.push_back(d.size);
    if (a.shape() != shape || a.dtype() != v.field.dtype)
      throw h5::H5Error(a.name() + " has another shape or type than the job asks for");
  }
}

// The answers that a suite expects stand beside the results for readers of the file; the facts decide.
void check_expected(const h5::File& file, const schedule::Plan& plan) {
  for (std::size_t s = 0; s < plan.job.suites.size(); ++s) {
    const std::vector<std::uint8_t>& expected = plan.facts.suites.at(s).expected;
    const std::string name = plan.job.suites[s].id + "_expected";
    if (!expected.empty() && column<std::uint8_t>(file, name, expected.size()) != expected)
      throw h5::H5Error(name + " differs from the facts of the job");
  }
}

}  // namespace

FileHead read_head(const std::string& path) {
  return reading(path, [&] { return head_of(open_file(path), path); });
}

Results read_arrays(const h5::File& file, schedule::Plan plan) {
  check_shapes(file, plan);  // first: a plan of wrong facts may ask for more memory than there is
  Results results = Results::empty(std::move(plan));
  for (const schedule::Variable& v : results.plan.variables) {
    if (v.field.bulk) continue;
    schedule::Array& out = results.arrays.at(v.field.name);
    out.bytes = read_all(file.array(v.field.name));
    check_codes(v.field, out);
  }
  check_expected(file, results.plan);
  read_units(file, results);
  return results;
}

void check_units(const std::string& path, const Results& results) {
  reading(path, [&] {
    const h5::File file = open_file(path);
    std::map<std::string, h5::Array> arrays;
    const ArrayOf array = [&](const std::string& name) -> const h5::Array& {
      const auto found = arrays.find(name);
      return found != arrays.end() ? found->second : arrays.emplace(name, file.array(name)).first->second;
    };
    for (const schedule::Unit& unit : results.plan.units)
      if (results.unit_state[unit.id] != UnitState::kTodo &&
          verified_status(array, results.plan, unit.id) == UnitStatus::kTodo)
        throw InputError(path, "unit " + std::to_string(unit.id),
                         "of row " + results.plan.rows.at(unit.row).label +
                             " does not have its checksum: the file was changed after the unit was written");
    return 0;
  });
}

Results read_results(const std::string& path) {
  return reading(path, [&] {
    const h5::File file = open_file(path);
    const FileHead head = head_of(file, path);
    schedule::Plan plan = plan_from(head.job_text, head.job_path, head.facts, path);
    plan.job_hash = head.job_hash;
    take_units_of(file, plan);
    return read_arrays(file, std::move(plan));
  });
}

namespace {

void add_number(Sha256& sum, std::uint64_t n) { sum.add_text(std::to_string(n)); }

// Row by row: hidden states need not fit in memory.
void add_array(Sha256& sum, const h5::Array& a) {
  const std::uint64_t rows = a.shape().empty() ? 1 : a.shape()[0];
  if (rows == 0) return;
  std::vector<std::byte> row(a.elements() / rows * schedule::dtype_bytes(a.dtype()));
  for (std::uint64_t r = 0; r < rows; ++r) {
    a.read_rows(r, 1, row);
    sum.add(row);
  }
}

}  // namespace

std::string digest(const std::string& path) {
  return reading(path, [&] {
    const h5::File file = open_file(path);
    const FileHead head = head_of(file, path);
    const schedule::Plan plan = plan_from(head.job_text, head.job_path, head.facts, path);
    Sha256 sum;
    sum.add_text("brinkmap digest 1");
    add_number(sum, kSchemaVersion);
    sum.add_text(head.job_hash);
    std::vector<const schedule::Variable*> variables;
    for (const schedule::Variable& v : plan.variables)
      if (!v.field.timing) variables.push_back(&v);
    std::sort(variables.begin(), variables.end(),
              [](const auto* a, const auto* b) { return a->field.name < b->field.name; });
    for (const schedule::Variable* v : variables) {
      const h5::Array a = file.array(v->field.name);
      sum.add_text(a.name());
      add_number(sum, static_cast<std::uint64_t>(a.dtype()));
      for (const schedule::Dimension& d : schedule::dimensions(plan, *v)) {
        sum.add_text(d.name);
        add_number(sum, d.size);
        for (const std::string& label : d.labels) sum.add_text(label);
      }
      add_array(sum, a);
    }
    for (const char* name : {kUnitStatus, kUnitReason}) add_array(sum, file.array(name));
    return sum.hex();
  });
}

}  // namespace brinkmap::mpi
