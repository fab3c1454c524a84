#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "kernels/isa.h"

namespace brinkmap::kernels {

inline std::vector<float> random_floats(std::size_t n, float scale, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> x(n);
  for (float& v : x) v = normal(generator);
  return x;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Runs `compute` for every instruction set; all must give the same bits, which are returned.
template <class Compute>
std::vector<float> on_every_isa(const Compute& compute) {
  const std::vector<float> first = compute(Isa::kScalar);
  for (Isa isa : supported_isas()) EXPECT_TRUE(same_bits(first, compute(isa))) << isa_name(isa);
  return first;
}

}  // namespace brinkmap::kernels
