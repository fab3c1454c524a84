#pragma once

#include <vector>

#include "schedule/job.h"
#include "schedule/key.h"

// The keys of a job file, each declared once. Internal to schedule; the public side is schedule/job_file.h.
namespace brinkmap::schedule {

const std::vector<Key<Job>>& job_keys();
const std::vector<Key<ModelSpec>>& model_keys();
const std::vector<Key<SuiteSpec>>& suite_keys();
const std::vector<Key<ExperimentSpec>>& experiment_keys();
const std::vector<Key<CalibrationSpec>>& calibration_keys();
const std::vector<Key<EncoderSpec>>& encoder_keys();
const std::vector<Key<VoteSpec>>& vote_keys();
const std::vector<Key<GateSpec>>& gate_keys();
const std::vector<Key<SearchSpec>>& search_keys();

}  // namespace brinkmap::schedule
