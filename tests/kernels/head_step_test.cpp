#include "kernels/head_step.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numbers>
#include <vector>

#include "kernels/philox.h"

namespace brinkmap::kernels {
namespace {

// 64-byte aligned floats.
struct alignas(64) Line {
  float x[16];
};
class Floats {
 public:
  explicit Floats(std::int64_t n, float value = 0)
      : lines_(static_cast<std::size_t>((n + 15) / 16)), size_(n) {
    for (std::int64_t i = 0; i < n; ++i) (*this)[i] = value;
  }
  float* data() { return lines_.empty() ? nullptr : lines_.front().x; }
  float& operator[](std::int64_t i) {
    return lines_[static_cast<std::size_t>(i / 16)].x[static_cast<std::size_t>(i % 16)];
  }
  bool same(Floats& other) {
    return std::memcmp(data(), other.data(), static_cast<std::size_t>(size_) * 4) == 0;
  }

 private:
  std::vector<Line> lines_;
  std::int64_t size_;
};

Floats random_floats(std::int64_t n, std::uint64_t stream, double scale) {
  Floats f(n);
  const RandomStream random{5, stream};
  for (std::int64_t i = 0; i < n; ++i)
    f[i] = static_cast<float>(scale * random.normal(static_cast<std::uint64_t>(i)));
  return f;
}

// A plain head with d inputs and h hidden units, and the same head in the padded layouts.
struct Head {
  static constexpr std::int64_t kD = 37, kH = 40, kN = 11;
  HeadShape shape{kN, head_inputs(kD), head_panels(kH)};
  std::vector<double> x, w1, b1, w2, b2;  // [n, d], [h, d], [h], [c, h], [c]
  std::vector<int> label;
  Floats packed{shape.inputs * shape.padded_rows()}, w{shape.inputs * shape.hidden()}, bias{shape.hidden()};
  Floats output_w{kHeadClasses * shape.hidden()}, output_bias{16};

  Head() {
    const auto draw = [](std::size_t n, std::uint64_t stream, double scale) {
      std::vector<double> v(n);
      for (std::size_t i = 0; i < n; ++i)
        v[i] = static_cast<float>(scale * RandomStream{9, stream}.normal(i));  // exact in f32
      return v;
    };
    x = draw(kN * kD, 1, 1.0);
    w1 = draw(kH * kD, 2, 0.3);
    b1 = draw(kH, 3, 0.3);
    w2 = draw(kHeadClasses * kH, 4, 0.3);
    b2 = draw(kHeadClasses, 5, 0.3);
    for (int i = 0; i < kN; ++i) label.push_back(i % 3);
    for (std::int64_t h = 0; h < kH; ++h) {
      for (std::int64_t d = 0; d < kD; ++d)
        w[(h / kHeadPanel * shape.inputs + d) * kHeadPanel + h % kHeadPanel] =
            static_cast<float>(w1[static_cast<std::size_t>(h * kD + d)]);
      bias[h] = static_cast<float>(b1[static_cast<std::size_t>(h)]);
      for (std::int64_t c = 0; c < kHeadClasses; ++c)
        output_w[c * shape.hidden() + h] = static_cast<float>(w2[static_cast<std::size_t>(c * kH + h)]);
    }
    for (int c = 0; c < kHeadClasses; ++c)
      output_bias[c] = static_cast<float>(b2[static_cast<std::size_t>(c)]);
    Floats rows(kN * shape.inputs);
    std::vector<const float*> at;
    for (std::int64_t i = 0; i < kN; ++i) {
      for (std::int64_t d = 0; d < kD; ++d)
        rows[i * shape.inputs + d] = static_cast<float>(x[static_cast<std::size_t>(i * kD + d)]);
      at.push_back(rows.data() + i * shape.inputs);
    }
    pack_head_batch(at.data(), kN, shape.inputs, packed.data());
  }

  // Mean cross-entropy in double precision, from the definition of every piece.
  double loss() const {
    double sum = 0;
    for (std::size_t i = 0; i < kN; ++i) {
      double logit[kHeadClasses] = {b2[0], b2[1], b2[2]};
      for (std::size_t h = 0; h < kH; ++h) {
        double z = b1[h];
        for (std::size_t d = 0; d < kD; ++d) z += w1[h * kD + d] * x[i * kD + d];
        const double a = z * 0.5 * (1 + std::erf(z / std::numbers::sqrt2));
        for (std::size_t c = 0; c < kHeadClasses; ++c) logit[c] += a * w2[c * kH + h];
      }
      double total = 0;
      for (double l : logit) total += std::exp(l);
      sum += std::log(total) - logit[static_cast<std::size_t>(label[i])];
    }
    return sum / kN;
  }

