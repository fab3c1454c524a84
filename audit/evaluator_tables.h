#pragma once

#include "audit/table.h"
#include "schedule/results.h"

// The tables of the evaluator study (METHODS-evaluator 1.6 to 1.11). Empty where the job has no such
// experiment. Internal to the report.
namespace brinkmap::audit {

// One line a row: size, speed, evidence AUC, direction suppression, frozen heads, VETO -> APPROVE, probes.
Table evaluator_table(const schedule::Results& results);
// Every decision-head experiment that is compared with another, one line a (experiment, row).
Table methods_table(const schedule::Results& results);
// One line a (probe experiment, row, skill), the curve over the blocks included.
Table probes_table(const schedule::Results& results);
// The same curves for files and pictures: row, skill, block, accuracy, auc; one line a (row, skill, block).
Table probe_layers_table(const schedule::Results& results);
// Thresholds chosen on validation, and votes of fewer heads; one line a (decision heads, row).
Table sweep_table(const schedule::Results& results);

}  // namespace brinkmap::audit
