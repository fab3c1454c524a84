#pragma once

#include <cmath>
#include <cstdint>

// Row operations over sixteen lanes (kernels/lanes_scalar.h), one instance an instruction set. All instances
// give the same bits. Only templates here: an out-of-line copy of a plain function could be the one that the
// CPU cannot run.
namespace brinkmap::kernels {

struct OpsTable {
  void (*rms_norm)(const float* x, const float* weight, float* y, std::int64_t width, float eps);
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float* y, std::int64_t width,
                     float eps);
  void (*rope_adjacent)(float* x, const float* cosines, const float* sines, int pairs);
  void (*rope_half_split)(float* x, const float* cosines, const float* sines, int pairs);
  void (*softmax)(float* x, std::int64_t n);
  double (*log_sum_exp)(const float* x, std::int64_t n);
  void (*swiglu)(const float* gate, const float* up, float* y, std::int64_t n);
  void (*geglu)(const float* gate, const float* up, float* y, std::int64_t n);
  void (*gelu)(float* x, std::int64_t n);
  void (*sigmoid_gate)(float* y, const float* gate, std::int64_t n);
  void (*soft_cap)(float* x, float cap, std::int64_t n);
  void (*add)(float* y, const float* x, std::int64_t n);
  void (*exp)(const float* x, float* y, std::int64_t n);
  std::int64_t (*argmax)(const float* x, std::int64_t n, bool* finite);
};

extern const OpsTable kScalarOps;
extern const OpsTable kAvx2Ops;
extern const OpsTable kAvx512VnniOps;

// exp(x), at most 2 ulp off; 0 below -104, infinity above 89, NaN for NaN. x = n ln 2 + r with |r| <= ln 2 /
// 2, and e^r = 1 + r + r^2 q(r), q the polynomial that meets (e^r - 1 - r) / r^2 at five Chebyshev nodes (off
// by 1.1e-8 in e^r at most, computed with exact fractions).
template <class L>
[[gnu::always_inline]] inline typename L::V exp_lanes(typename L::V x) {
  using V = typename L::V;
  const V magic = L::set(0x1.8p23f);  // adding it rounds to an integer
  x = L::min(L::set(89.0f), L::max(L::set(-104.0f), x));
  const V t = L::fma(x, L::set(0x1.715476p+0f), magic);
  const V n = L::sub(t, magic);
  V r = L::fma(n, L::set(-0x1.62e43p-1f), x);
  r = L::fma(n, L::set(0x1.05c61p-29f), r);
  V q = L::set(0x1.6d1106p-10f);
  q = L::fma(q, r, L::set(0x1.120b6cp-7f));
  q = L::fma(q, r, L::set(0x1.55551ap-5f));
  q = L::fma(q, r, L::set(0x1.5554dcp-3f));
  q = L::fma(q, r, L::set(0x1p-1f));
  const V p = L::add(L::fma(L::mul(r, r), q, r), L::set(1.0f));
  return L::scale_by_power(p, t);
}

// Largest element and whether all are finite. n > 0. The largest of a row with NaNs is unspecified.
template <class L>
[[gnu::always_inline]] inline float max_row(const float* x, std::int64_t n) {
  typename L::V top = L::set(-__builtin_inff());
  std::int64_t i = 0;
  for (; i + 16 <= n; i += 16) top = L::max(top, L::load(x + i));
  float m = L::largest(top);
  for (; i < n; ++i) m = m > x[i] ? m : x[i];
  return m;
}

// cap * tanh(x / cap) with tanh(y) = 1 - 2 / (1 + exp(2y)).
template <class L>
[[gnu::always_inline]] inline typename L::V soft_cap_lanes(typename L::V x, typename L::V cap) {
  using V = typename L::V;
  const V one = L::set(1.0f);
  const V y = L::div(x, cap);
  const V e = exp_lanes<L>(L::add(y, y));
  return L::mul(cap, L::sub(one, L::div(L::set(2.0f), L::add(one, e))));
}

template <class L>
struct RowOps {
  using V = typename L::V;

