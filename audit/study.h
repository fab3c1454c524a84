#pragma once

#include <string>

#include "audit/table.h"
#include "schedule/results.h"

// What the tables of the evaluator study share.
namespace brinkmap::audit {

// Whether the job has any experiment of the study, beside heads that judge its rows: only then it is printed.
bool has_study(const schedule::Job& job);

// The values of one suite or experiment on one row, by the part of the variable's name behind its id.
struct RowOf {
  const schedule::Results& results;
  std::string id;
  std::uint32_t row = 0;

  double number(const std::string& what) const { return results.value<double>(id + what, row); }
  std::int32_t count(const std::string& what) const { return results.value<std::int32_t>(id + what, row); }
};

// Test items that decision heads are judged on in a row, marked where they are few; "-" before they are.
Cell test_items_cell(const schedule::Results& results, const schedule::ExperimentSpec& e, std::uint32_t row);
// "k/n", marked where n is small (few_mark), or "-" where one is not known.
Cell ratio_cell(std::int64_t k, std::int64_t n);
// One decimal and a sign, "+1.5"; "0.0" without one.
std::string points_text(double points);
// A change in points with its interval, "+1.2 (+0.9..+1.5)".
Cell change_cell(double points, double low, double high);
// <method>_L<layer>_<pooling> as the row's model resolves it, and " frozen" for heads of the baseline.
std::string feature(const schedule::Results& results, const schedule::ExperimentSpec& e, std::uint32_t row);
// " L19" when `layer` names the same block in every model of the job, else nothing.
std::string layer_note(const schedule::Results& results, const schedule::ExperimentSpec& e);

}  // namespace brinkmap::audit
