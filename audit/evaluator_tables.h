#pragma once

#include "audit/table.h"
#include "schedule/results.h"

// The tables of the evaluator study (METHODS-evaluator 1.6 to 1.11). Empty where the job has no such
// experiment. Internal to the report.
namespace brinkmap::audit {

// evaluator_tables.cpp. One line a row: size, speed, evidence AUC, heads, VETO -> APPROVE, probes.
Table evaluator_table(const schedule::Results& results);
// Heads trained on each row beside the baseline's heads, one line a (frozen experiment, row).
Table arms_table(const schedule::Results& results);
// Time against the baseline with its range, one line a (speed experiment, row).
Table speed_table(const schedule::Results& results);
// AUC with its interval and n, one line a (evidence head, row).
Table evidence_table(const schedule::Results& results);

// method_tables.cpp. Every decision-head experiment that is compared with another, one line a (experiment,
// row): over seeds; and over cases and cascades.
Table methods_table(const schedule::Results& results);
Table method_checks_table(const schedule::Results& results);

// approval_tables.cpp. VETO -> APPROVE of generated answers and constrained choices side by side, one line a
// (suite, items, row), and the VETO margins.
Table approvals_table(const schedule::Results& results);
Table margins_table(const schedule::Results& results);
// What was said of the items of each gold class: generated, chosen, decided by a cascade.
Table confusions_table(const schedule::Results& results);
// L1 distance of the error profiles of every two rows of a model, for files.
Table error_profiles_table(const schedule::Results& results);

// probe_tables.cpp. One line a (probe experiment, row, skill): where the curve peaks and how it fell.
Table probes_table(const schedule::Results& results);
// The curves over the blocks, at most kShownBlocks of them on the terminal.
inline constexpr std::uint32_t kShownBlocks = 9;
Table probe_blocks_table(const schedule::Results& results);
// The same for files and pictures: row, skill, block, accuracy, auc; one line a (row, skill, block).
Table probe_layers_table(const schedule::Results& results);

// cascade_tables.cpp. Thresholds chosen on validation, one line a (decision heads, row); votes of fewer
// heads, one line a (judging heads, row, number of heads).
Table sweep_table(const schedule::Results& results);
Table subsamples_table(const schedule::Results& results);

}  // namespace brinkmap::audit
