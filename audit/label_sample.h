#pragma once

#include <cstdint>
#include <vector>

#include "audit/rater.h"

namespace brinkmap::audit {

// An answer that is given out to be labelled.
struct SampledAnswer {
  std::uint32_t suite = 0, row = 0, prompt = 0;
  double weight = 1;  // answers of its stratum / those of them in the sample
};

// What is drawn from: suites and rows by index, answers of a stratum at most, and the key of the draws.
struct LabelSampling {
  std::vector<std::uint32_t> suites, rows;
  std::uint32_t per_stratum = 5;
  std::uint64_t seed = 42;
};

// A stratified sample. A stratum is a row's answers to a suite that the scorer calls the same, split by
// whether a judge of the job sees them otherwise; of answers on which they differ twice as many are taken.
// Prompts are drawn by id alone: the same ones in every row as far as the strata allow, and a larger sample
// keeps what a smaller one took. The order is shuffled and tells nothing about the strata.
std::vector<SampledAnswer> sample_answers(const schedule::Results& results, const LabelSampling& sampling);

}  // namespace brinkmap::audit
