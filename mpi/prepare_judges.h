#pragma once

#include <vector>

#include "schedule/plan.h"

namespace brinkmap::mpi {

// Facts of the job's judges, one entry an experiment; none when no experiment is a judge. A model's weights
// are hashed and its template and labels tried, so that a judge that cannot work is refused before anything
// runs. Throws InputError.
std::vector<schedule::JudgeFacts> judge_facts(const schedule::Job& job);

// Finds the place of every label of the files that judges name. Throws InputError with file and line.
void check_judge_labels(const schedule::Plan& plan);

}  // namespace brinkmap::mpi
