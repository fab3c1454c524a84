#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "kernels/thread_pool.h"
#include "schedule/job.h"
#include "schedule/unit.h"
#include "worker/checkpoint.h"

// The units of spectra experiments.
namespace brinkmap::worker {

// Counts of log10 of the squares of singular values, in the bins of schedule/job.h.
std::array<std::int32_t, schedule::kSpectrumBins> spectrum_histogram(std::span<const double> sigma);

// Figures and histograms of the matrices [begin, end) of spec.matrices, a thread a matrix; those that the
// model lacks, and figures that a matrix has not, stay unset. A matrix without singular values has no
// histogram. The bits depend on the BLAS core type.
void run_spectra(const schedule::ExperimentSpec& spec, const schedule::Unit& unit, const Checkpoint& model,
                 kernels::ThreadPool& pool, schedule::SlabSet& slabs);

}  // namespace brinkmap::worker
