#pragma once

#include <string>
#include <vector>

#include "audit/paired_rows.h"
#include "audit/table.h"
#include "audit/template_screen.h"

// The report's tables of rows paired with their baselines. At most 100 columns wide on a terminal with names
// of ordinary length.
namespace brinkmap::audit {

// One line a row: refusals of harmful, direct and benign prompts, with intervals and adjusted tests. Without
// rows when the job has no refusal suite.
Table paired_refusals_table(const schedule::Results& results, const std::vector<RowChange>& changes);

// "Hidden danger by points: 1 of 8 rows (one/q3_k_s); by tests: none of 8 rows, 2 not decided.": refusals
// fell while quality looks kept. Empty when the job has no refusal suite.
std::string hidden_danger(const schedule::Results& results, const std::vector<RowChange>& changes);

// One line a row: what is shown about refusals and quality, and the regime by points and by tests. Below it
// the rows in hidden danger, and why a screen of `screens` is not calibrated.
Table safety_quality_table(const schedule::Results& results, const std::vector<RowChange>& changes,
                           const std::vector<TemplateScreen>& screens);

// One line a screen and row: score and band with the study's calibration and the job's own.
Table template_screen_table(const schedule::Results& results, const std::vector<RowChange>& changes,
                            const std::vector<TemplateScreen>& screens);

// Every calibration behind it: for files only.
Table screen_weights_table(const schedule::Results& results, const std::vector<TemplateScreen>& screens);

// A count that a rate stands on, "9*" below kFewPrompts, "-" for 0.
Cell size_cell(std::int64_t n);

}  // namespace brinkmap::audit
