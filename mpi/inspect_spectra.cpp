#include "mpi/inspect_spectra.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>

#include "mpi/machine.h"
#include "schedule/error.h"
#include "worker/matrices.h"
#include "worker/spectrum_cache.h"

namespace brinkmap::mpi {
namespace {

using nlohmann::json;

constexpr std::size_t kLineEach = 50;

json to_json(const worker::Checkpoint& file, const std::string& sha256, const worker::KeptSpectra& spectra) {
  json matrices = json::array();
  for (const worker::MatrixSpectrum& s : spectra.matrices) {
    json m{{"name", s.name}, {"shape", {s.rows, s.cols}}};
    for (const worker::SpectrumField& field : worker::spectrum_fields())
      m[std::string(field.name)] = std::isfinite(s.*field.value) ? json(s.*field.value) : json(nullptr);
    matrices.push_back(std::move(m));
  }
  return {
      {"file", file.path()}, {"sha256", sha256}, {"from_cache", spectra.from_file}, {"matrices", matrices}};
}

// A table of some of the figures: with all twelve it would be wider than a terminal.
void print(const worker::KeptSpectra& spectra, std::span<const worker::SpectrumField> fields) {
  const auto shape = [](const worker::MatrixSpectrum& s) { return fmt::format("{} x {}", s.rows, s.cols); };
  std::size_t name_width = 6, shape_width = 11;
  for (const worker::MatrixSpectrum& s : spectra.matrices) {
    name_width = std::max(name_width, worker::module_name(s.name).size());
    shape_width = std::max(shape_width, shape(s).size());
  }
  const auto width = [](const worker::SpectrumField& f) { return std::max<std::size_t>(9, f.name.size()); };
  fmt::print("{:<{}} {:>{}}", "matrix", name_width, "rows x cols", shape_width);
  for (const worker::SpectrumField& field : fields) fmt::print(" {:>{}}", field.name, width(field));
  fmt::print("\n");
  for (const worker::MatrixSpectrum& s : spectra.matrices) {
    fmt::print("{:<{}} {:>{}}", worker::module_name(s.name), name_width, shape(s), shape_width);
    for (const worker::SpectrumField& field : fields) {
      const double value = s.*field.value;
      fmt::print(" {:>{}}", std::isfinite(value) ? fmt::format("{:.4g}", value) : "-", width(field));
    }
    fmt::print("\n");
  }
}

void print(const worker::KeptSpectra& spectra) {
  constexpr std::size_t kPowerLaw = 6;  // alpha to lambda_max
  print(spectra, worker::spectrum_fields().first(kPowerLaw));
  fmt::print(
      "Power law of the eigenvalues, the squared singular values: exponent alpha from xmin on; distance\n"
      "of the fit (Kolmogorov-Smirnov); sigma: standard error of alpha; tail: eigenvalues from xmin on;\n"
      "lambda_max: the largest eigenvalue.\n\n");
  print(spectra, worker::spectrum_fields().subspan(kPowerLaw));
  fmt::print(
      "slope: of ln(singular value) against ln(rank), first half, sign turned. k90: share of the singular\n"
      "values that holds 90 % of their sum. entropy: effective rank over the smaller side. stable_rank:\n"
      "squared Frobenius norm over lambda_max. kurtosis: of the weights, 3 for normal ones. nf4_error:\n"
      "relative error of NF4 in blocks of 64. -: not defined. --json has all digits.\n");
}

}  // namespace

void inspect_spectra(const worker::Checkpoint& file, bool as_json, const std::string& cache_folder,
                     int threads) {
  this_machine("");  // pins BLAS
  kernels::ThreadPool pool(threads > 0 ? threads : default_threads(1));
  const std::string sha256 = file.sha256();
  if (!cache_folder.empty()) {
    std::error_code error;
    std::filesystem::create_directories(cache_folder, error);
    if (error) throw InputError(cache_folder, "--cache", "cannot be created: " + error.message());
  }
  const std::size_t all = worker::block_matrices(file).size();
  const bool live = ::isatty(STDERR_FILENO) != 0;
  const worker::KeptSpectra spectra = worker::keep_spectra(
      file, sha256, worker::spectra_file(file, sha256, cache_folder), pool, [&](std::size_t done) {
        if (live)
          fmt::print(stderr, "\r{} of {} matrices{}", done, all, done == all ? "\n" : "");
        else if (done % kLineEach == 0)
          fmt::print(stderr, "{} of {} matrices\n", done, all);
      });
  if (!spectra.not_kept.empty()) fmt::print(stderr, "not cached: {}\n", spectra.not_kept);
  if (as_json)
    fmt::print("{}\n", to_json(file, sha256, spectra).dump(2, ' ', false, json::error_handler_t::replace));
  else
    print(spectra);
}

}  // namespace brinkmap::mpi
