#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "kernels/half.h"

// Sixteen f32 lanes, written out. Every instruction set offers the same operations on sixteen lanes, with the
// same rounding (fma rounds once, everywhere), so a kernel written over lanes gives the same bits on every
// machine. This version is also the statement of what each operation means.
namespace brinkmap::kernels {

struct ScalarLanes {
  static constexpr int kTileRows = 4;     // query rows of an attention tile
  static constexpr int kTileVectors = 1;  // vectors of keys or of head dimensions of an attention tile

  struct V {
    float lane[16];
  };
  struct Sum {  // f64 sums of lanes
    double lane[16];
  };

  static V set(float x) {
    V v;
    for (float& lane : v.lane) lane = x;
    return v;
  }
  static V load(const float* p) {
    V v;
    for (int i = 0; i < 16; ++i) v.lane[i] = p[i];
    return v;
  }
  static V load(const std::uint16_t* p) {  // binary16
    V v;
    for (int i = 0; i < 16; ++i) v.lane[i] = f16_to_f32(p[i]);
    return v;
  }
  static V load_part(const float* p, int n) {  // n < 16; the other lanes are 0
    V v = set(0);
    for (int i = 0; i < n; ++i) v.lane[i] = p[i];
    return v;
  }
  static void store(float* p, V v) {
    for (int i = 0; i < 16; ++i) p[i] = v.lane[i];
  }
  static void store(std::uint16_t* p, V v) {  // binary16, to nearest even
    for (int i = 0; i < 16; ++i) p[i] = f32_to_f16(v.lane[i]);
  }
  static void store_part(float* p, V v, int n) {
    for (int i = 0; i < n; ++i) p[i] = v.lane[i];
  }
  static V add(V a, V b) {
    for (int i = 0; i < 16; ++i) a.lane[i] += b.lane[i];
    return a;
  }
  static V sub(V a, V b) {
    for (int i = 0; i < 16; ++i) a.lane[i] -= b.lane[i];
    return a;
  }
  static V mul(V a, V b) {
    for (int i = 0; i < 16; ++i) a.lane[i] *= b.lane[i];
    return a;
  }
  static V div(V a, V b) {
    for (int i = 0; i < 16; ++i) a.lane[i] /= b.lane[i];
    return a;
  }
  static V fma(V a, V b, V c) {  // a * b + c
    for (int i = 0; i < 16; ++i) a.lane[i] = std::fma(a.lane[i], b.lane[i], c.lane[i]);
    return a;
  }
  static V max(V a, V b) {  // b where either is a NaN, as x86 does
    for (int i = 0; i < 16; ++i) a.lane[i] = a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i];
    return a;
  }
  static V min(V a, V b) {
    for (int i = 0; i < 16; ++i) a.lane[i] = a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i];
    return a;
  }
  // v * 2^n where t = n + 1.5 * 2^23, |n| < 200: rounds at most once, also to subnormals.
  static V scale_by_power(V v, V t) {
    for (int i = 0; i < 16; ++i) {
      const std::int32_t n = static_cast<std::int32_t>(std::bit_cast<std::uint32_t>(t.lane[i]) - 0x4b400000u);
      const std::int32_t half = n >> 1;
      const std::uint32_t first = static_cast<std::uint32_t>(half + 127) << 23;
      const std::uint32_t second = static_cast<std::uint32_t>(n - half + 127) << 23;
      v.lane[i] = v.lane[i] * std::bit_cast<float>(first) * std::bit_cast<float>(second);
    }
    return v;
  }
  // Pairs i and i + 8, then + 4, + 2, + 1.
  static float total(V v) {
    for (int step = 8; step > 0; step /= 2)
      for (int i = 0; i < step; ++i) v.lane[i] += v.lane[i + step];
    return v.lane[0];
  }
  static float largest(V v) {
    for (int step = 8; step > 0; step /= 2)
      for (int i = 0; i < step; ++i) v.lane[i] = v.lane[i] > v.lane[i + step] ? v.lane[i] : v.lane[i + step];
    return v.lane[0];
  }
  static Sum zero_sum() {
    Sum s;
    for (double& lane : s.lane) lane = 0;
    return s;
  }
  static Sum add(Sum s, V v) {
    for (int i = 0; i < 16; ++i) s.lane[i] += static_cast<double>(v.lane[i]);
    return s;
  }
  static void store(double* p, Sum s) {
    for (int i = 0; i < 16; ++i) p[i] = s.lane[i];
  }
};

}  // namespace brinkmap::kernels
