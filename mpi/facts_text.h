#pragma once

#include <string>

#include "schedule/plan.h"

namespace brinkmap::mpi {

// Facts as JSON text: stored in the result file, so that status, report and gate need no model or suite, and
// sent to the ranks.
std::string facts_to_text(const schedule::Facts& facts);

// Throws InputError (naming `source`) for text that facts_to_text does not write.
schedule::Facts facts_from_text(const std::string& text, const std::string& source);

// SHA-256 over everything that decides a result: job values, file hashes (not paths), schema version. Hex.
std::string job_hash(const schedule::Plan& plan);

// The same plan from the text and facts of a job prepared elsewhere; reads no files.
schedule::Plan plan_from(const std::string& job_text, const std::string& job_path,
                         const std::string& facts_text, const std::string& source);

}  // namespace brinkmap::mpi
