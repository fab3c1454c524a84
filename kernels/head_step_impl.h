#pragma once

#include <cstdint>

#include "kernels/head_step.h"

// The pieces of kernels/head_step.h over a vector type, included by one source per instruction set. `L` names
// the vector and its operations; they round once each, so that all versions agree bit for bit.
//
// L::V, L::kWidth (divides 16), L::kRows (rows of a tile) and kColumns (vectors of a tile); load, store, set,
// fma(a, b, c) = a * b + c, mul, add, sub, div, sqrt, max, negate_abs, select_negative(z, if_negative,
// otherwise), scale_pow2(x, t): x times two to the integer in the low bits of t.
namespace brinkmap::kernels::head {

#define BRINKMAP_INLINE [[gnu::always_inline]] static inline

// Features of one block of the forward product: a panel's 256 x 32 weights stay in the first-level cache
// while all rows pass.
inline constexpr std::int64_t kFeatureBlock = 256;

template <class L>
struct Pieces {
  using V = typename L::V;
  static constexpr int kW = L::kWidth;
  static constexpr int kR = L::kRows;
  static constexpr int kC = L::kColumns;
  static constexpr int kGroup = kW * kC;  // hidden units of a tile
  static_assert(8 % kR == 0 && kHeadPanel % kGroup == 0 && 16 % kW == 0);

  // exp(y) for y <= 0: y = n ln 2 + r, Taylor polynomial of degree 7 in r (|r| <= 0.347: truncation below
  // 6e-9). Below exp(-80) it stays there, so that products with it are no slow subnormals.
  BRINKMAP_INLINE V exp_negative(V y) {
    constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer kept in the low bits
    y = L::max(y, L::set(-80.0f));
    const V t = L::fma(y, L::set(1.44269504f), L::set(kMagic));
    const V n = L::sub(t, L::set(kMagic));
    V r =
        L::fma(n, L::set(-0.693359375f), y);  // ln 2 in two parts; the first has few bits, so n * it is exact
    r = L::fma(n, L::set(2.12194440e-4f), r);
    V p = L::set(1.0f / 5040);
    for (float c : {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f})
      p = L::fma(p, r, L::set(c));
    return L::scale_pow2(p, t);
  }

  struct Adam {
    V decay, beta1, rest1, beta2, rest2, epsilon, step, bias;

    BRINKMAP_INLINE Adam of(const AdamStep& s) {
      return {L::set(s.decay),        L::set(s.beta1),   L::set(1.0f - s.beta1), L::set(s.beta2),
              L::set(1.0f - s.beta2), L::set(s.epsilon), L::set(-s.step_size),   L::set(s.inv_sqrt_bias)};
    }
  };

  BRINKMAP_INLINE void adam(V g, const Adam& s, float* w, float* m, float* v) {
    const V m1 = L::fma(s.beta1, L::load(m), L::mul(s.rest1, g));
    const V v1 = L::fma(s.beta2, L::load(v), L::mul(L::mul(s.rest2, g), g));
    const V w0 = L::mul(L::load(w), s.decay);
    const V size = L::fma(L::sqrt(v1), s.bias, s.epsilon);
    L::store(m, m1);
    L::store(v, v1);
    L::store(w, L::fma(s.step, L::div(m1, size), w0));
  }

  // acc[r][c] += sum over i of x[i * stride + r] * y[i * kHeadPanel + c * kW ...].
  // Forward: i runs over features (of one block of 8) and r over batch rows. Update: i over rows, r over
  // features.
  BRINKMAP_INLINE void multiply_step(const float* x, std::int64_t row_stride, const float* y,
                                     V (&acc)[kR][kC]) {
    V b[kC];
    for (int c = 0; c < kC; ++c) b[c] = L::load(y + c * kW);
    for (int r = 0; r < kR; ++r) {
      const V a = L::set(x[r * row_stride]);
      for (int c = 0; c < kC; ++c) acc[r][c] = L::fma(a, b[c], acc[r][c]);
    }
  }

