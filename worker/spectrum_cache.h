#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kernels/thread_pool.h"
#include "worker/spectrum.h"

// Spectra of a model, kept in a file so that they are computed once.
namespace brinkmap::worker {

// The file that keeps them: in `folder`, named by the content hash `sha256`, or when `folder` is empty beside
// the model, "MODEL.spectra.json".
std::string spectra_file(const Checkpoint& model, const std::string& sha256, const std::string& folder);

struct KeptSpectra {
  std::vector<MatrixSpectrum> matrices;  // as compute_spectra gives them
  bool from_file = false;
  std::string not_kept;  // why the file could not be written; they were computed all the same
};

// Reads `path`, or computes and writes it. The file counts only when it is whole (it holds its own SHA-256),
// was made of a model with this content hash by this version of the figures and this BLAS core type, and
// names exactly the model's matrices; else it is computed anew and replaced.
KeptSpectra keep_spectra(const Checkpoint& model, const std::string& sha256, const std::string& path,
                         kernels::ThreadPool& pool,
                         const std::function<void(std::size_t done)>& progress = {},
                         const ComputeSpectra& compute = compute_spectra);

}  // namespace brinkmap::worker
