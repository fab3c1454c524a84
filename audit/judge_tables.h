#pragma once

#include <vector>

#include "audit/gate.h"
#include "audit/paired_rows.h"
#include "audit/rater.h"
#include "audit/table.h"

// The report's tables of judges. At most 100 columns wide on a terminal with names of ordinary length.
namespace brinkmap::audit {

// Every judge against its suite's scorer, one line a row, a model and all rows; and two judges of one suite
// against each other, over all rows.
Table judges_table(const schedule::Results& results, const std::vector<Rater>& judges);

// Every judge against the scorer by the prompts' category or wrapper, and by the row's regime (by points).
Table judge_strata_table(const schedule::Results& results, const std::vector<Rater>& judges,
                         const std::vector<RowChange>& changes);

// The gate's verdicts with each judge's refusals in the place of the detector's.
Table judge_verdicts_table(const schedule::Results& results, const std::vector<Rater>& judges,
                           const std::vector<RowVerdict>& verdicts);

}  // namespace brinkmap::audit
