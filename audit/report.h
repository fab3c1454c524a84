#pragma once

#include <map>
#include <string>
#include <vector>

#include "audit/gate.h"
#include "audit/table.h"
#include "schedule/results.h"

// The report of a result file: built as tables, printed as text, CSV, JSON or HTML (audit/html_page.h).
namespace brinkmap::audit {

// What a row is, for those who filter by it.
struct ReportRow {
  std::string label, model, family, recipe;
  bool baseline = false;
};

struct Report {
  std::string title;
  std::string state;                  // "complete: 99 of 99 units done" or what is missing
  std::string settings;               // of the whole job, which two jobs must share to be compared
  bool complete = false;              // every unit done or failed
  std::vector<ReportRow> rows;        // as in the result file
  std::vector<Table> tables;          // as make_report adds them, only those with rows
  std::vector<std::string> findings;  // what the job's experiments as a whole come to, a sentence each
  std::string hidden_danger;          // which rows are in hidden danger; empty without refusals
  std::vector<std::string> models;    // one line in words for each model
  std::vector<std::string> readings;  // one line in words for each row
  std::vector<char> quiet;            // [row] 1: nothing broke and the gate passes
  std::vector<RowVerdict> verdicts;   // [row]
};

// The table of this id; null when it has no rows.
const Table* find_table(const Report& report, const std::string& id);

// Builds the report of reduced results (audit/reduce.h).
Report make_report(const schedule::Results& results);

// Everything for a terminal, in UTF-8; `colour` as in audit/table.h.
std::string to_text(const Report& report, bool colour = false);

// Only the tables that answer for every row, the models' lines and the readings of rows that are not quiet:
// what `run` prints at the end.
std::string to_short_text(const Report& report, bool colour = false);

// File name ("rows.csv") and contents, one for each table.
std::map<std::string, std::string> to_csv(const Report& report);

// {"title", "state", "settings", "complete", "findings", "tables": {id: [{key: value}]}, "models",
// "readings", "verdicts"}; unknown values are null.
std::string to_json(const Report& report);

}  // namespace brinkmap::audit
