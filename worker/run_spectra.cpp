#include "worker/run_spectra.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <mutex>
#include <string>
#include <vector>

#include "schedule/error.h"
#include "worker/spectrum.h"

namespace brinkmap::worker {

using schedule::kSpectrumBins;

std::array<std::int32_t, kSpectrumBins> spectrum_histogram(std::span<const double> sigma) {
  std::array<std::int32_t, kSpectrumBins> counts{};
  constexpr double kWidth = (schedule::kSpectrumHigh - schedule::kSpectrumLow) / kSpectrumBins;
  for (const double s : sigma) {
    // log10 of 0 is below every bin.
    const double bin = std::floor((2 * std::log10(s) - schedule::kSpectrumLow) / kWidth);
    ++counts[static_cast<std::size_t>(std::clamp(bin, 0.0, kSpectrumBins - 1.0))];
  }
  return counts;
}

void run_spectra(const schedule::ExperimentSpec& spec, const schedule::Unit& unit, const Checkpoint& model,
                 kernels::ThreadPool& pool, schedule::SlabSet& slabs) {
  if (unit.end > spec.matrices.size()) throw Error("the unit reaches past the matrices");
  std::vector<std::span<double>> figures;
  for (const SpectrumField& field : spectrum_fields())
    figures.push_back(slabs.get<double>(std::string(field.name)));
  const std::span<std::int32_t> histogram = slabs.get<std::int32_t>("histogram");
  std::mutex mutex;
  std::exception_ptr problem;  // a task must not throw
  pool.parallel_for(std::int64_t{unit.end} - unit.begin, [&](std::int64_t task, int) {
    const auto i = static_cast<std::size_t>(task);
    try {
      const GgufTensor* tensor = model.find(spec.matrices[unit.begin + i] + ".weight");
      if (tensor == nullptr) return;
      const std::vector<double> sigma = singular_values(*tensor);
      const MatrixSpectrum spectrum = matrix_spectrum(*tensor, sigma);
      std::size_t f = 0;
      for (const SpectrumField& field : spectrum_fields()) figures[f++][i] = spectrum.*field.value;
      if (sigma.empty()) return;
      const auto counts = spectrum_histogram(sigma);
      std::copy(counts.begin(), counts.end(), histogram.begin() + task * kSpectrumBins);
    } catch (...) {
      const std::lock_guard lock(mutex);
      problem = std::current_exception();
    }
  });
  if (problem) std::rethrow_exception(problem);
}

}  // namespace brinkmap::worker
