#pragma once

#include <yaml-cpp/yaml.h>

#include "schedule/job.h"

// Rules of a job file that join several keys. Internal to reading jobs.
namespace brinkmap::schedule {

// Throws InputError with the line and the key. `root`: the job's tree, whose keys are read already.
void check_job(const Job& job, const YAML::Node& root);

// A rule of the gate that nothing in the job measures leaves every row undecided, and shows it only after the
// whole run: throws InputError with the line. `gate`: the tree of that key.
void check_gate(const Job& job, const YAML::Node& gate);

}  // namespace brinkmap::schedule
