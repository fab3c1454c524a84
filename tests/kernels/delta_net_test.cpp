#include "kernels/delta_net.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/kernels/on_every_isa.h"

namespace brinkmap::kernels {
namespace {

struct Case {
  DeltaShape shape;
  std::int64_t rows = 0;
  std::vector<float> qkv, alpha, beta, convolution, decay, step_bias;
};

Case random_case(int key_heads, int value_heads, int key_dim, int value_dim, std::int64_t rows) {
  Case c;
  c.shape = {key_heads, value_heads, key_dim, value_dim, 4};
  c.rows = rows;
  const auto size = [](std::int64_t n) { return static_cast<std::size_t>(n); };
  c.qkv = random_floats(size(rows * c.shape.channels()), 1.0f, 1);
  c.alpha = random_floats(size(rows * value_heads), 2.0f, 2);
  c.beta = random_floats(size(rows * value_heads), 2.0f, 3);
  c.convolution = random_floats(size(4 * c.shape.channels()), 0.7f, 4);
  c.decay = random_floats(size(value_heads), 1.0f, 5);
  for (float& d : c.decay) d = -std::exp(d);
  c.step_bias = random_floats(size(value_heads), 1.0f, 6);
  return c;
}

// The formulas of delta_net.h, in f64.
std::vector<double> exact(const Case& c) {
  const DeltaShape& d = c.shape;
  const std::int64_t channels = d.channels(), keys = std::int64_t{d.key_heads} * d.key_dim;
  std::vector<double> mixed(static_cast<std::size_t>(c.rows * channels)), out;
  const auto number = [](const std::vector<float>& x, std::int64_t i) {
    return static_cast<double>(x[static_cast<std::size_t>(i)]);
  };
  for (std::int64_t t = 0; t < c.rows; ++t)
    for (std::int64_t i = 0; i < channels; ++i) {
      double sum = 0;
      for (std::int64_t tap = 0; tap < 4; ++tap)
        if (t - 3 + tap >= 0)
          sum += number(c.convolution, tap * channels + i) * number(c.qkv, (t - 3 + tap) * channels + i);
      mixed[static_cast<std::size_t>(t * channels + i)] = sum / (1 + std::exp(-sum));
    }
  out.resize(static_cast<std::size_t>(c.rows * d.values()));
  for (std::int64_t h = 0; h < d.value_heads; ++h) {
    std::vector<double> state(static_cast<std::size_t>(d.key_dim * d.value_dim));
    for (std::int64_t t = 0; t < c.rows; ++t) {
      const double* row = mixed.data() + t * channels;
      const double* q = row + h % d.key_heads * d.key_dim;
      const double* k = q + keys;
      const double* v = row + 2 * keys + h * d.value_dim;
      double qq = 1e-6, kk = 1e-6;
      for (int i = 0; i < d.key_dim; ++i) qq += q[i] * q[i], kk += k[i] * k[i];
      const double q_scale = 1 / std::sqrt(qq * d.key_dim), k_scale = 1 / std::sqrt(kk);
      const double step =
          std::log1p(std::exp(number(c.alpha, t * d.value_heads + h) + number(c.step_bias, h)));
      const double keep = std::exp(number(c.decay, h) * step);
      const double write = 1 / (1 + std::exp(-number(c.beta, t * d.value_heads + h)));
      for (int j = 0; j < d.value_dim; ++j) {
        double known = 0, sum = 0;
        double* column = state.data() + j * d.key_dim;
        for (int i = 0; i < d.key_dim; ++i) known += (column[i] *= keep) * k[i] * k_scale;
        for (int i = 0; i < d.key_dim; ++i) {
          column[i] += k[i] * k_scale * write * (v[j] - known);
          sum += column[i] * q[i] * q_scale;
        }
        out[static_cast<std::size_t>(t * d.values() + h * d.value_dim + j)] = sum;
      }
    }
  }
  return out;
}

// The sequence in chunks.
std::vector<float> run(const Case& c, std::int64_t chunk, int threads, Isa isa) {
  ThreadPool pool(threads);
  DeltaScratch scratch;
  const DeltaWeights weights{c.convolution.data(), c.decay.data(), c.step_bias.data()};
  std::vector<float> state(static_cast<std::size_t>(c.shape.state_floats()));
  std::vector<float> out(static_cast<std::size_t>(c.rows * c.shape.values()));
  for (std::int64_t at = 0; at < c.rows; at += chunk) {
    const std::int64_t n = std::min(chunk, c.rows - at);
    const DeltaSequence sequence{state.data(), 0, n};
    delta_net(c.shape, weights, std::span(&sequence, 1), c.qkv.data() + at * c.shape.channels(),
              c.alpha.data() + at * c.shape.value_heads, c.beta.data() + at * c.shape.value_heads,
              out.data() + at * c.shape.values(), scratch, pool, isa);
  }
  return out;
}

TEST(DeltaNet, FollowsTheRecurrenceForAllSizes) {
  const struct {
    int key_heads, value_heads, key_dim, value_dim;
  } shapes[] = {{1, 1, 16, 16}, {2, 4, 32, 32}, {2, 2, 30, 20}, {1, 3, 7, 33}};
  for (const auto& s : shapes) {
    const Case c = random_case(s.key_heads, s.value_heads, s.key_dim, s.value_dim, 60);
    const auto found = on_every_isa([&](Isa isa) { return run(c, 60, 2, isa); });
    const auto expected = exact(c);
    // The state forgets: an error lives for a few dozen tokens, each of which adds a sum of key_dim terms.
    for (std::size_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR(static_cast<double>(found[i]), expected[i], 2e-5) << i << " key_dim " << s.key_dim;
  }
}

TEST(DeltaNet, IsTheSameForAnyChunksAndThreads) {
  const Case c = random_case(2, 4, 24, 40, 101);
  const auto whole = run(c, 101, 1, active_isa());
  for (std::int64_t chunk : {1, 2, 3, 5, 32, 33, 100})
    for (int threads : {1, 3}) EXPECT_TRUE(same_bits(whole, run(c, chunk, threads, active_isa()))) << chunk;
}

TEST(DeltaNet, ASequenceDoesNotDependOnItsNeighbours) {
  const Case c = random_case(2, 2, 16, 16, 50);
  const auto alone = run(c, 50, 1, active_isa());
  ThreadPool pool(2);
  DeltaScratch scratch;
  const DeltaWeights weights{c.convolution.data(), c.decay.data(), c.step_bias.data()};
  const std::size_t floats = static_cast<std::size_t>(c.shape.state_floats());
  std::vector<float> states(2 * floats), out(alone.size());
  // Rows 0 to 20 as one sequence, the others as another that starts anew.
  const DeltaSequence sequences[] = {{states.data(), 0, 20}, {states.data() + floats, 20, 30}};
  delta_net(c.shape, weights, sequences, c.qkv.data(), c.alpha.data(), c.beta.data(), out.data(), scratch,
            pool);
  const std::size_t first = static_cast<std::size_t>(20 * c.shape.values());
  EXPECT_TRUE(same_bits({alone.begin(), alone.begin() + static_cast<std::ptrdiff_t>(first)},
                        {out.begin(), out.begin() + static_cast<std::ptrdiff_t>(first)}));
  EXPECT_NE(alone[first], out[first]);
}

}  // namespace
}  // namespace brinkmap::kernels
