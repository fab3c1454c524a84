#pragma once

#include <string>

#include "schedule/results.h"

namespace brinkmap::mpi {

// Verdicts and reports stand on prompts and heads. Where a finished file's row values say something else than
// these give, the file was changed by hand, or by another version of the program; neither may be judged.
// Throws InputError with the name of the variable.
void check_row_values(const std::string& path, const schedule::Results& results);

}  // namespace brinkmap::mpi
