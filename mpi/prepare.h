#pragma once

#include <string>
#include <vector>

#include "mpi/spectra_source.h"
#include "schedule/plan.h"
#include "worker/suite.h"

namespace brinkmap::mpi {

// A job with everything it names read, checked and hashed.
struct Prepared {
  schedule::Plan plan;  // job_hash filled in
  std::vector<worker::Suite> suites;
};

// Reads the job's suites and the facts of its models (weights are hashed, prompts are tokenized). Throws
// InputError for the first thing that is wrong: an unknown recipe, a missing file, a broken line. `means`:
// for spectra that hybrid recipes need.
Prepared prepare(schedule::Job job, const SpectraMeans& means = {});

// The suites of a plan, read again. Throws InputError when a file changed since the facts were taken.
std::vector<worker::Suite> read_suites(const schedule::Plan& plan);

}  // namespace brinkmap::mpi