  // y[i] = map(lanes of inputs) over n elements; map takes as many vectors as there are inputs.
  template <class Map, class... Input>
  [[gnu::always_inline]] static void each(float* y, std::int64_t n, const Map& map, const Input*... in) {
    std::int64_t i = 0;
    for (; i + 16 <= n; i += 16) L::store(y + i, map(L::load(in + i)...));
    if (const int rest = static_cast<int>(n - i); rest > 0)
      L::store_part(y + i, map(L::load_part(in + i, rest)...), rest);
  }

  static void rms_norm(const float* x, const float* weight, float* y, std::int64_t width, float eps) {
    V even = L::set(0), odd = L::set(0);
    std::int64_t i = 0;
    for (; i + 32 <= width; i += 32) {
      const V a = L::load(x + i), b = L::load(x + i + 16);
      even = L::fma(a, a, even);
      odd = L::fma(b, b, odd);
    }
    for (; i < width; i += 16) {
      const V a = width - i >= 16 ? L::load(x + i) : L::load_part(x + i, static_cast<int>(width - i));
      even = L::fma(a, a, even);
    }
    const float mean = L::total(L::add(even, odd)) / static_cast<float>(width);
    const V inverse = L::set(1.0f / __builtin_sqrtf(mean + eps));
    for (i = 0; i + 16 <= width; i += 16)
      L::store(y + i, L::mul(L::mul(L::load(x + i), inverse), L::load(weight + i)));
    if (const int rest = static_cast<int>(width - i); rest > 0)
      L::store_part(y + i, L::mul(L::mul(L::load_part(x + i, rest), inverse), L::load_part(weight + i, rest)),
                    rest);
  }

  // Sums as rms_norm does; the variance is the mean square of the distances from the mean.
  static void layer_norm(const float* x, const float* weight, const float* bias, float* y, std::int64_t width,
                         float eps) {
    const std::int64_t whole = width / 16 * 16;
    const int rest = static_cast<int>(width - whole);
    V sum = L::set(0);
    for (std::int64_t i = 0; i < whole; i += 16) sum = L::add(sum, L::load(x + i));
    if (rest > 0) sum = L::add(sum, L::load_part(x + whole, rest));
    const V mean = L::set(L::total(sum) / static_cast<float>(width));
    V squares = L::set(0);
    for (std::int64_t i = 0; i < whole; i += 16) {
      const V d = L::sub(L::load(x + i), mean);
      squares = L::fma(d, d, squares);
    }
    float last[16] = {};  // zeros beyond the row: a mean subtracted from nothing must not count
    if (rest > 0) {
      L::store_part(last, L::sub(L::load_part(x + whole, rest), mean), rest);
      const V d = L::load(last);
      squares = L::fma(d, d, squares);
    }
    const V inverse = L::set(1.0f / __builtin_sqrtf(L::total(squares) / static_cast<float>(width) + eps));
    each(
        y, width,
        [&](V v, V w, V b)
            __attribute__((always_inline)) { return L::fma(L::mul(L::sub(v, mean), inverse), w, b); },
        x, weight, bias);
  }

  // The compiler vectorises these; nothing is contracted, so all instances agree.
  static void rope_adjacent(float* x, const float* cosines, const float* sines, int pairs) {
    for (int i = 0; i < pairs; ++i) {
      const float a = x[2 * i], b = x[2 * i + 1];
      x[2 * i] = a * cosines[i] - b * sines[i];
      x[2 * i + 1] = a * sines[i] + b * cosines[i];
    }
  }
  static void rope_half_split(float* x, const float* cosines, const float* sines, int pairs) {
    float* high = x + pairs;
    for (int i = 0; i < pairs; ++i) {
      const float a = x[i], b = high[i];
      x[i] = a * cosines[i] - b * sines[i];
      high[i] = a * sines[i] + b * cosines[i];
    }
  }

