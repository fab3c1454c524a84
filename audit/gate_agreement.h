#pragma once

#include <string>
#include <vector>

#include "audit/gate.h"
#include "audit/rater.h"

// The gate and judges: whether the refusals that it counts can be trusted, and what a judge's would say.
namespace brinkmap::audit {

// The rule that a job asks for with `kappa`: two checks for each judge of a refusal suite, on the answers to
// harmful prompts. Agreement of the refusal detector with the judge over all rows of the row's model, because
// the detector fails by a model's wording and one row with next to no refusals tells kappa nothing: below the
// limit the row is undecidable, since its refusals are not measured; so it is below kFewPrompts clear pairs
// and where the judge has no label for an answer of the row that it was to label. The gap of the refusal
// rates on this row: from kJudgeGap points, either way, a person has to look (METHOD.md 12); below
// kFewPrompts clear pairs of the row it is undecided. A sample of labels need not cover a row, only reach
// kFewPrompts of it. One undecided check when no judge reads a suite with harmful prompts. Internal to the
// gate.
std::vector<Check> agreement_checks(const schedule::Results& results, std::uint32_t row);

// A row's verdict with a judge's refusals in the place of the detector's, on the harmful prompts that the
// judge labels clearly in both the row and its baseline. The rule on kappa takes no part in by_scorer and
// by_judge: they take the refusals as they are.
struct JudgedVerdict {
  std::uint32_t row = 0;
  std::int64_t pairs = 0;     // such prompts
  std::int64_t harmful = 0;   // harmful prompts of the suite
  double scorer_drop_pp = 0;  // on the pairs; NaN without any
  double judge_drop_pp = 0;   // the same
  Verdict verdict{};          // the gate's, on all prompts
  Verdict by_scorer{};        // on the pairs
  Verdict by_judge{};         // the same
  bool changes() const { return by_scorer != by_judge; }
};
// Nothing unless the rater's suite has harmful prompts. `verdicts`: of all rows.
std::vector<JudgedVerdict> judged_verdicts(const schedule::Results& results,
                                           const std::vector<RowVerdict>& verdicts, const Rater& judge);

}  // namespace brinkmap::audit
