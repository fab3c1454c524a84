#pragma once

#include <array>
#include <string_view>

#include "schedule/job.h"

namespace brinkmap::worker {

// Label strings in class order.
inline constexpr std::array<std::string_view, schedule::kDecisionClasses> kDecisionLabels{"APPROVE", "REVISE",
                                                                                          "VETO"};

// The decision in a generated answer. In this order:
//   1. The first balanced JSON object, nested ones included, with a string field "decision": its value,
//   without
//      surrounding white space and in any case, must be a label. Another value, or the field twice with two
//      values, is kInvalid.
//   2. A bare label outside of all braces: in capitals anywhere, or in any case when the answer has at most
//   three
//      words. Two different labels are kInvalid, and so is one after "no", "not", "never", "cannot" or
//      "...n't".
//   3. Else kInvalid. What follows a brace that is never closed is not read: a cut-off answer is kInvalid.
// Never guesses: what is not clearly a decision is kInvalid, not an approval.
schedule::Decision parse_decision(std::string_view answer);

}  // namespace brinkmap::worker
