#include "mpi/check_results.h"

#include <algorithm>

#include "audit/reduce.h"
#include "audit/report.h"

namespace brinkmap::mpi {
namespace {

void check_row_values(const std::string& path, const schedule::Results& results) {
  schedule::Results again = results;
  audit::reduce(again);
  for (const schedule::Variable& v : results.plan.variables)
    if (v.shard_axis.empty() && again.arrays.at(v.field.name).bytes != results.arrays.at(v.field.name).bytes)
      throw InputError(path, v.field.name, "holds other values than the prompts and heads of its rows give");
}

// The row values of an unfinished file are those of its last pause, or none: nothing else says what they
// should be, but they must make sense.
void check_possible(const std::string& path, const schedule::Results& results) {
  try {
    audit::make_report(results);
  } catch (const InputError&) {
    throw;
  } catch (const Error& e) {
    throw InputError(path, "", std::string("its row values cannot be: ") + e.what());
  }
}

}  // namespace

void check_complete(const std::string& path, const FileHead& head, const schedule::Results& results) {
  const auto left =
      std::count(results.unit_state.begin(), results.unit_state.end(), schedule::UnitState::kTodo);
  if (head.complete && left > 0)
    throw InputError(path, kComplete,
                     "says that nothing is left, but " + std::to_string(left) + " of " +
                         std::to_string(results.unit_state.size()) + " units are");
}

CheckedFile read_checked(const std::string& path) {
  CheckedFile file;
  file.head = read_head(path);
  file.results = read_results(path);
  check_complete(path, file.head, file.results);
  if (!file.head.complete) {
    check_possible(path, file.results);  // units in the writing have no checksum yet
    return file;
  }
  check_row_values(path, file.results);
  check_units(path, file.results);
  return file;
}

}  // namespace brinkmap::mpi
