#include "worker/spectrum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "kernels/blas.h"
#include "kernels/philox.h"
#include "worker/matrices.h"
#include "worker/power_law.h"

namespace brinkmap::worker {
namespace {

const std::string kFolder = BRINKMAP_SOURCE_DIR "/tests/data/spectra";

GgufTensor tensor_of(const std::vector<float>& weights, std::int64_t cols) {
  GgufTensor tensor;
  tensor.name = "blk.0.attn_q.weight";
  tensor.shape = {cols, static_cast<std::int64_t>(weights.size()) / cols};
  tensor.format = kernels::Format::kF32;
  tensor.data = std::as_bytes(std::span(weights));
  return tensor;
}

TEST(Spectrum, FitsWeightwatcherOnTenMatricesOfThreeShapes) {
  std::ifstream in(kFolder + "/expected.json");
  const nlohmann::json expected = nlohmann::json::parse(in).at("matrices");
  kernels::ThreadPool pool(2);
  std::size_t calls = 0;
  const auto spectra = compute_spectra(*Checkpoint::open(kFolder + "/matrices.gguf"), pool,
                                       [&](std::size_t done) { calls = done; });
  ASSERT_EQ(spectra.size(), 10u);
  EXPECT_EQ(calls, 10u);
  EXPECT_EQ(expected.size(), 10u);
  for (const MatrixSpectrum& s : spectra)
    for (const auto& entry : expected.at(s.name).items()) {
      const std::string& key = entry.key();
      const auto fields = spectrum_fields();
      const auto field =
          std::find_if(fields.begin(), fields.end(), [&](const SpectrumField& f) { return f.name == key; });
      ASSERT_NE(field, fields.end()) << key;
      EXPECT_NEAR(s.*field->value, entry.value().get<double>(), 1e-6 * std::abs(entry.value().get<double>()))
          << s.name << " " << key;
    }
}

TEST(Spectrum, DoesNotDependOnThreads) {
  kernels::pin_blas();
  const auto file = Checkpoint::open(kFolder + "/matrices.gguf");
  kernels::ThreadPool one(1), three(3);
  EXPECT_EQ(compute_spectra(*file, one), compute_spectra(*file, three));
}

TEST(Spectrum, OfADiagonalMatrixIsItsDiagonal) {
  std::vector<float> w(64 * 300);
  for (std::size_t i = 0; i < 64; ++i) w[i * 300 + i] = i == 0 ? 0.0f : -0.25f * static_cast<float>(i);
  const auto sigma = singular_values(tensor_of(w, 300));  // 64 rows: products of rows, in two stripes
  ASSERT_EQ(sigma.size(), 64u);
  for (std::size_t i = 0; i < 63; ++i) EXPECT_NEAR(sigma[i], 0.25 * static_cast<double>(63 - i), 1e-12);
  EXPECT_EQ(sigma[63], 0);
}

TEST(Spectrum, OfATransposedMatrixIsTheSame) {
  constexpr std::size_t kRows = 300, kCols = 64;
  std::vector<float> a(kRows * kCols), b(kRows * kCols);
  for (std::size_t i = 0; i < a.size(); ++i) {
    a[i] = static_cast<float>(kernels::RandomStream{3, 1}.normal(i));
    b[i % kCols * kRows + i / kCols] = a[i];
  }
  const auto sa = singular_values(tensor_of(a, kCols)), sb = singular_values(tensor_of(b, kRows));
  ASSERT_EQ(sa.size(), sb.size());
  for (std::size_t i = 0; i < sa.size(); ++i) EXPECT_NEAR(sa[i], sb[i], 1e-12 * sa[0]);
}

TEST(Spectrum, FiguresOfEqualSingularValuesAreKnown) {
  std::vector<float> w(64 * 64);
  for (std::size_t i = 0; i < 64; ++i) w[i * 65] = 2;
  const MatrixSpectrum s = matrix_spectrum(tensor_of(w, 64));
  EXPECT_DOUBLE_EQ(s.lambda_max, 4);
  EXPECT_NEAR(s.stable_rank, 64, 1e-12);
  EXPECT_NEAR(s.entropy, 1, 1e-12);
  EXPECT_NEAR(s.slope, 0, 1e-12);
  EXPECT_DOUBLE_EQ(s.k90, 58.0 / 64);  // 57 hold 89.06 %
  EXPECT_EQ(s.nf4_error, 0);           // 0 and the block's largest are levels
  EXPECT_TRUE(std::isnan(s.alpha)) << "equal values follow no power law";
  // Weights of mean m = 1/32, of which 1/64 are 2.
  const double m = 1.0 / 32, one = 2 - m, p = 1.0 / 64;
  const double second = p * one * one + (1 - p) * m * m;
  EXPECT_NEAR(s.kurtosis, (p * std::pow(one, 4) + (1 - p) * std::pow(m, 4)) / (second * second), 1e-9);
}

TEST(Spectrum, OfBrokenWeightsHasNoFigures) {
  std::vector<float> w(64 * 64, 1.0f);
  w[7] = std::numeric_limits<float>::infinity();
  const MatrixSpectrum s = matrix_spectrum(tensor_of(w, 64));
  for (const SpectrumField& field : spectrum_fields()) EXPECT_TRUE(std::isnan(s.*field.value)) << field.name;
}

TEST(PowerLaw, FindsTheExponentOfAnExactTail) {
  // Quantiles of x^-3 from 1 on: x = (1 - u)^(-1/2).
  std::vector<double> x;
  for (int i = 0; i < 2000; ++i) x.push_back(std::pow(1 - i / 2000.0, -0.5));
  const auto law = fit_power_law(x);
  ASSERT_TRUE(law);
  EXPECT_NEAR(law->alpha, 3, 0.01);
  EXPECT_NEAR(law->sigma, (law->alpha - 1) / std::sqrt(static_cast<double>(law->tail)), 1e-12);
}

TEST(PowerLaw, NeedsEightEigenvaluesAboveNothing) {
  EXPECT_FALSE(fit_power_law({1, 2, 3, 4, 5, 6, 7}));
  EXPECT_FALSE(fit_power_law(std::vector<double>(30, 1e-6)));
  EXPECT_FALSE(fit_power_law(std::vector<double>(30, 2.0)));
}

TEST(PowerLaw, OfFewEigenvaluesIsUnbiased) {
  const auto law = fit_power_law({1, 2, 3, 4, 6, 8, 12, 20, 40, 100});
  ASSERT_TRUE(law);  // weightwatcher 0.7.7: WWFit of these ten
  EXPECT_NEAR(law->alpha, 1.617180656411022, 1e-12);
  EXPECT_EQ(law->xmin, 3);
  EXPECT_NEAR(law->distance, 0.09805627484172108, 1e-12);
}

TEST(Matrices, AreOrderedByLayerWhateverTheFile) {
  EXPECT_EQ(layer_of("blk.12.attn_q.weight"), 12);
  EXPECT_EQ(layer_of("blk.x.attn_q.weight"), -1);
  EXPECT_EQ(layer_of("output.weight"), -1);
  EXPECT_EQ(module_name("blk.12.attn_q.weight"), "blk.12.attn_q");
  EXPECT_EQ(module_type("blk.12.attn_q.weight"), "attn_q");
  EXPECT_EQ(module_type("output.weight"), "output");
  const auto file = Checkpoint::open(kFolder + "/matrices.gguf");
  std::vector<std::string> names;
  for (const GgufTensor* t : block_matrices(*file)) names.push_back(t->name);
  EXPECT_EQ(names.front(), "blk.0.attn_q.weight");
  EXPECT_EQ(names[1], "blk.0.ffn_down.weight");
  EXPECT_EQ(names.back(), "blk.3.attn_q.weight");
}

}  // namespace
}  // namespace brinkmap::worker
