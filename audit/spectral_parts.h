#pragma once

#include <string>
#include <vector>

#include "audit/spectral_study.h"

// The later steps of the study. Internal to it.
namespace brinkmap::audit {

// Every figure of the job's spectra experiment with the losses of single matrices; none without both.
std::vector<Association> find_associations(const schedule::Results& results,
                                           const std::vector<Sensitivity>& sensitivities);

// What the contests and rows come to, in sentences; none without contests.
std::vector<std::string> spectral_findings(const schedule::Results& results, const SpectralStudy& study);

}  // namespace brinkmap::audit