  static void softmax(float* x, std::int64_t n) {
    if (n <= 0) return;
    const V top = L::set(max_row<L>(x, n));
    V sum = L::set(0);
    std::int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
      const V e = exp_lanes<L>(L::sub(L::load(x + i), top));
      L::store(x + i, e);
      sum = L::add(sum, e);
    }
    float rest = 0;
    for (; i < n; ++i) {
      L::store_part(x + i, exp_lanes<L>(L::sub(L::load_part(x + i, 1), top)), 1);
      rest += x[i];
    }
    const float total = L::total(sum) + rest;
    for (i = 0; i < n; ++i) x[i] /= total;
  }

  static double log_sum_exp(const float* x, std::int64_t n) {
    const float top = max_row<L>(x, n);
    const V shift = L::set(top);
    typename L::Sum sum = L::zero_sum();
    std::int64_t i = 0;
    for (; i + 16 <= n; i += 16) sum = L::add(sum, exp_lanes<L>(L::sub(L::load(x + i), shift)));
    double lanes[16];
    L::store(lanes, sum);
    double total = 0;
    for (double lane : lanes) total += lane;
    for (; i < n; ++i) {
      float e;
      L::store_part(&e, exp_lanes<L>(L::sub(L::load_part(x + i, 1), shift)), 1);
      total += static_cast<double>(e);
    }
    return static_cast<double>(top) + __builtin_log(total);
  }

  [[gnu::always_inline]] static V sigmoid_times(V x, V y) {  // y / (1 + exp(-x))
    return L::div(y, L::add(L::set(1.0f), exp_lanes<L>(L::sub(L::set(0.0f), x))));
  }
  [[gnu::always_inline]] static V gelu_lanes(V x) {
    const V cubic = L::fma(L::mul(x, x), L::set(0.044715f), L::set(1.0f));
    return sigmoid_times(L::mul(L::mul(L::set(0x1.988454p+0f), x), cubic), x);  // 2 sqrt(2 / pi)
  }
  static void swiglu(const float* gate, const float* up, float* y, std::int64_t n) {
    each(
        y, n, [](V g, V u) __attribute__((always_inline)) { return L::mul(sigmoid_times(g, g), u); }, gate,
        up);
  }
  static void geglu(const float* gate, const float* up, float* y, std::int64_t n) {
    each(
        y, n, [](V g, V u) __attribute__((always_inline)) { return L::mul(gelu_lanes(g), u); }, gate, up);
  }
  static void gelu(float* x, std::int64_t n) {
    each(
        x, n, [](V v) __attribute__((always_inline)) { return gelu_lanes(v); }, x);
  }
  static void sigmoid_gate(float* y, const float* gate, std::int64_t n) {
    each(
        y, n, [](V v, V g) __attribute__((always_inline)) { return sigmoid_times(g, v); }, y, gate);
  }
  static void soft_cap(float* x, float cap, std::int64_t n) {
    const V c = L::set(cap);
    each(
        x, n, [&](V v) __attribute__((always_inline)) { return soft_cap_lanes<L>(v, c); }, x);
  }

  static void add(float* y, const float* x, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) y[i] += x[i];
  }

  static void exp(const float* x, float* y, std::int64_t n) {
    each(
        y, n, [](V v) __attribute__((always_inline)) { return exp_lanes<L>(v); }, x);
  }

  static std::int64_t argmax(const float* x, std::int64_t n, bool* finite) {
    // x - x is 0 for a finite number and NaN otherwise.
    V check = L::set(0);
    std::int64_t i = 0;
    for (; i + 16 <= n; i += 16) check = L::add(check, L::sub(L::load(x + i), L::load(x + i)));
    float sum = L::total(check);
    for (; i < n; ++i) sum += x[i] - x[i];
    *finite = sum == 0.0f;
    const float top = max_row<L>(x, n);
    for (i = 0; i < n; ++i)
      if (x[i] == top) return i;
    return 0;
  }

  static constexpr OpsTable table() {
    return {rms_norm, layer_norm, rope_adjacent, rope_half_split, softmax, log_sum_exp, swiglu,
            geglu,    gelu,       sigmoid_gate,  soft_cap,        add,     exp,         argmax};
  }
};

}  // namespace brinkmap::kernels