  double slope(double& weight) {
    const double h = 1e-5, kept = weight;
    weight = kept + h;
    const double up = loss();
    weight = kept - h;
    const double down = loss();
    weight = kept;
    return (up - down) / (2 * h);
  }
};

class HeadStep : public testing::TestWithParam<Isa> {
 protected:
  const HeadKernels& kernels = head_kernels(GetParam());
};

// Leaves the gradient in m: no decay, no momentum.
constexpr AdamStep kPlain{1, 0, 0, 1, 0.5f, 0};

TEST_P(HeadStep, GradientsEqualFiniteDifferencesOfTheFormula) {
  Head head;
  const HeadShape& s = head.shape;
  const std::int64_t cells = s.padded_rows() * s.hidden();
  Floats z(cells), a(cells), slope(cells), dz(cells), d_w(kHeadClasses * s.hidden()), d_bias(s.hidden());
  Floats logits(s.rows * kHeadClasses);
  kernels.forward(s, head.packed.data(), head.w.data(), head.bias.data(), z.data());
  kernels.activate(z.data(), nullptr, cells, a.data(), slope.data());
  kernels.output(s, a.data(), head.output_w.data(), head.output_bias.data(), logits.data());
  Floats d_logits(s.rows * kHeadClasses);
  double loss = 0;
  for (std::int64_t i = 0; i < s.rows; ++i) {
    double total = 0;
    for (int c = 0; c < kHeadClasses; ++c) total += std::exp(logits[i * 3 + c]);
    const int gold = head.label[static_cast<std::size_t>(i)];
    loss += std::log(total) - logits[i * 3 + gold];
    for (int c = 0; c < kHeadClasses; ++c)
      d_logits[i * 3 + c] = static_cast<float>((std::exp(logits[i * 3 + c]) / total - (c == gold)) /
                                               static_cast<double>(s.rows));
  }
  EXPECT_NEAR(loss / static_cast<double>(s.rows), head.loss(), 2e-6);
  kernels.backward(s, d_logits.data(), a.data(), slope.data(), head.output_w.data(), dz.data(), d_w.data(),
                   d_bias.data());
  Floats w = head.w, m(s.inputs * s.hidden()), v(s.inputs * s.hidden());
  kernels.update_input(s, head.packed.data(), dz.data(), kPlain, w.data(), m.data(), v.data());

  constexpr double kTolerance = 2e-6;  // f32 sums of about 40 terms of size 0.1; differences add 1e-9
  for (std::int64_t h = 0; h < Head::kH; ++h) {
    for (std::int64_t d = 0; d < Head::kD; d += 5)
      EXPECT_NEAR(m[(h / kHeadPanel * s.inputs + d) * kHeadPanel + h % kHeadPanel],
                  head.slope(head.w1[static_cast<std::size_t>(h * Head::kD + d)]), kTolerance);
    EXPECT_NEAR(d_bias[h], head.slope(head.b1[static_cast<std::size_t>(h)]), kTolerance);
    for (std::int64_t c = 0; c < kHeadClasses; ++c)
      EXPECT_NEAR(d_w[c * s.hidden() + h], head.slope(head.w2[static_cast<std::size_t>(c * Head::kH + h)]),
                  kTolerance);
  }
  for (std::int64_t h = Head::kH; h < s.hidden(); ++h) EXPECT_EQ(d_bias[h], 0.0f) << "padding learned";
}

TEST_P(HeadStep, GeluIsWithinItsStatedErrorAndIsFiniteFarOut) {
  constexpr std::int64_t kCount = 4096;
  Floats z(kCount), a(kCount), slope(kCount);
  for (std::int64_t i = 0; i < kCount; ++i)
    z[i] = static_cast<float>((static_cast<double>(i) - 2048) / 160.0);
  z[0] = -1e30f;
  z[1] = 1e18f;
  kernels.activate(z.data(), nullptr, kCount, a.data(), slope.data());
  EXPECT_EQ(a[0], 0.0f);
  EXPECT_EQ(a[1], z[1]);
  for (std::int64_t i = 2; i < kCount; ++i) {
    const double x = z[i], phi = 0.5 * std::erfc(-x / std::numbers::sqrt2);
    const double density = std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
    EXPECT_NEAR(a[i], x * phi, (std::abs(x) + 0.1) * 2.5e-7) << x;
    EXPECT_NEAR(slope[i], phi + x * density, 6e-7) << x;
  }
}

TEST_P(HeadStep, AdamWFollowsItsFormula) {
  constexpr std::int64_t kCount = 32;
  Floats w = random_floats(kCount, 20, 1), m(kCount), v(kCount);
  std::vector<double> w64(kCount), m64(kCount), v64(kCount);
  for (std::int64_t i = 0; i < kCount; ++i) w64[static_cast<std::size_t>(i)] = w[i];
  for (int t = 1; t <= 20; ++t) {
    Floats g = random_floats(kCount, 30 + static_cast<std::uint64_t>(t), 0.01);
    const double c1 = 1 - std::pow(0.9, t), c2 = 1 - std::pow(0.999, t);
    const AdamStep step{1 - 1e-3f * 0.01f,
                        0.9f,
                        0.999f,
                        1e-8f,
                        static_cast<float>(1e-3 / c1),
                        static_cast<float>(1 / std::sqrt(c2))};
    kernels.update(g.data(), kCount, step, w.data(), m.data(), v.data());
    for (std::size_t i = 0; i < kCount; ++i) {
      const double gi = g[static_cast<std::int64_t>(i)];
      m64[i] = 0.9 * m64[i] + 0.1 * gi;
      v64[i] = 0.999 * v64[i] + 0.001 * gi * gi;
      w64[i] -= 1e-3 * 0.01 * w64[i];
      w64[i] -= 1e-3 / c1 * m64[i] / (std::sqrt(v64[i]) / std::sqrt(c2) + 1e-8);
    }
  }
  // A step moves a weight by at most about 1e-3, with a few roundings; the weight itself rounds twice a step.
  for (std::size_t i = 0; i < kCount; ++i)
    EXPECT_NEAR(w[static_cast<std::int64_t>(i)], w64[i], 20 * (3 * 0x1p-24 * std::abs(w64[i]) + 1e-3 * 1e-4));
}

TEST_P(HeadStep, DropoutIsTheStreamsWords) {
  constexpr std::int64_t kCount = 256;
  Floats keep(kCount);
  const RandomStream stream{0x123456789abcdefull, 0xfedcba987654321ull};
  constexpr std::uint64_t kFirst = (1ull << 32) - 20;  // the counter carries into its high word
  kernels.dropout(stream.seed, stream.stream, kFirst, 0x40000000u, 1.5f, kCount, keep.data());
  for (std::int64_t i = 0; i < kCount; ++i) {
    const auto block = stream.block(kFirst + static_cast<std::uint64_t>(i / 64 * 16 + i % 16));
    EXPECT_EQ(keep[i], block[static_cast<std::size_t>(i % 64 / 16)] >= 0x40000000u ? 1.5f : 0.0f) << i;
  }
}

TEST_P(HeadStep, EveryPieceGivesTheSameBitsAsTheScalarVersion) {
  const HeadKernels& plain = head_kernels(Isa::kScalar);
  const HeadShape s{21, head_inputs(300), head_panels(70)};
  const std::int64_t cells = s.padded_rows() * s.hidden(), weights = s.inputs * s.hidden();
  Floats x = random_floats(s.padded_rows() * s.inputs, 1, 1), bias = random_floats(s.hidden(), 2, 1);
  Floats output_w = random_floats(3 * s.hidden(), 3, 0.1), output_bias = random_floats(16, 4, 1);
  Floats d_logits = random_floats(s.rows * 3, 5, 0.01);
  const AdamStep step{0.999f, 0.9f, 0.999f, 1e-8f, 2e-3f, 3.0f};
  struct Run {
    Floats z, keep, a, slope, logits, dz, d_w, d_bias, w, m, v;
  };
  const auto run = [&](const HeadKernels& k) {
    Run r{Floats(cells),
          Floats(cells),
          Floats(cells),
          Floats(cells),
          Floats(s.rows * 3),
          Floats(cells),
          Floats(3 * s.hidden()),
          Floats(s.hidden()),
          random_floats(weights, 6, 0.05),
          random_floats(weights, 7, 0.01),
          Floats(weights, 1e-4f)};
    k.forward(s, x.data(), r.w.data(), bias.data(), r.z.data());
    k.dropout(1, 2, 3, 429496730u, 1 / 0.9f, cells, r.keep.data());
    k.activate(r.z.data(), r.keep.data(), cells, r.a.data(), r.slope.data());
    k.output(s, r.a.data(), output_w.data(), output_bias.data(), r.logits.data());
    k.backward(s, d_logits.data(), r.a.data(), r.slope.data(), output_w.data(), r.dz.data(), r.d_w.data(),
               r.d_bias.data());
    k.update_input(s, x.data(), r.dz.data(), step, r.w.data(), r.m.data(), r.v.data());
    return r;
  };
  Run expected = run(plain), found = run(kernels);
  EXPECT_TRUE(found.z.same(expected.z));
  EXPECT_TRUE(found.keep.same(expected.keep));
  EXPECT_TRUE(found.a.same(expected.a));
  EXPECT_TRUE(found.slope.same(expected.slope));
  EXPECT_TRUE(found.logits.same(expected.logits));
  EXPECT_TRUE(found.dz.same(expected.dz));
  EXPECT_TRUE(found.d_w.same(expected.d_w));
  EXPECT_TRUE(found.d_bias.same(expected.d_bias));
  EXPECT_TRUE(found.w.same(expected.w));
  EXPECT_TRUE(found.m.same(expected.m));
  EXPECT_TRUE(found.v.same(expected.v));
}

INSTANTIATE_TEST_SUITE_P(EveryIsa, HeadStep,
                         testing::ValuesIn(supported_isas().begin(), supported_isas().end()),
                         [](const auto& tested) { return std::string(isa_name(tested.param)); });

}  // namespace
}  // namespace brinkmap::kernels
