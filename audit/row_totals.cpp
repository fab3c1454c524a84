#include "audit/row_totals.h"

#include <fmt/core.h>

#include <cmath>
#include <span>

#include "audit/paired_rows.h"

namespace brinkmap::audit {
namespace {

using schedule::Results;
using schedule::SuiteKind;

void add_decisions(const Results& results, const std::string& id, std::uint32_t row, RowTotals& out) {
  const auto confusion = results.at<std::int32_t>(id + "_confusion", row);
  constexpr std::size_t kAnswers = schedule::kDecisionClasses + 1;
  Count right;
  for (std::size_t i = 0; i < confusion.size(); ++i)
    if (confusion[i] > 0) right.add(i / kAnswers == i % kAnswers ? confusion[i] : 0, confusion[i]);
  out.decisions.add(right.k, right.n);
  out.approvals.add(results.value<std::int32_t>(id + "_veto_to_approve", row),
                    results.value<std::int32_t>(id + "_veto_n", row));
}

}  // namespace

const char* few_mark(std::int64_t n) { return n > 0 && n < kFewPrompts ? "*" : ""; }

std::string few_note() { return fmt::format("*: n below {}.", kFewPrompts); }

Cell marked_count(std::int64_t n) {
  Cell out = count_cell(n);
  out.text += few_mark(n);
  return out;
}

void Count::add(std::int64_t more_k, std::int64_t more_n) {
  if (more_k < 0 || more_n < 0) return;
  k += more_k;
  n += more_n;
}

double Count::rate() const { return n == 0 ? std::nan("") : static_cast<double>(k) / static_cast<double>(n); }

std::string Count::share() const {
  return n == 0 ? "-" : fmt::format("{} {:3.0f} %", plain(), 100.0 * rate());
}

std::string Count::plain() const { return n == 0 ? "-" : fmt::format("{}/{}{}", k, n, few_mark(n)); }

RowTotals row_totals(const Results& results, std::uint32_t row) {
  RowTotals out;
  for (const schedule::SuiteSpec& suite : results.plan.job.suites) {
    const auto count = [&](const char* what) { return results.value<std::int32_t>(suite.id + what, row); };
    if (suite.kind == SuiteKind::kRefusal) {
      out.harmful.add(count("_harmful_refused"), count("_harmful_n"));
      out.benign.add(count("_benign_refused"), count("_benign_n"));
    }
    if (suite.kind == SuiteKind::kDecision) add_decisions(results, suite.id, row, out);
  }
  return out;
}

bool exact_bytes(const schedule::Results& results) {
  constexpr std::int64_t kMostExactBytes = 100'000'000;
  for (std::uint32_t r = 0; r < results.plan.rows.size(); ++r)
    if (results.value<std::int64_t>("bytes", r) >= kMostExactBytes) return false;
  return true;
}

const char* bytes_title(bool exact) { return exact ? "\nbytes" : "\nMB"; }

Cell bytes_cell(std::int64_t bytes, bool exact) {
  return bytes < 0 || exact ? count_cell(bytes)
                            : Cell{fmt::format("{:.1f}", static_cast<double>(bytes) / 1e6), bytes};
}

}  // namespace brinkmap::audit
