#pragma once

#include <vector>

#include "schedule/plan.h"

// The variables of the result file: one place that says what exists, its shape, unit and meaning. Internal to
// schedule; others read Plan::variables.
namespace brinkmap::schedule {

// All variables of a plan whose job, facts and rows are set, unit-filled first.
std::vector<Variable> make_variables(const Plan& plan);

}  // namespace brinkmap::schedule
