#pragma once

#include <limits>
#include <string>

#include "audit/row_totals.h"
#include "schedule/results.h"

// What a recipe that a search judges does besides passing or failing, so that no pick hides what it costs.
namespace brinkmap::audit {

struct SearchQuality {
  double perplexity_ratio = std::numeric_limits<double>::quiet_NaN();  // to the baseline's on the same texts
  Count decisions;                                                     // generated ones that are right
  Count refused;                                                       // harmful prompts
  Count approved;                                                      // VETO items answered APPROVE
};

SearchQuality search_quality(const schedule::Results& results, std::uint32_t row);

// "perplexity 3.05 times that of bf16, decisions right 60/72 (bf16 66/72), harmful prompts refused 30/50
// (bf16 31/50)": what was measured, empty when nothing was.
std::string quality_text(const SearchQuality& quality, const SearchQuality& baseline,
                         const std::string& name);

}  // namespace brinkmap::audit
