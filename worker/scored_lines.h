#pragma once

#include <string>
#include <string_view>

namespace brinkmap::worker {

// An evidence line as a re-ranked prompt shows it (METHODS-evaluator 1.2): with the evidence head's score,
// four decimals, where the suite's line shows its relevance.
//   a JSON object with a number "cosine"   that member becomes "evidence_score": 0.1234 where it stands;
//   every
//                                          other byte stays
// With `always` lines without one show it too:
//   any other JSON object                  "evidence_score": 0.1234 comes last in it
//   any other text                         " (evidence_score 0.1234)" comes behind it
// Without `always` these stay as they are.
std::string scored_line(std::string_view line, double score, bool always);

}  // namespace brinkmap::worker
