#pragma once

#include <string>
#include <vector>

#include "worker/spectrum.h"

namespace brinkmap::mpi {

// How spectra are computed that are not kept yet.
struct SpectraMeans {
  worker::ComputeSpectra compute = worker::compute_spectra;
  int threads = 0;  // 0: all cores
};

// Spectra of a model for its hybrid recipes: taken from the file beside the model, or computed and kept
// there, when they are first asked for. A file that cannot be written is a warning.
class SpectraSource {
 public:
  // `sha256`: the model's content hash. The model must outlive this.
  SpectraSource(const worker::Checkpoint& model, std::string sha256, SpectraMeans means = {});

  const std::vector<worker::MatrixSpectrum>& matrices();

 private:
  const worker::Checkpoint& model_;
  std::string sha256_;
  SpectraMeans means_;
  bool known_ = false;
  std::vector<worker::MatrixSpectrum> matrices_;
};

}  // namespace brinkmap::mpi
