#include "worker/run_spectra.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "kernels/blas.h"
#include "schedule/error.h"
#include "worker/matrices.h"
#include "worker/spectrum.h"

namespace brinkmap::worker {
namespace {

using schedule::DType;
using schedule::Field;
using schedule::kSpectrumBins;

std::vector<Field> fields() {
  std::vector<Field> out;
  for (const SpectrumField& field : spectrum_fields())
    out.push_back({"s_" + std::string(field.name), DType::kF64, {}, "1", "", std::nan(""), {}});
  out.push_back({"s_histogram", DType::kI32, {{"s_bin", kSpectrumBins, {}}}, "1", "", -1, {}});
  return out;
}

class RunSpectra : public testing::Test {
 protected:
  RunSpectra() {
    kernels::pin_blas();
    spec_.kind = schedule::ExperimentKind::kSpectra;
    for (const GgufTensor* tensor : block_matrices(*model_))
      spec_.matrices.emplace_back(module_name(tensor->name));
  }

  std::vector<schedule::Slab> run(std::uint32_t begin, std::uint32_t end, int threads) {
    schedule::Unit unit;
    unit.begin = begin;
    unit.end = end;
    kernels::ThreadPool pool(threads);
    const std::vector<Field> all = fields();
    schedule::SlabSet slabs(all, end - begin);
    run_spectra(spec_, unit, *model_, pool, slabs);
    return slabs.take();
  }

  std::shared_ptr<const Checkpoint> model_ =
      Checkpoint::open(BRINKMAP_SOURCE_DIR "/tests/data/spectra/matrices.gguf");
  schedule::ExperimentSpec spec_;
};

template <class T>
T at(const schedule::Slab& slab, std::size_t i) {
  return reinterpret_cast<const T*>(slab.bytes.data())[i];
}

TEST(SpectrumHistogram, CountsEverySingularValueOnce) {
  const std::vector<double> sigma{1, 1, 0, 1e-9, 1e9, 10};
  const auto counts = spectrum_histogram(sigma);
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0), 6);
  EXPECT_EQ(counts[0], 2) << "zero and what is below the first bin";
  EXPECT_EQ(counts[20], 2) << "log10 of 1 opens the upper half";
  EXPECT_EQ(counts[26], 1) << "an eigenvalue of 100: (2 + 6) / 0.3";
  EXPECT_EQ(counts[39], 1);
}

TEST_F(RunSpectra, GivesTheFiguresOfEachMatrix) {
  const auto n = static_cast<std::uint32_t>(spec_.matrices.size());
  ASSERT_GE(n, 4u);
  const std::vector<schedule::Slab> slabs = run(1, 4, 2);
  for (std::size_t i = 0; i < 3; ++i) {
    const GgufTensor& tensor = *block_matrices(*model_)[i + 1];
    const MatrixSpectrum expected = matrix_spectrum(tensor);
    EXPECT_EQ(at<double>(slabs[0], i), expected.alpha);
    EXPECT_EQ(at<double>(slabs[spectrum_fields().size() - 1], i), expected.nf4_error);
    int count = 0;
    for (int b = 0; b < kSpectrumBins; ++b) {
      const auto bin = i * kSpectrumBins + static_cast<std::size_t>(b);
      count += at<std::int32_t>(slabs.back(), bin);
    }
    EXPECT_EQ(count, std::min(expected.rows, expected.cols));
  }
}

TEST_F(RunSpectra, GivesTheSameBitsForAnyCutAndThreads) {
  const auto n = static_cast<std::uint32_t>(spec_.matrices.size());
  const std::vector<schedule::Slab> whole = run(0, n, 3), last = run(n - 1, n, 1);
  for (std::size_t f = 0; f < whole.size(); ++f) {
    const std::size_t size = last[f].bytes.size();
    EXPECT_TRUE(std::equal(last[f].bytes.begin(), last[f].bytes.end(),
                           whole[f].bytes.end() - static_cast<std::ptrdiff_t>(size)));
  }
}

TEST_F(RunSpectra, LeavesMatricesThatTheModelLacksUnset) {
  spec_.matrices[1] = "blk.99.attn_q";
  const std::vector<schedule::Slab> slabs = run(0, 2, 1);
  EXPECT_TRUE(std::isfinite(at<double>(slabs[0], 0)));
  EXPECT_TRUE(std::isnan(at<double>(slabs[0], 1)));
  EXPECT_EQ(at<std::int32_t>(slabs.back(), kSpectrumBins), -1);
  EXPECT_THROW(run(0, static_cast<std::uint32_t>(spec_.matrices.size()) + 1, 1), Error);
}

}  // namespace
}  // namespace brinkmap::worker
