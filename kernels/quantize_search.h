#pragma once

#include <cstdint>

#include "kernels/block.h"

// The scale searches of the K-quants, vectorised over groups: 16 groups stand side by side, one lane each,
// and every lane does its sums in element order with the same f32 operations. So the result is that of the
// plain scalar procedure, whatever the vector width, and no sum is ever re-associated.
//
// Procedures: ggml-quants of llama.cpp (make_qkx2_quants, make_q3_quants, make_qx_quants,
// quantize_row_iq4_nl_impl), without importance
// matrix: trial scales around the one that spans the range, codes rounded for each, a (weighted)
// least-squares refit, the best error kept.
//
// Everything is a template on the vector width W, so that sources built for different instruction sets share
// no symbol.
namespace brinkmap::kernels::quantize_search {

inline constexpr int kGroups = 16;

// v[i][g]: element i of group g.
template <int N>
struct Grid {
  alignas(64) float v[N][kGroups];
};

struct Fit {
  alignas(64) float scale[kGroups];
  alignas(64) float min[kGroups];  // as subtracted: w = scale * code - min
};

// W floats, and the masks that comparing them gives. Spelled out because GCC drops a vector size that depends
// on W.
template <int W>
struct Vector;
template <>
struct Vector<4> {
  typedef float F __attribute__((vector_size(16)));
  typedef std::int32_t I __attribute__((vector_size(16)));
};
template <>
struct Vector<8> {
  typedef float F __attribute__((vector_size(32)));
  typedef std::int32_t I __attribute__((vector_size(32)));
};
template <>
struct Vector<16> {
  typedef float F __attribute__((vector_size(64)));
  typedef std::int32_t I __attribute__((vector_size(64)));
};

template <int W>
struct Simd {
  using F = typename Vector<W>::F;
  using I = typename Vector<W>::I;

  [[gnu::always_inline]] static F load(const float* p) noexcept {
    F v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
  }
  [[gnu::always_inline]] static void store(float* p, F v) noexcept { __builtin_memcpy(p, &v, sizeof v); }
  [[gnu::always_inline]] static F all(float x) noexcept { return F{} + x; }
  [[gnu::always_inline]] static F magnitude(F v) noexcept { return v < F{} ? -v : v; }

