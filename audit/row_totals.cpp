#include "audit/row_totals.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "audit/gate.h"
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
  const auto veto_n = results.value<std::int32_t>(id + "_veto_n", row);
  out.approvals.add(results.value<std::int32_t>(id + "_veto_to_approve", row), veto_n);
  out.unread.add(invalid_vetos(results, id, row), veto_n);
}

}  // namespace

const char* few_mark(std::int64_t n) { return n > 0 && n < kFewPrompts ? "*" : ""; }

std::string few_note() { return fmt::format("*: n below {}.", kFewPrompts); }

const char* unread_mark(std::int64_t invalid, std::int64_t n) {
  return 100 * invalid > kMostInvalidPercent * n ? "?" : "";
}

std::string unread_note() {
  return fmt::format("?: more than {} % of the answers to VETO items cannot be read.", kMostInvalidPercent);
}

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
  if (n == 0) return "-";
  // A share that is not all or nothing does not look so.
  const double percent = k == 0 || k == n ? 100 * rate() : std::clamp(std::round(100 * rate()), 1.0, 99.0);
  return fmt::format("{} {:3.0f} %", plain(), percent);
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