  static void forward(const HeadShape& s, const float* x, const float* w, const float* bias,
                      float* z) noexcept {
    const std::int64_t rows = s.padded_rows();
    for (std::int64_t p = 0; p < s.panels; ++p) {
      float* zp = z + p * rows * kHeadPanel;
      for (std::int64_t t = 0; t < rows; ++t)
        for (int c = 0; c < kHeadPanel; c += kW)
          L::store(zp + t * kHeadPanel + c, L::load(bias + p * kHeadPanel + c));
      for (std::int64_t begin = 0; begin < s.inputs; begin += kFeatureBlock) {
        const std::int64_t end = begin + kFeatureBlock < s.inputs ? begin + kFeatureBlock : s.inputs;
        for (std::int64_t t = 0; t < rows; t += kR)
          for (int g = 0; g < kHeadPanel; g += kGroup) {
            float* out = zp + t * kHeadPanel + g;
            V acc[kR][kC];
            for (int r = 0; r < kR; ++r)
              for (int c = 0; c < kC; ++c) acc[r][c] = L::load(out + r * kHeadPanel + c * kW);
            for (std::int64_t k = begin; k < end; k += 8) {
              const float* xk = x + (k / 8 * rows + t) * 8;
              const float* wk = w + (p * s.inputs + k) * kHeadPanel + g;
              for (int i = 0; i < 8; ++i) multiply_step(xk + i, 8, wk + i * kHeadPanel, acc);
            }
            for (int r = 0; r < kR; ++r)
              for (int c = 0; c < kC; ++c) L::store(out + r * kHeadPanel + c * kW, acc[r][c]);
          }
      }
    }
  }

  static void update_input(const HeadShape& s, const float* x, const float* dz, const AdamStep& step,
                           float* w, float* m, float* v) noexcept {
    const std::int64_t rows = s.padded_rows();
    const Adam constants = Adam::of(step);
    for (std::int64_t p = 0; p < s.panels; ++p)
      for (std::int64_t k = 0; k < s.inputs; k += kR) {
        const float* xk = x + k / 8 * rows * 8 + k % 8;
        for (int g = 0; g < kHeadPanel; g += kGroup) {
          const std::int64_t at = (p * s.inputs + k) * kHeadPanel + g;
          for (int r = 0; r < kR; ++r)
            for (int c = 0; c < kGroup; c += 16) {
              __builtin_prefetch(w + at + (kAhead + r) * kHeadPanel + c, 1);
              __builtin_prefetch(m + at + (kAhead + r) * kHeadPanel + c, 1);
              __builtin_prefetch(v + at + (kAhead + r) * kHeadPanel + c, 1);
            }
          V acc[kR][kC];
          for (int r = 0; r < kR; ++r)
            for (int c = 0; c < kC; ++c) acc[r][c] = L::set(0.0f);
          const float* d = dz + p * rows * kHeadPanel + g;
          for (std::int64_t t = 0; t < s.rows; ++t) multiply_step(xk + t * 8, 1, d + t * kHeadPanel, acc);
          for (int r = 0; r < kR; ++r)
            for (int c = 0; c < kC; ++c) {
              const std::int64_t i = at + r * kHeadPanel + c * kW;
              adam(acc[r][c], constants, w + i, m + i, v + i);
            }
        }
      }
  }
  // Features between the tile in hand and the lines asked for. The last addresses lie past the arrays, which
  // a prefetch may.
  static constexpr std::int64_t kAhead = 16;

  static void update(const float* gradient, std::int64_t count, const AdamStep& step, float* w, float* m,
                     float* v) noexcept {
    const Adam constants = Adam::of(step);
    for (std::int64_t i = 0; i < count; i += kW) adam(L::load(gradient + i), constants, w + i, m + i, v + i);
  }

  static void activate(const float* z, const float* keep, std::int64_t count, float* a,
                       float* slope) noexcept {
    for (std::int64_t i = 0; i < count; i += kW) {
      const V x = L::load(z + i);
      const V e = exp_negative(L::mul(L::mul(x, x), L::set(-0.5f)));
      // Abramowitz and Stegun 7.1.26 with argument |x| / sqrt 2; p / sqrt 2 = 0.231641888.
      const V t = L::div(L::set(1.0f), L::fma(L::negate_abs(x), L::set(-0.231641888f), L::set(1.0f)));
      V p = L::set(1.061405429f);
      for (float c : {-1.453152027f, 1.421413741f, -0.284496736f, 0.254829592f}) p = L::fma(p, t, L::set(c));
      const V tail = L::mul(L::mul(L::mul(p, t), L::set(0.5f)), e);  // Phi(-|x|)
      const V phi = L::select_negative(x, tail, L::sub(L::set(1.0f), tail));
      const V k = keep == nullptr ? L::set(1.0f) : L::load(keep + i);
      L::store(a + i, L::mul(L::mul(x, phi), k));
      if (slope != nullptr)
        L::store(slope + i, L::mul(L::fma(L::mul(x, e), L::set(0.398942280f), phi), k));  // Phi + x * density
    }
  }

