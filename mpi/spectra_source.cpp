#include "mpi/spectra_source.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <utility>

#include "mpi/machine.h"
#include "worker/matrices.h"
#include "worker/spectrum_cache.h"

namespace brinkmap::mpi {

constexpr double kLogEach = 2;  // seconds

SpectraSource::SpectraSource(const worker::Checkpoint& model, std::string sha256, SpectraMeans means)
    : model_(model), sha256_(std::move(sha256)), means_(std::move(means)) {}

const std::vector<worker::MatrixSpectrum>& SpectraSource::matrices() {
  if (known_) return matrices_;
  this_machine("");  // pins BLAS
  kernels::ThreadPool pool(means_.threads > 0 ? means_.threads : default_threads(1));
  const std::size_t all = worker::block_matrices(model_).size();
  auto said = std::chrono::steady_clock::now();
  worker::KeptSpectra kept = worker::keep_spectra(
      model_, sha256_, worker::spectra_file(model_, sha256_, ""), pool,
      [&](std::size_t done) {
        const auto now = std::chrono::steady_clock::now();
        if (done < all && std::chrono::duration<double>(now - said).count() < kLogEach) return;
        spdlog::info("spectra of {}: {} of {} matrices", model_.path(), done, all);
        said = now;
      },
      means_.compute);
  if (!kept.not_kept.empty()) spdlog::warn("spectra of {} are not kept: {}", model_.path(), kept.not_kept);
  matrices_ = std::move(kept.matrices);
  known_ = true;
  return matrices_;
}

}  // namespace brinkmap::mpi
