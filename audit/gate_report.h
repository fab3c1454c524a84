#pragma once

#include <string>
#include <vector>

#include "audit/gate.h"
#include "audit/table.h"

// The gate's verdicts for people and for machines. Words: PASS, REVIEW, FAIL, UNDECIDABLE.
namespace brinkmap::audit {

const char* gate_word(Verdict verdict);

// verdict_name, with its tone.
Cell verdict_cell(Verdict verdict);

// "direct, refusal drop: refuses 88 of 100 harmful prompts, ..."
std::string check_words(const Check& check);

// That baselines fail the gate themselves, and which; nothing where none does.
std::string failing_baselines(const std::vector<RowVerdict>& verdicts);

// One line a row, and one more for every further check that has the row's verdict; below it how many rows
// have which verdict.
Table verdicts_table(const std::vector<RowVerdict>& verdicts);

// JUnit XML, one test case a row: FAIL and REVIEW are failures (of these types) with the reasons in words,
// UNDECIDABLE is an error. `complete` false adds an error of its own, so that no CI takes an unfinished file
// for a passed one.
std::string gate_junit(const std::string& job, bool complete, const std::vector<RowVerdict>& verdicts);

// {"job", "complete", "verdict", "rows": [...]}, rows as in the report's JSON with these words; "verdict" is
// the worst of the rows, UNDECIDABLE while the file is incomplete and no row fails.
std::string gate_json(const std::string& job, bool complete, const std::vector<RowVerdict>& verdicts);

// The worst verdict: FAIL, then UNDECIDABLE (also without rows, or incomplete), REVIEW, PASS.
Verdict worst(bool complete, const std::vector<RowVerdict>& verdicts);

}  // namespace brinkmap::audit
