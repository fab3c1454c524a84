#include "worker/spectrum.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <exception>
#include <mutex>
#include <numeric>

#include "kernels/blas.h"
#include "kernels/format.h"
#include "worker/matrices.h"
#include "worker/power_law.h"

namespace brinkmap::worker {

namespace {

constexpr std::int64_t kStripeRows = 256;
constexpr std::int64_t kStripeCols = 256;  // a multiple of every format's block
constexpr double kNoise = 1e-14;           // eigenvalues below this share of the largest

constexpr std::array kFields{
    SpectrumField{"alpha", &MatrixSpectrum::alpha},
    SpectrumField{"xmin", &MatrixSpectrum::xmin},
    SpectrumField{"distance", &MatrixSpectrum::distance},
    SpectrumField{"sigma", &MatrixSpectrum::sigma},
    SpectrumField{"tail", &MatrixSpectrum::tail},
    SpectrumField{"lambda_max", &MatrixSpectrum::lambda_max},
    SpectrumField{"slope", &MatrixSpectrum::slope},
    SpectrumField{"k90", &MatrixSpectrum::k90},
    SpectrumField{"entropy", &MatrixSpectrum::entropy},
    SpectrumField{"stable_rank", &MatrixSpectrum::stable_rank},
    SpectrumField{"kurtosis", &MatrixSpectrum::kurtosis},
    SpectrumField{"nf4_error", &MatrixSpectrum::nf4_error},
};

std::int64_t rows_of(const GgufTensor& tensor) { return tensor.elements() / tensor.shape[0]; }

// Weights [row, row + m) x [col, col + n) as f64; col and n lie on whole blocks.
class Stripe {
 public:
  explicit Stripe(const GgufTensor& tensor) : tensor_(tensor) {}

  const double* read(std::int64_t row, std::int64_t m, std::int64_t col, std::int64_t n) {
    values_.resize(static_cast<std::size_t>(m * n));
    line_.resize(static_cast<std::size_t>(n));
    for (std::int64_t i = 0; i < m; ++i) {
      const std::int64_t first = (row + i) * tensor_.shape[0] + col;
      kernels::dequantize(tensor_.format, tensor_.data.data() + kernels::row_bytes(tensor_.format, first),
                          line_.data(), n);
      std::copy(line_.begin(), line_.end(), values_.begin() + i * n);
    }
    return values_.data();
  }

 private:
  const GgufTensor& tensor_;
  std::vector<float> line_;
  std::vector<double> values_;
};

// Moments of the weights and what NF4 makes of them, row by row.
void weigh(const GgufTensor& tensor, MatrixSpectrum& out) {
  const std::int64_t cols = tensor.shape[0], rows = rows_of(tensor);
  const auto count = static_cast<double>(tensor.elements());
  std::vector<float> row(static_cast<std::size_t>(cols)), nf4(row.size());
  const bool blocks = cols % kernels::format_info(kernels::Format::kNF4).block == 0;
  std::vector<std::byte> packed(blocks ? kernels::row_bytes(kernels::Format::kNF4, cols) : 0);
  const auto read = [&](std::int64_t r) {
    kernels::dequantize(tensor.format, tensor.data.data() + kernels::row_bytes(tensor.format, r * cols),
                        row.data(), cols);
  };
  double sum = 0, squares = 0, lost = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    read(r);
    for (const float w : row) {
      sum += static_cast<double>(w);
      squares += static_cast<double>(w) * static_cast<double>(w);
    }
    if (!blocks) continue;
    kernels::quantize(kernels::Format::kNF4, row.data(), packed.data(), cols);
    kernels::dequantize(kernels::Format::kNF4, packed.data(), nf4.data(), cols);
    for (std::size_t i = 0; i < row.size(); ++i) {
      const double d = static_cast<double>(row[i]) - static_cast<double>(nf4[i]);
      lost += d * d;
    }
  }
  if (blocks && squares > 0) out.nf4_error = std::sqrt(lost / squares);
  const double mean = sum / count;
  double second = 0, fourth = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    read(r);
    for (const float w : row) {
      const double d = (static_cast<double>(w) - mean) * (static_cast<double>(w) - mean);
      second += d;
      fourth += d * d;
    }
  }
  if (second > 0) out.kurtosis = fourth * count / (second * second);
}