  static void output(const HeadShape& s, const float* a, const float* w, const float* bias,
                     float* logits) noexcept {
    constexpr int kParts = 16 / kW;  // 16 partial sums whatever the vector is
    const std::int64_t rows = s.padded_rows();
    for (std::int64_t t = 0; t < s.rows; ++t) {
      V acc[kHeadClasses][kParts];
      for (auto& row : acc)
        for (V& part : row) part = L::set(0.0f);
      for (std::int64_t h = 0; h < s.hidden(); h += 16) {
        const float* at = a + (h / kHeadPanel * rows + t) * kHeadPanel + h % kHeadPanel;
        for (int part = 0; part < kParts; ++part) {
          const V x = L::load(at + part * kW);
          for (int c = 0; c < kHeadClasses; ++c)
            acc[c][part] = L::fma(x, L::load(w + c * s.hidden() + h + part * kW), acc[c][part]);
        }
      }
      for (int c = 0; c < kHeadClasses; ++c) {
        alignas(64) float lanes[16];
        for (int part = 0; part < kParts; ++part) L::store(lanes + part * kW, acc[c][part]);
        for (int half = 8; half > 0; half /= 2)
          for (int i = 0; i < half; ++i) lanes[i] = lanes[i] + lanes[i + half];
        logits[t * kHeadClasses + c] = lanes[0] + bias[c];
      }
    }
  }

  static void backward(const HeadShape& s, const float* d_logits, const float* a, const float* slope,
                       const float* w, float* dz, float* d_w, float* d_bias) noexcept {
    const std::int64_t rows = s.padded_rows();
    for (std::int64_t h = 0; h < s.hidden(); h += kW) {
      V weight[kHeadClasses], sum[kHeadClasses];
      for (int c = 0; c < kHeadClasses; ++c) {
        weight[c] = L::load(w + c * s.hidden() + h);
        sum[c] = L::set(0.0f);
      }
      V bias = L::set(0.0f);
      const std::int64_t base = h / kHeadPanel * rows * kHeadPanel + h % kHeadPanel;
      for (std::int64_t t = 0; t < s.rows; ++t) {
        const std::int64_t at = base + t * kHeadPanel;
        const V x = L::load(a + at);
        V d = L::set(0.0f);
        for (int c = 0; c < kHeadClasses; ++c) {
          const V g = L::set(d_logits[t * kHeadClasses + c]);
          d = L::fma(g, weight[c], d);
          sum[c] = L::fma(g, x, sum[c]);
        }
        d = L::mul(d, L::load(slope + at));
        L::store(dz + at, d);
        bias = L::add(bias, d);
      }
      for (int c = 0; c < kHeadClasses; ++c) L::store(d_w + c * s.hidden() + h, sum[c]);
      L::store(d_bias + h, bias);
    }
  }

  static void dropout(std::uint64_t seed, std::uint64_t stream, std::uint64_t first, std::uint32_t threshold,
                      float scale, std::int64_t count, float* keep) noexcept {
    using U = typename L::U;
    constexpr int kParts = 16 / kW;
    alignas(64) std::uint32_t low[16], high[16];
    for (std::int64_t i = 0; i < count; i += 64) {
      for (int j = 0; j < 16; ++j) {
        const std::uint64_t index = first + static_cast<std::uint64_t>(i / 4 + j);
        low[j] = static_cast<std::uint32_t>(index);
        high[j] = static_cast<std::uint32_t>(index >> 32);
      }
      U c[kParts][4];
      for (int part = 0; part < kParts; ++part) {
        c[part][0] = L::load_words(low + part * kW);
        c[part][1] = L::load_words(high + part * kW);
        c[part][2] = L::set_words(static_cast<std::uint32_t>(stream));
        c[part][3] = L::set_words(static_cast<std::uint32_t>(stream >> 32));
      }
      std::uint32_t k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
      for (int round = 0; round < 10; ++round, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
        for (auto& w : c) {
          U a_low, a_high, b_low, b_high;
          L::multiply_words(w[0], 0xD2511F53u, a_low, a_high);
          L::multiply_words(w[2], 0xCD9E8D57u, b_low, b_high);
          w[0] = L::exclusive_or(L::exclusive_or(b_high, w[1]), L::set_words(k0));
          w[1] = b_low;
          w[2] = L::exclusive_or(L::exclusive_or(a_high, w[3]), L::set_words(k1));
          w[3] = a_low;
        }
      for (int word = 0; word < 4; ++word)
        for (int part = 0; part < kParts; ++part)
          L::store(keep + i + word * 16 + part * kW, L::set_if_at_least(c[part][word], threshold, scale));
    }
  }

  static constexpr HeadKernels table() {
    return {&forward, &dropout, &activate, &output, &backward, &update_input, &update};
  }
};

}  // namespace brinkmap::kernels::head
