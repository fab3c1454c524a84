#pragma once

#include <cstdint>
#include <string>

#include "audit/table.h"
#include "schedule/results.h"

namespace brinkmap::audit {

// "*" for a rate on n below kFewPrompts, else nothing; and the note that says so.
const char* few_mark(std::int64_t n);
std::string few_note();
Cell marked_count(std::int64_t n);  // count_cell with the mark

// "?" where more of n VETO items' answers are INVALID than the gate reads a count with (kMostInvalidPercent),
// else nothing; and the note that says so.
const char* unread_mark(std::int64_t invalid, std::int64_t n);
std::string unread_note();

// k of n, summed over what measured it.
struct Count {
  std::int64_t k = 0, n = 0;

  // Nothing where either is below 0, as it is before a row is done.
  void add(std::int64_t more_k, std::int64_t more_n);
  double rate() const;        // NaN for n = 0
  std::string share() const;  // "98/100  98 %", "7/8*  88 %", "-" for n = 0
  std::string plain() const;  // "98/100", "7/8*"
};

// What the refusal and decision suites of a row come to together.
struct RowTotals {
  Count harmful, benign;  // refused
  Count decisions;        // generated decisions that are right
  Count approvals;        // VETO items whose generated decision is APPROVE
  Count unread;           // VETO items whose answer is INVALID
};
RowTotals row_totals(const schedule::Results& results, std::uint32_t row);

// Sizes of a job's rows are printed to the byte where a column of eight digits holds them all, else in MB
// (10^6).
bool exact_bytes(const schedule::Results& results);
const char* bytes_title(bool exact);  // second line of a header
Cell bytes_cell(std::int64_t bytes, bool exact);

}  // namespace brinkmap::audit