// Least squares over the pairs (ln k, ln sigma_k), k from 1 to half of them, zeros left out.
double decay(const std::vector<double>& sigma) {
  double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
  for (std::size_t k = 1; k <= sigma.size() / 2 && sigma[k - 1] > 0; ++k) {
    const double x = std::log(static_cast<double>(k)), y = std::log(sigma[k - 1]);
    n += 1;
    sx += x;
    sy += y;
    sxx += x * x;
    sxy += x * y;
  }
  return n < 2 ? MatrixSpectrum::kNone : -(n * sxy - sx * sy) / (n * sxx - sx * sx);
}

void describe(const std::vector<double>& sigma, MatrixSpectrum& out) {
  const double total = std::accumulate(sigma.begin(), sigma.end(), 0.0);
  if (!(total > 0)) return;
  const auto count = static_cast<double>(sigma.size());
  std::vector<double> eigenvalues;
  double energy = 0, entropy = 0, sum = 0;
  std::size_t k90 = 0;
  for (const double s : sigma) {
    eigenvalues.push_back(s * s);
    energy += s * s;
    if (s > 0) entropy -= s / total * std::log(s / total);
    if (sum < 0.9 * total) ++k90;
    sum += s;
  }
  out.lambda_max = eigenvalues.front();
  out.slope = decay(sigma);
  out.k90 = static_cast<double>(k90) / count;
  out.entropy = std::exp(entropy) / count;
  out.stable_rank = energy / out.lambda_max;
  if (const auto law = fit_power_law(std::move(eigenvalues))) {
    out.alpha = law->alpha;
    out.xmin = law->xmin;
    out.distance = law->distance;
    out.sigma = law->sigma;
    out.tail = static_cast<double>(law->tail);
  }
}

}  // namespace

std::span<const SpectrumField> spectrum_fields() { return kFields; }

std::vector<double> singular_values(const GgufTensor& tensor) {
  const std::int64_t cols = tensor.shape[0], rows = rows_of(tensor), side = std::min(rows, cols);
  if (side > kMostSingularValues) return {};
  std::vector<double> gram(static_cast<std::size_t>(side * side));
  Stripe stripe(tensor);
  if (cols <= rows) {
    for (std::int64_t r = 0; r < rows; r += kStripeRows) {
      const std::int64_t m = std::min(kStripeRows, rows - r);
      kernels::add_column_products(m, cols, stripe.read(r, m, 0, cols), gram.data());
    }
  } else {
    for (std::int64_t c = 0; c < cols; c += kStripeCols) {
      const std::int64_t n = std::min(kStripeCols, cols - c);
      kernels::add_row_products(rows, n, stripe.read(0, rows, c, n), gram.data());
    }
  }
  for (std::int64_t i = 0; i < side; ++i)
    if (!std::isfinite(gram[static_cast<std::size_t>(i * (side + 1))])) return {};
  std::vector<double> values = kernels::symmetric_eigenvalues(side, gram.data());
  std::reverse(values.begin(), values.end());
  const double noise = values.empty() ? 0 : kNoise * values.front();
  for (double& value : values) value = value > noise ? std::sqrt(value) : 0;
  return values;
}

MatrixSpectrum matrix_spectrum(const GgufTensor& tensor) {
  return matrix_spectrum(tensor, singular_values(tensor));
}

MatrixSpectrum matrix_spectrum(const GgufTensor& tensor, const std::vector<double>& sigma) {
  MatrixSpectrum out;
  out.name = tensor.name;
  out.rows = rows_of(tensor);
  out.cols = tensor.shape[0];
  if (sigma.empty()) return out;
  describe(sigma, out);
  weigh(tensor, out);
  return out;
}

std::vector<MatrixSpectrum> compute_spectra(const Checkpoint& file, kernels::ThreadPool& pool,
                                            const std::function<void(std::size_t done)>& progress) {
  const std::vector<const GgufTensor*> matrices = block_matrices(file);
  // The largest first, so that no thread is left alone with one.
  std::vector<std::size_t> order(matrices.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return matrices[a]->elements() > matrices[b]->elements();
  });
  std::vector<MatrixSpectrum> spectra(matrices.size());
  std::mutex mutex;
  std::exception_ptr problem;  // a task must not throw
  std::size_t done = 0;
  pool.parallel_for(static_cast<std::int64_t>(order.size()), [&](std::int64_t task, int) {
    const std::size_t i = order[static_cast<std::size_t>(task)];
    try {
      spectra[i] = matrix_spectrum(*matrices[i]);
      const std::lock_guard lock(mutex);
      if (progress) progress(++done);
    } catch (...) {
      const std::lock_guard lock(mutex);
      problem = std::current_exception();
    }
  });
  if (problem) std::rethrow_exception(problem);
  return spectra;
}

}  // namespace brinkmap::worker
