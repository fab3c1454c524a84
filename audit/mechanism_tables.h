#pragma once

#include <vector>

#include "audit/paired_rows.h"
#include "audit/table.h"
#include "audit/template_screen.h"
#include "schedule/results.h"

// The tables of mechanistic probes. Empty where the job has none. At most 100 columns wide on a terminal.
// Internal to the report.
namespace brinkmap::audit {

// One line a (experiment, row): first token, refusal direction, safety neurons.
Table mechanisms_table(const schedule::Results& results);
// One line a (experiment, row, block); for files only where that is long.
Table mechanism_layers_table(const schedule::Results& results);
// One line a (experiment, split, probe), and the error ratio against 1.
Table mechanism_tests_table(const schedule::Results& results, const std::vector<RowChange>& changes);
// One line a (experiment, probe): with the refusal change, with the job's own template screen.
Table mechanism_correlations_table(const schedule::Results& results, const std::vector<RowChange>& changes,
                                   const std::vector<TemplateScreen>& screens);

}  // namespace brinkmap::audit
