#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "schedule/fields.h"

namespace brinkmap::schedule {
namespace {

// N of "blk.N."; 0 where there is none.
int block_of(const std::string& matrix) {
  int block = 0;
  if (const std::size_t dot = matrix.find('.'); dot != std::string::npos)
    std::from_chars(matrix.data() + dot + 1, matrix.data() + matrix.size(), block);
  return block;
}

}  // namespace

std::vector<std::string> all_matrices(const Facts& facts) {
  std::set<std::pair<int, std::string>> names;
  for (const ModelFacts& model : facts.models)
    for (const MatrixFacts& matrix : model.matrices) names.emplace(block_of(matrix.name), matrix.name);
  std::vector<std::string> out;
  for (const auto& name : names) out.push_back(name.second);
  return out;
}

std::vector<Field> spectra_unit_fields(const std::string& id) {
  const std::string p = id + "_";
  std::vector<Field> out;
  const auto number = [&](const char* name, const char* text) {
    out.push_back(make_field(p + name, DType::kF64, {}, "1", text));
  };
  // The names are those of worker::spectrum_fields().
  number("alpha", "exponent of the power law of the eigenvalues sigma^2 from xmin on, by maximum likelihood");
  number("xmin", "smallest eigenvalue of that law, where its Kolmogorov-Smirnov distance is least");
  number("distance", "that distance");
  number("sigma", "standard error of alpha");
  number("tail", "eigenvalues from xmin on");
  number("lambda_max", "largest eigenvalue");
  number("slope", "fall of ln sigma_k on ln k, k from 1 to half of the singular values");
  number("k90", "share of the singular values that holds 90 % of their sum");
  number("entropy", "effective rank exp(entropy of sigma / sum of sigma), over their number");
  number("stable_rank", "squared Frobenius norm / largest eigenvalue");
  number("kurtosis", "fourth standardized moment of the weights; 3 for normal ones");
  number("nf4_error", "Frobenius norm of what NF4 loses, over that of the weights");
  out.push_back(
      make_field(p + "histogram", DType::kI32, {{p + "bin", kSpectrumBins, {}}}, "1",
                 "eigenvalues by log10, in bins between the edges; the outer bins hold all beyond"));
  return out;
}

std::vector<Field> spectra_row_fields(const std::string& id) {
  return {make_field(id + "_bin_edge", DType::kF64, {{id + "_edge", kSpectrumBins + 1, {}}}, "1",
                     "borders of the bins of log10 of an eigenvalue")};
}

}  // namespace brinkmap::schedule
