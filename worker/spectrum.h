#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/thread_pool.h"
#include "worker/checkpoint.h"

// Singular values of weight matrices, and the figures that are made of them.
namespace brinkmap::worker {

// Larger smaller sides take above 2 GiB for the Gram matrix; such a matrix has no figures.
inline constexpr std::int64_t kMostSingularValues = 16384;

// Singular values, largest first, of a matrix whose rows are tensor.shape[0] long (further dimensions are
// stacked). From the Gram matrix of the smaller side in f64: what is below 1e-7 of the largest is rounding
// and reads 0. The bits depend on the BLAS core type. Empty above kMostSingularValues and for a matrix with a
// NaN or infinity.
std::vector<double> singular_values(const GgufTensor& tensor);

// Figures of one matrix; NaN where there is none. M: the smaller side; sigma: singular values.
struct MatrixSpectrum {
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

  std::string name;  // of the tensor
  std::int64_t rows = 0, cols = 0;
  // The power law of the eigenvalues sigma^2 (power_law.h).
  double alpha = kNone, xmin = kNone, distance = kNone, sigma = kNone, tail = kNone;
  double lambda_max = kNone;   // largest eigenvalue
  double slope = kNone;        // -d ln(sigma_k) / d ln(k) by least squares over k = 1 .. M/2
  double k90 = kNone;          // singular values that hold 90 % of their sum, over M
  double entropy = kNone;      // effective rank exp(-sum p ln p), p = sigma / sum of sigma, over M
  double stable_rank = kNone;  // |W|_F^2 / sigma_1^2
  double kurtosis = kNone;     // fourth standardized moment of the weights; 3 for normal ones
  double nf4_error = kNone;    // |W - NF4(W)|_F / |W|_F, blocks of 64; none where rows are no whole blocks

  bool operator==(const MatrixSpectrum&) const = default;
};

// Every figure by the name that tables, files and recipes use.
struct SpectrumField {
  std::string_view name;
  double MatrixSpectrum::*value;
};
std::span<const SpectrumField> spectrum_fields();

MatrixSpectrum matrix_spectrum(const GgufTensor& tensor);
// The same from the matrix's singular values.
MatrixSpectrum matrix_spectrum(const GgufTensor& tensor, const std::vector<double>& sigma);

// A way to compute the spectra of a model: compute_spectra, or one that shares them with other processes.
using ComputeSpectra = std::function<std::vector<MatrixSpectrum>(
    const Checkpoint&, kernels::ThreadPool&, const std::function<void(std::size_t done)>& progress)>;

// Of every matrix of the blocks, in the order of block_matrices(). A thread takes a matrix at a time.
// `progress`, if any, is called with how many are done, one call at a time.
std::vector<MatrixSpectrum> compute_spectra(const Checkpoint& file, kernels::ThreadPool& pool,
                                            const std::function<void(std::size_t done)>& progress = {});

}  // namespace brinkmap::worker