  // The same number in every lane, as a value that the optimiser takes for a variable: against a constant,
  // GCC 12 makes two instructions, compare and blend, of what is one minimum.
  [[gnu::always_inline]] static F limit(float x) noexcept {
    F v = all(x);
#if defined(__x86_64__)
    asm("" : "+x"(v));
#endif
    return v;
  }
  // The nearest integer (ties to even) within [low, high], as a float; NaN gives `low`. Adding 1.5 * 2^23
  // leaves no fraction bits. Clamping first is the same as clamping after, and defined for any input.
  [[gnu::always_inline]] static F code(F v, F low, F high) noexcept {
    v = v > low ? v : low;
    v = v < high ? v : high;
    return (v + 12582912.0f) - 12582912.0f;
  }
  [[gnu::always_inline]] static bool any(I mask) noexcept {
    std::int32_t bits = 0;
    for (int lane = 0; lane < W; ++lane) bits |= mask[lane];
    return bits != 0;
  }
};

enum class Error { kSquared, kAbsolute };

// Trial scales (first + step * i + max) / range for i in [0, count].
struct Trials {
  float first;
  float step;
  int count;
};

// Scale and minimum (never above zero) for codes in [0, kMax], error weighted by w. Codes of the best fit go
// to `codes`.
template <int W, int N, int kMax, Error kError>
void fit_scale_and_min(const Grid<N>& x, const Grid<N>& weight, Trials trials, Fit& fit,
                       Grid<N>& codes) noexcept {
  using S = Simd<W>;
  using F = typename S::F;
  using I = typename S::I;
  constexpr float kLimit = static_cast<float>(kMax);
  const F zero{};
  const F low = S::limit(0.0f);
  const F high = S::limit(kLimit);
  F l[N];  // codes of the fit on trial
  for (int lane = 0; lane < kGroups; lane += W) {
    const auto at = [lane](const Grid<N>& grid, int i) { return S::load(&grid.v[i][lane]); };
    F min = at(x, 0);
    F max = min;
    F sum_w = at(weight, 0);
    F sum_x = sum_w * min;
    for (int i = 1; i < N; ++i) {
      const F v = at(x, i);
      const F w = at(weight, i);
      min = v < min ? v : min;
      max = v > max ? v : max;
      sum_w += w;
      sum_x += w * v;
    }
    min = min > zero ? zero : min;
    const I flat = max == min;

    const auto error_of = [&](F scale, F offset) {
      F error{};
      for (int i = 0; i < N; ++i) {
        const F difference = scale * l[i] + offset - at(x, i);
        error +=
            at(weight, i) * (kError == Error::kAbsolute ? S::magnitude(difference) : difference * difference);
      }
      return error;
    };

    F best_inverse = kLimit / (max - min);
    F best_base = min;  // the codes of the best fit are those of best_inverse * (x - best_base)
    F scale = 1.0f / best_inverse;
    for (int i = 0; i < N; ++i) l[i] = S::code(best_inverse * (at(x, i) - min), low, high);
    F best_error = error_of(scale, min);

    for (int trial = 0; trial <= trials.count; ++trial) {
      // A lane that improved goes on from its new minimum, as the scalar procedure does.
      const F inverse = S::all(trials.first + trials.step * static_cast<float>(trial) + kLimit) / (max - min);
      F sum_l{};
      F sum_l2{};
      F sum_xl{};
      for (int i = 0; i < N; ++i) {
        const F v = at(x, i);
        l[i] = S::code(inverse * (v - min), low, high);
        const F wl = at(weight, i) * l[i];
        sum_l += wl;
        sum_l2 += wl * l[i];
        sum_xl += wl * v;
      }
      const F determinant = sum_w * sum_l2 - sum_l * sum_l;
      F new_scale = (sum_w * sum_xl - sum_x * sum_l) / determinant;
      F new_min = (sum_l2 * sum_x - sum_l * sum_xl) / determinant;
      const I above = new_min > zero;
      new_scale = above ? sum_xl / sum_l2 : new_scale;
      new_min = above ? zero : new_min;
      const F error = error_of(new_scale, new_min);
      const I better = (determinant > zero) & (error < best_error);
      best_error = better ? error : best_error;
      best_inverse = better ? inverse : best_inverse;
      best_base = better ? min : best_base;
      scale = better ? new_scale : scale;
      min = better ? new_min : min;
    }
    S::store(&fit.scale[lane], flat ? zero : scale);
    S::store(&fit.min[lane], zero - min);
    for (int i = 0; i < N; ++i)
      S::store(&codes.v[i][lane], flat ? zero : S::code(best_inverse * (at(x, i) - best_base), low, high));
  }
}

// The value of largest magnitude in each lane's group (the first of equals), and that magnitude.
template <int W, int N>
[[gnu::always_inline]] inline void largest(const Grid<N>& x, int lane, typename Simd<W>::F& value,
                                           typename Simd<W>::F& magnitude) noexcept {
  using S = Simd<W>;
  value = typename S::F{};
  magnitude = typename S::F{};
  for (int i = 0; i < N; ++i) {
    const typename S::F v = S::load(&x.v[i][lane]);
    const typename S::F a = S::magnitude(v);
    const typename S::I larger = a > magnitude;
    value = larger ? v : value;
    magnitude = larger ? a : magnitude;
  }
}

inline constexpr float kNothing = 1e-15f;  // a group whose largest magnitude is below this is stored as zero

// Scale for codes in [-kHalf, kHalf), stored + kHalf; error weighted by x^2. A group of nothing gets scale 0,
// codes 0.
template <int W, int N, int kHalf>
void fit_scale(const Grid<N>& x, Fit& fit, Grid<N>& codes) noexcept {
  using S = Simd<W>;
  using F = typename S::F;
  using I = typename S::I;
  constexpr float kLow = -static_cast<float>(kHalf);
  const F zero{};
  const F low = S::limit(kLow);
  const F high = S::limit(static_cast<float>(kHalf - 1));
  for (int lane = 0; lane < kGroups; lane += W) {
    F max;
    F magnitude;
    largest<W, N>(x, lane, max, magnitude);
    const I nothing = magnitude < kNothing;
    F sum_xl;
    F sum_l2;
    const auto sums = [&](F inverse) {
      sum_xl = zero;
      sum_l2 = zero;
      for (int i = 0; i < N; ++i) {
        const F v = S::load(&x.v[i][lane]);
        const F w = v * v;
        const F l = S::code(inverse * v, low, high);
        sum_xl += w * v * l;
        sum_l2 += w * l * l;
      }
    };
    F best_inverse = kLow / max;
    sums(best_inverse);
    F scale = sum_l2 != zero ? sum_xl / sum_l2 : zero;
    F best = scale * sum_xl;
    for (int trial = -9; trial <= 9; ++trial) {
      if (trial == 0) continue;
      const F inverse = -(static_cast<float>(kHalf) + 0.1f * static_cast<float>(trial)) / max;
      sums(inverse);
      const I better = (sum_l2 > zero) & (sum_xl * sum_xl > best * sum_l2);
      best_inverse = better ? inverse : best_inverse;
      scale = better ? sum_xl / sum_l2 : scale;
      best = better ? scale * sum_xl : best;
    }
    S::store(&fit.scale[lane], nothing ? zero : scale);
    for (int i = 0; i < N; ++i) {
      const F l = S::code(best_inverse * S::load(&x.v[i][lane]), low, high) - kLow;
      S::store(&codes.v[i][lane], nothing ? zero : l);
    }
  }
}

// As fit_scale, but one trial scale and then up to five rounds in which each code in turn moves to the value
// that the fit without it asks for, when that lowers the error.
template <int W, int N, int kHalf>
void fit_scale_by_exchange(const Grid<N>& x, Fit& fit, Grid<N>& codes) noexcept {
  using S = Simd<W>;
  using F = typename S::F;
  using I = typename S::I;
  constexpr float kLow = -static_cast<float>(kHalf);
  const F zero{};
  const F low = S::limit(kLow);
  const F high = S::limit(static_cast<float>(kHalf - 1));
  for (int lane = 0; lane < kGroups; lane += W) {
    F max;
    F magnitude;
    largest<W, N>(x, lane, max, magnitude);
    const I nothing = magnitude < kNothing;
    const F inverse = kLow / max;
    F sum_xl{};
    F sum_l2{};
    F l[N];
    for (int i = 0; i < N; ++i) {
      const F v = S::load(&x.v[i][lane]);
      const F w = v * v;
      l[i] = S::code(inverse * v, low, high);
      sum_xl += w * v * l[i];
      sum_l2 += w * l[i] * l[i];
    }
    for (int round = 0; round < 5; ++round) {
      I changed{};
      for (int i = 0; i < N; ++i) {
        const F v = S::load(&x.v[i][lane]);
        const F w = v * v;
        F other_xl = sum_xl - w * v * l[i];
        F other_l2 = sum_l2 - w * l[i] * l[i];
        const I possible = other_xl > zero;
        const F moved = S::code(v * other_l2 / other_xl, low, high);
        other_xl += w * v * moved;
        other_l2 += w * moved * moved;
        const I better = possible & (moved != l[i]) & (other_l2 > zero) &
                         (other_xl * other_xl * sum_l2 > sum_xl * sum_xl * other_l2);
        l[i] = better ? moved : l[i];
        sum_xl = better ? other_xl : sum_xl;
        sum_l2 = better ? other_l2 : sum_l2;
        changed |= better;
      }
      if (!S::any(changed)) break;
    }
    const F scale = sum_l2 > zero ? sum_xl / sum_l2 : zero;
    S::store(&fit.scale[lane], nothing ? zero : scale);
    for (int i = 0; i < N; ++i) S::store(&codes.v[i][lane], nothing ? zero : l[i] - kLow);
  }
}

// The sixteen levels of the IQ4 formats: which of them each v is nearest to, halfway the upper one, and that
// level itself. Compared with the midpoints; every difference that decides is exact in f32.
template <int W>
[[gnu::always_inline]] inline typename Simd<W>::F level_index(typename Simd<W>::F v) noexcept {
  typename Simd<W>::F index{};
  for (int i = 0; i < 15; ++i) {
    const float middle = static_cast<float>(kIQ4Values[i] + kIQ4Values[i + 1]) / 2.0f;
    index += v >= Simd<W>::all(middle) ? Simd<W>::all(1.0f) : Simd<W>::all(0.0f);
  }
  return index;
}

template <int W>
[[gnu::always_inline]] inline typename Simd<W>::F nearest_level(typename Simd<W>::F v) noexcept {
  typename Simd<W>::F level = Simd<W>::all(static_cast<float>(kIQ4Values[0]));
  for (int i = 0; i < 15; ++i) {
    const float middle = static_cast<float>(kIQ4Values[i] + kIQ4Values[i + 1]) / 2.0f;
    const float step = static_cast<float>(kIQ4Values[i + 1] - kIQ4Values[i]);
    level += v >= Simd<W>::all(middle) ? Simd<W>::all(step) : Simd<W>::all(0.0f);
  }
  return level;
}

// A signed scale for the levels of the IQ4 formats, error weighted by x^2: first the one that puts the
// largest value on the outermost level, then that level moved by up to 7 either way. 0 for a group of
// nothing.
template <int W, int N>
void fit_scale_to_levels(const Grid<N>& x, Fit& fit) noexcept {
  using S = Simd<W>;
  using F = typename S::F;
  using I = typename S::I;
  const F zero{};
  for (int lane = 0; lane < kGroups; lane += W) {
    F max;
    F magnitude;
    largest<W, N>(x, lane, max, magnitude);
    const I nothing = magnitude < kNothing;
    F sum_xl;
    F sum_l2;
    const auto sums = [&](F inverse) {
      sum_xl = zero;
      sum_l2 = zero;
      for (int i = 0; i < N; ++i) {
        const F v = S::load(&x.v[i][lane]);
        const F l = nearest_level<W>(inverse * v);
        const F wl = v * v * l;
        sum_xl += wl * v;
        sum_l2 += wl * l;
      }
    };
    sums(1.0f / (max / 127.0f));
    F scale = sum_xl / sum_l2;
    F best = scale * sum_xl;
    for (int trial = -7; trial <= 7; ++trial) {
      sums(static_cast<float>(trial - 127) / max);
      const I better = (sum_l2 > zero) & (sum_xl * sum_xl > best * sum_l2);
      scale = better ? sum_xl / sum_l2 : scale;
      best = better ? scale * sum_xl : best;
    }
    S::store(&fit.scale[lane], nothing ? zero : scale);
  }
}

// Codes for the scales as they were stored: (x + min) / scale rounded into [first, last], stored - first.
// Where a stored scale is zero the codes of the search stay.
template <int W, int N>
void round_codes(const Grid<N>& x, const Fit& stored, float first, float last, Grid<N>& codes) noexcept {
  using S = Simd<W>;
  using F = typename S::F;
  const F low = S::limit(first);
  const F high = S::limit(last);
  for (int lane = 0; lane < kGroups; lane += W) {
    const F scale = S::load(&stored.scale[lane]);
    const F min = S::load(&stored.min[lane]);
    for (int i = 0; i < N; ++i) {
      const F l = S::code((S::load(&x.v[i][lane]) + min) / scale, low, high) - low;
      S::store(&codes.v[i][lane], scale != F{} ? l : S::load(&codes.v[i][lane]));
    }
  }
}

}  // namespace brinkmap::kernels::quantize_search
