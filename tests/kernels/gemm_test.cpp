#include "kernels/gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/activation.h"
#include "kernels/half.h"
#include "tests/kernels/random_blocks.h"

namespace brinkmap::kernels {
namespace {

using Kind = ActivationBatch::Kind;

std::vector<float> random_activations(std::int64_t n, std::int64_t cols, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<std::size_t>(n * cols));
  for (float& value : x) value = normal(random) * (random() % 50 == 0 ? 20.0f : 1.0f);
  return x;
}

struct Problem {
  Format format;
  std::int64_t rows, cols, n;
  std::vector<std::byte> weights = tests::random_blocks(format, rows, cols, 7);
  std::vector<float> x = random_activations(n, cols, 11);

  WeightView view() const { return {format, weights.data(), rows, cols}; }

  // Rows [first, first + count) of X times the weights; y is [count, rows].
  std::vector<float> run(Kind kind, Isa isa, int threads, std::int64_t first, std::int64_t count) const {
    ThreadPool pool(threads);
    ActivationBatch batch;
    batch.load(x.data() + first * cols, count, cols, cols, kind);
    std::vector<float> y(static_cast<std::size_t>(count * rows), std::numeric_limits<float>::quiet_NaN());
    gemm(view(), batch, y.data(), rows, pool, isa);
    return y;
  }
};

bool same_bits(const float* a, const float* b, std::int64_t n) {
  return std::memcmp(a, b, static_cast<std::size_t>(n) * sizeof(float)) == 0;
}

std::string label(Format format, Kind kind, Isa isa) {
  return std::string(format_info(format).name) + (kind == Kind::kQ8 ? " q8 " : " f32 ") +
         std::string(isa_name(isa));
}

// What a column of activations is worth after quantization, and what its rounding may add to a product with
// min m.
struct Column {
  std::vector<double> value;
  std::vector<double> min_slack;  // per block of 32: |s| 2^-11, the rounding of Q8_1's sum to binary16
};

Column quantized_column(const float* x, std::int64_t cols, const CodeLayout* layout, Kind kind) {
  Column column{std::vector<double>(x, x + cols), {}};
  if (layout == nullptr || kind == Kind::kF32) return column;
  for (std::int64_t k = 0; k < cols; k += layout->block) {
    std::int8_t codes[256];
    float d = layout->block == 32 ? quantize_block_q8(gemm_kernels_scalar(), x + k, codes)
                                  : quantize_block_q8_k(gemm_kernels_scalar(), x + k, codes);
    double sum = 0;
    for (int i = 0; i < layout->block; ++i) sum += codes[i];
    if (layout->block == 32) {
      // The sum is taken with d before its rounding to binary16, the products with d after.
      column.min_slack.push_back(std::abs(sum * static_cast<double>(d)) * 0x1p-9 + 0x1p-24);
      d = f16_to_f32(f32_to_f16(d));
    }
    for (int i = 0; i < layout->block; ++i)
      column.value[static_cast<std::size_t>(k + i)] = static_cast<double>(d) * codes[i];
  }
  return column;
}

void check_against_f64(const Problem& p, Kind kind, Isa isa) {
  const std::vector<float> y = p.run(kind, isa, 2, 0, p.n);
  const CodeLayout* layout = code_layout(p.format);
  const FormatInfo& info = format_info(p.format);
  const bool mins = layout != nullptr && layout->min_group != 0 && layout->block == 32 && kind == Kind::kQ8;
  std::vector<float> w(static_cast<std::size_t>(p.cols));
  for (std::int64_t t = 0; t < p.n; ++t) {
    const Column column = quantized_column(p.x.data() + t * p.cols, p.cols, layout, kind);
    for (std::int64_t r = 0; r < p.rows; ++r) {
      const std::byte* row = p.weights.data() + static_cast<std::size_t>(r) * row_bytes(p.format, p.cols);
      dequantize(p.format, row, w.data(), p.cols);
      double exact = 0, magnitude = 0, slack = 0;
      for (std::int64_t k = 0; k < p.cols; ++k) {
        const double product =
            static_cast<double>(w[static_cast<std::size_t>(k)]) * column.value[static_cast<std::size_t>(k)];
        exact += product;
        magnitude += std::abs(product);
      }
      for (std::int64_t b = 0; mins && b < p.cols / 32; ++b) {
        const std::byte* block = row + row_bytes(p.format, b * 32 / info.block * info.block);
        const float min = tests::min_of(tests::scale_places(p.format), block);
        slack += std::abs(static_cast<double>(min)) * column.min_slack[static_cast<std::size_t>(b)];
      }
      // Products with scale and min apart can be larger than the weight they give: at most by the range of
      // the codes.
      const double split = layout != nullptr && layout->min_group != 0 ? 16.0 : 1.0;
      const double depth = kF32Pass + static_cast<double>(p.cols) / 16;
      const double tolerance = magnitude * split * depth * std::numeric_limits<float>::epsilon() + slack;
      ASSERT_NEAR(y[static_cast<std::size_t>(t * p.rows + r)], exact, tolerance)
          << label(p.format, kind, isa) << " row " << r << " column " << t << " of " << p.rows << "x"
          << p.cols;
    }
  }
}

TEST(Gemm, EqualsTheProductInDoublePrecision) {
  for (Isa isa : supported_isas())
    for (Format format : tests::kAllFormats)
      for (Kind kind : {Kind::kQ8, Kind::kF32}) {
        const std::int64_t block = format_info(format).block;
        for (std::int64_t rows : {1, 16, 33, 70})
          for (std::int64_t cols : {block == 1 ? 37 : block, block == 1 ? 300 : block * 3, std::int64_t{768}})
            check_against_f64(Problem{format, rows, cols, rows == 33 ? 14 : 2}, kind, isa);
      }
}

TEST(Gemm, GivesAColumnTheSameBitsAloneAndInABatchOf300) {
  for (Isa isa : supported_isas())
    for (Format format : tests::kAllFormats)
      for (Kind kind : {Kind::kQ8, Kind::kF32}) {
        const bool scalar = isa == Isa::kScalar;  // slow: a smaller batch
        const Problem p{format, 20, scalar ? 256 : 512, scalar ? 140 : 300};
        const std::vector<float> all = p.run(kind, isa, 1, 0, p.n);
        for (std::int64_t column : {std::int64_t{0}, std::int64_t{137}, p.n - 1}) {
          const std::vector<float> alone = p.run(kind, isa, 1, column, 1);
          ASSERT_TRUE(same_bits(alone.data(), all.data() + column * p.rows, p.rows))
              << label(format, kind, isa) << " column " << column;
        }
        const std::vector<float> pair = p.run(kind, isa, 1, 136, 2);
        ASSERT_TRUE(same_bits(pair.data(), all.data() + 136 * p.rows, 2 * p.rows))
            << label(format, kind, isa);
      }
}

TEST(Gemm, GivesTheSameBitsWithOneAndSevenThreads) {
  for (Isa isa : supported_isas())
    for (Format format : tests::kAllFormats)
      for (Kind kind : {Kind::kQ8, Kind::kF32}) {
        const Problem p{format, 70, isa == Isa::kScalar ? 256 : 512, 50};
        const std::vector<float> one = p.run(kind, isa, 1, 0, p.n);
        const std::vector<float> seven = p.run(kind, isa, 7, 0, p.n);
        ASSERT_TRUE(same_bits(one.data(), seven.data(), p.n * p.rows)) << label(format, kind, isa);
      }
}

TEST(Gemm, GivesTheSameBitsWithEveryInstructionSet) {
  for (Format format : tests::kAllFormats)
    for (Kind kind : {Kind::kQ8, Kind::kF32})
      for (std::int64_t n : {1, 2, 5, 23}) {
        const Problem p{format, 50, 512, n};
        const std::vector<float> scalar = p.run(kind, Isa::kScalar, 1, 0, n);
        for (Isa isa : supported_isas()) {
          const std::vector<float> y = p.run(kind, isa, 2, 0, n);
          ASSERT_TRUE(same_bits(scalar.data(), y.data(), n * p.rows))
              << label(format, kind, isa) << " n " << n;
        }
      }
}

// Largest codes against largest activations of one sign: 16-bit sums inside a version would saturate here.
TEST(Gemm, KeepsTheIntegerDotExactAtTheExtremes) {
  for (Format format : tests::kAllFormats) {
    if (code_layout(format) == nullptr) continue;
    Problem p{format, 32, 512, 3};
    const tests::ScalePlaces places = tests::scale_places(format);
    for (std::uint8_t fill : {0x00, 0x80, 0xff}) {
      for (std::byte& b : p.weights) b = std::byte{fill};
      for (std::size_t at = 0; at < p.weights.size();
           at += static_cast<std::size_t>(format_info(format).bytes))
        for (int place : {places.scale, places.min})
          tests::put_scale(places, p.weights.data() + at, place, 1.0f);
      for (std::size_t i = 0; i < p.x.size(); ++i)
        p.x[i] = i < 512 ? 1.0f : i < 1024 ? -1.0f : i % 2 ? 1.0f : -1.0f;
      const std::vector<float> scalar = p.run(Kind::kQ8, Isa::kScalar, 1, 0, 3);
      for (Isa isa : supported_isas()) {
        check_against_f64(p, Kind::kQ8, isa);
        const std::vector<float> y = p.run(Kind::kQ8, isa, 1, 0, 3);
        ASSERT_TRUE(same_bits(scalar.data(), y.data(), 3 * p.rows)) << label(format, Kind::kQ8, isa);
      }
    }
  }
}

// Weights stored in another column order give what the permuted activations give, bit for bit.
TEST(Gemm, MeetsActivationsInTheOrderOfTheStoredColumns) {
  for (Isa isa : supported_isas())
    for (Format format : {Format::kAffine4_32, Format::kAffine8_128, Format::kNF4, Format::kF32})
      for (Kind kind : {Kind::kQ8, Kind::kF32}) {
        Problem p{format, 40, 384, 9};
        std::vector<std::int32_t> order(384);
        for (std::int32_t j = 0; j < 384; ++j) order[static_cast<std::size_t>(j)] = (j * 131 + 7) % 384;
        WeightView view = p.view();
        view.order = order.data();
        ThreadPool pool(2);
        ActivationBatch batch;
        std::vector<float> y(9 * 40), again(9 * 40);
        batch.load(p.x.data(), p.n, p.cols, p.cols, kind);
        gemm(view, batch, y.data(), p.rows, pool, isa);
        view.order = nullptr;
        gemm(view, batch, again.data(), p.rows, pool, isa);
        ASSERT_TRUE(same_bits(again.data(), p.run(kind, isa, 1, 0, 9).data(), 9 * 40)) << "batch changed";
        const std::vector<float> x = p.x;
        for (std::size_t i = 0; i < x.size(); ++i)
          p.x[i] = x[i / 384 * 384 + static_cast<std::size_t>(order[i % 384])];
        const std::vector<float> expected = p.run(kind, isa, 1, 0, 9);
        ASSERT_TRUE(same_bits(y.data(), expected.data(), 9 * 40)) << label(format, kind, isa);
      }
}

TEST(Gemm, LeavesWhatIsNotItsOwnAlone) {
  for (Isa isa : supported_isas()) {
    const Problem p{Format::kQ8_0, 40, 64, 9};
    ThreadPool pool(2);
    ActivationBatch batch;
    batch.load(p.x.data(), p.n, p.cols, p.cols, Kind::kQ8);
    const std::int64_t ldy = 45;
    std::vector<float> y(static_cast<std::size_t>(p.n * ldy), 123.0f);
    gemm(p.view(), batch, y.data(), ldy, pool, isa);
    const std::vector<float> tight = p.run(Kind::kQ8, isa, 1, 0, p.n);
    for (std::int64_t t = 0; t < p.n; ++t) {
      EXPECT_TRUE(same_bits(y.data() + t * ldy, tight.data() + t * p.rows, p.rows));
      for (std::int64_t r = p.rows; r < ldy; ++r) EXPECT_EQ(y[static_cast<std::size_t>(t * ldy + r)], 123.0f);
    }
  }
}

TEST(Gemm, AcceptsAnEmptyBatch) {
  const Problem p{Format::kQ4_K, 32, 256, 0};
  for (Isa isa : supported_isas())
    for (Kind kind : {Kind::kQ8, Kind::kF32}) EXPECT_TRUE(p.run(kind, isa, 2, 0, 0).empty());
}

TEST(Gemm, ReadsABatchAgainAfterLoad) {
  for (Isa isa : supported_isas()) {
    const Problem p{Format::kQ6_K, 32, 512, 20};
    const Problem q{Format::kQ4_0, 32, 512, 20};
    ThreadPool pool(2);
    ActivationBatch batch;
    std::vector<float> y(static_cast<std::size_t>(20 * 32));
    for (std::int64_t n : {20, 3, 20})
      for (const Problem* problem : {&p, &q, &p}) {
        batch.load(problem->x.data(), n, problem->cols, problem->cols, Kind::kQ8);
        gemm(problem->view(), batch, y.data(), problem->rows, pool, isa);
        const std::vector<float> fresh = problem->run(Kind::kQ8, isa, 1, 0, n);
        EXPECT_TRUE(same_bits(y.data(), fresh.data(), n * problem->rows));
      }
  }
}

TEST(Gemm, HandsOnANaNOrInfinityInWeightsAndActivations) {
  const float bad[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()};
  for (Isa isa : supported_isas())
    for (Format format : {Format::kQ8_0, Format::kQ4_K, Format::kBF16})
      for (Kind kind : {Kind::kQ8, Kind::kF32})
        for (float value : bad) {
          Problem p{format, 8, 512, 2};
          p.x[300] = value;
          const std::vector<float> y = p.run(kind, isa, 1, 0, 2);
          for (int r = 0; r < 8; ++r) {
            EXPECT_FALSE(std::isfinite(y[static_cast<std::size_t>(r)])) << label(format, kind, isa);
            EXPECT_TRUE(std::isfinite(y[static_cast<std::size_t>(8 + r)])) << label(format, kind, isa);
          }
        }
}

}  // namespace
}  // namespace brinkmap::kernels
