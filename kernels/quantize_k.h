#pragma once

#include <cstdint>

#include "kernels/block.h"
#include "kernels/format.h"
#include "kernels/half.h"
#include "kernels/quantize_iq4.h"
#include "kernels/quantize_search.h"

// K-quant encoders on top of quantize_search.h: fit each group, round the groups' scales to the
// super-block's, round the codes to what was stored, pack. Included only by the per-instruction-set sources
// quantize_k_*.cpp; a template on the vector width for the reason given there.
namespace brinkmap::kernels {

template <int W>
struct KQuantizer {
  template <int N>
  using Grid = quantize_search::Grid<N>;
  using Fit = quantize_search::Fit;
  static constexpr int kGroups = quantize_search::kGroups;

  // The nearest integer (ties to even) in [low, high]; NaN gives `low`.
  static int nearest(float v, float low, float high) noexcept {
    v = v > low ? v : low;
    v = v < high ? v : high;
    return static_cast<int>((v + 12582912.0f) - 12582912.0f);
  }
  static float largest(const float* v, int count) noexcept {
    float found = 0.0f;
    for (int i = 0; i < count; ++i) found = v[i] > found ? v[i] : found;
    return found;
  }
  // The first value of largest magnitude, signed.
  static float largest_signed(const float* v, int count) noexcept {
    float found = 0.0f;
    float magnitude = 0.0f;
    for (int i = 0; i < count; ++i) {
      const float a = v[i] < 0.0f ? -v[i] : v[i];
      found = a > magnitude ? v[i] : found;
      magnitude = a > magnitude ? a : magnitude;
    }
    return found;
  }

  // Groups g of N consecutive values become lanes.
  template <int N>
  static void load(const float* in, Grid<N>& x) noexcept {
    for (int g = 0; g < kGroups; ++g)
      for (int i = 0; i < N; ++i) x.v[i][g] = in[N * g + i];
  }
  template <int N>
  static void unload(const Grid<N>& codes, std::uint8_t* out) noexcept {
    for (int g = 0; g < kGroups; ++g)
      for (int i = 0; i < N; ++i) out[N * g + i] = static_cast<std::uint8_t>(static_cast<int>(codes.v[i][g]));
  }

  static void pack_two_bits(const std::uint8_t* codes, std::uint8_t* qs) noexcept {
    for (int half = 0; half < 2; ++half)
      for (int l = 0; l < 32; ++l) {
        const std::uint8_t* c = codes + 128 * half + l;
        qs[32 * half + l] =
            static_cast<std::uint8_t>((c[0] & 3) | (c[32] & 3) << 2 | (c[64] & 3) << 4 | (c[96] & 3) << 6);
      }
  }
  static void pack_four_bits(const std::uint8_t* codes, std::uint8_t* qs) noexcept {
    for (int pair = 0; pair < 4; ++pair)
      for (int l = 0; l < 32; ++l) {
        const std::uint8_t* c = codes + 64 * pair + l;
        qs[32 * pair + l] = static_cast<std::uint8_t>((c[0] & 15) | (c[32] & 15) << 4);
      }
  }
  // Bit `bit` of the code of weight 32 s + l becomes bit s of out[l].
  static void pack_one_bit(const std::uint8_t* codes, int bit, std::uint8_t* out) noexcept {
    for (int l = 0; l < 32; ++l) {
      int bits = 0;
      for (int s = 0; s < 8; ++s) bits |= ((codes[32 * s + l] >> bit) & 1) << s;
      out[l] = static_cast<std::uint8_t>(bits);
    }
  }

  static void q2_k(const float* in, BlockQ2_K& block) noexcept {
    using namespace quantize_search;
    Grid<16> x;
    Grid<16> weight;
    Grid<16> codes;
    Fit fit;
    load(in, x);
    for (int i = 0; i < 16; ++i)
      for (int g = 0; g < kGroups; ++g) weight.v[i][g] = x.v[i][g] < 0.0f ? -x.v[i][g] : x.v[i][g];
    fit_scale_and_min<W, 16, 3, Error::kAbsolute>(x, weight, {-0.5f, 0.1f, 15}, fit, codes);

    const float max_scale = largest(fit.scale, kGroups);
    const float max_min = largest(fit.min, kGroups);
    const float to_scale = max_scale > 0.0f ? 15.0f / max_scale : 0.0f;
    const float to_min = max_min > 0.0f ? 15.0f / max_min : 0.0f;
    block.d = f32_to_f16(max_scale / 15.0f);
    block.dmin = f32_to_f16(max_min / 15.0f);
    const float d = f16_to_f32(block.d);
    const float dmin = f16_to_f32(block.dmin);
    for (int g = 0; g < kGroups; ++g) {
      const int scale = nearest(to_scale * fit.scale[g], 0.0f, 15.0f);
      const int min = nearest(to_min * fit.min[g], 0.0f, 15.0f);
      block.scales[g] = static_cast<std::uint8_t>(scale | min << 4);
      fit.scale[g] = d * static_cast<float>(scale);
      fit.min[g] = dmin * static_cast<float>(min);
    }
    round_codes<W>(x, fit, 0.0f, 3.0f, codes);
    std::uint8_t bytes[kSuperBlock];
    unload(codes, bytes);
    pack_two_bits(bytes, block.qs);
  }

  static void q3_k(const float* in, BlockQ3_K& block) noexcept {
    using namespace quantize_search;
    Grid<16> x;
    Grid<16> codes;
    Fit fit;
    load(in, x);
    fit_scale_by_exchange<W, 16, 4>(x, fit, codes);

    const float max_scale = largest_signed(fit.scale, kGroups);
    const float to_scale = max_scale != 0.0f ? -32.0f / max_scale : 0.0f;
    block.d = max_scale != 0.0f ? f32_to_f16(1.0f / to_scale) : std::uint16_t{0};
    const float d = f16_to_f32(block.d);
    for (std::uint8_t& byte : block.scales) byte = 0;
    for (int g = 0; g < kGroups; ++g) {
      // With no scale at all the stored bytes stay zero, which reads back as -32 times d = 0.
      const int scale = max_scale != 0.0f ? nearest(to_scale * fit.scale[g], -32.0f, 31.0f) : -32;
      const int code = scale + 32;
      std::uint8_t& low = block.scales[g % 8];
      low = static_cast<std::uint8_t>(low | (code & 15) << 4 * (g / 8));
      std::uint8_t& high = block.scales[8 + g % 4];
      high = static_cast<std::uint8_t>(high | (code >> 4) << 2 * (g / 4));
      fit.scale[g] = d * static_cast<float>(scale);
      fit.min[g] = 0.0f;
    }
    round_codes<W>(x, fit, -4.0f, 3.0f, codes);
    std::uint8_t bytes[kSuperBlock];
    unload(codes, bytes);
    pack_one_bit(bytes, 2, block.hmask);
    pack_two_bits(bytes, block.qs);
  }

  // Packs the scales and mins of one super-block's 8 groups (layout: scale_min_k4 in block.h), writes d and
  // dmin, and replaces the fitted values by the stored ones.
  template <class Block>
  static void store_scales_k4(float* scale, float* min, Block& block) noexcept {
    const float max_scale = largest(scale, 8);
    const float max_min = largest(min, 8);
    const float to_scale = max_scale > 0.0f ? 63.0f / max_scale : 0.0f;
    const float to_min = max_min > 0.0f ? 63.0f / max_min : 0.0f;
    block.d = f32_to_f16(max_scale / 63.0f);
    block.dmin = f32_to_f16(max_min / 63.0f);
    const float d = f16_to_f32(block.d);
    const float dmin = f16_to_f32(block.dmin);
    for (int g = 0; g < 8; ++g) {
      const int s = nearest(to_scale * scale[g], 0.0f, 63.0f);
      const int m = nearest(to_min * min[g], 0.0f, 63.0f);
      std::uint8_t* at = block.scales + g;
      if (g < 4) {
        at[0] = static_cast<std::uint8_t>(s);
        at[4] = static_cast<std::uint8_t>(m);
      } else {
        at[4] = static_cast<std::uint8_t>((s & 15) | (m & 15) << 4);
        at[-4] = static_cast<std::uint8_t>(at[-4] | (s >> 4) << 6);
        at[0] = static_cast<std::uint8_t>(at[0] | (m >> 4) << 6);
      }
      scale[g] = d * static_cast<float>(s);
      min[g] = dmin * static_cast<float>(m);
    }
  }

  static void pack_k4(const std::uint8_t* codes, BlockQ4_K& block) noexcept {
    pack_four_bits(codes, block.qs);
  }
  static void pack_k4(const std::uint8_t* codes, BlockQ5_K& block) noexcept {
    pack_one_bit(codes, 4, block.qh);
    pack_four_bits(codes, block.qs);
  }

  // Two super-blocks fill the 16 lanes. `second` may be the same input as `first` when there is no other.
  template <int kMax, class Block>
  static void k4_pair(const float* first, const float* second, quantize_search::Trials trials,
                      Block* out_first, Block* out_second) noexcept {
    using namespace quantize_search;
    Grid<32> x;
    Grid<32> weight;
    Grid<32> codes;
    Fit fit;
    for (int g = 0; g < kGroups; ++g) {
      const float* in = g < 8 ? first + 32 * g : second + 32 * (g - 8);
      for (int i = 0; i < 32; ++i) x.v[i][g] = in[i];
    }
    // A value matters by its own magnitude and by the group's root mean square.
    alignas(64) float power[kGroups] = {};
    for (int i = 0; i < 32; ++i)
      for (int g = 0; g < kGroups; ++g) power[g] += x.v[i][g] * x.v[i][g];
    for (int g = 0; g < kGroups; ++g) power[g] = __builtin_sqrtf(power[g] / 32.0f);
    for (int i = 0; i < 32; ++i)
      for (int g = 0; g < kGroups; ++g)
        weight.v[i][g] = power[g] + (x.v[i][g] < 0.0f ? -x.v[i][g] : x.v[i][g]);

    fit_scale_and_min<W, 32, kMax, Error::kSquared>(x, weight, trials, fit, codes);
    store_scales_k4(fit.scale, fit.min, *out_first);
    if (out_second != nullptr) store_scales_k4(fit.scale + 8, fit.min + 8, *out_second);
    round_codes<W>(x, fit, 0.0f, static_cast<float>(kMax), codes);
    std::uint8_t bytes[2 * kSuperBlock];
    unload(codes, bytes);
    pack_k4(bytes, *out_first);
    if (out_second != nullptr) pack_k4(bytes + kSuperBlock, *out_second);
  }

  static void q6_k(const float* in, BlockQ6_K& block) noexcept {
    using namespace quantize_search;
    Grid<16> x;
    Grid<16> codes;
    Fit fit;
    load(in, x);
    fit_scale<W, 16, 32>(x, fit, codes);

    const float max_scale = largest_signed(fit.scale, kGroups);
    const float magnitude = max_scale < 0.0f ? -max_scale : max_scale;
    if (!(magnitude >= kNothing)) {
      block = BlockQ6_K{};
      return;
    }
    const float to_scale = -128.0f / max_scale;
    block.d = f32_to_f16(1.0f / to_scale);
    const float d = f16_to_f32(block.d);
    for (int g = 0; g < kGroups; ++g) {
      const int scale = nearest(to_scale * fit.scale[g], -128.0f, 127.0f);
      block.scales[g] = static_cast<std::int8_t>(scale);
      fit.scale[g] = d * static_cast<float>(scale);
      fit.min[g] = 0.0f;
    }
    round_codes<W>(x, fit, -32.0f, 31.0f, codes);
    std::uint8_t bytes[kSuperBlock];
    unload(codes, bytes);
    for (int half = 0; half < 2; ++half)
      for (int l = 0; l < 32; ++l) {
        const std::uint8_t* c = bytes + 128 * half + l;
        block.ql[64 * half + l] = static_cast<std::uint8_t>((c[0] & 15) | (c[64] & 15) << 4);
        block.ql[64 * half + 32 + l] = static_cast<std::uint8_t>((c[32] & 15) | (c[96] & 15) << 4);
        block.qh[32 * half + l] = static_cast<std::uint8_t>((c[0] >> 4) | (c[32] >> 4) << 2 |
                                                            (c[64] >> 4) << 4 | (c[96] >> 4) << 6);
      }
  }

  template <int kMax, class Block>
  static void k4_row(const float* in, void* blocks, std::int64_t count,
                     quantize_search::Trials trials) noexcept {
    Block* out = static_cast<Block*>(blocks);
    for (std::int64_t b = 0; b < count; b += 2) {
      const float* first = in + b * kSuperBlock;
      const bool two = b + 1 < count;
      k4_pair<kMax>(first, two ? first + kSuperBlock : first, trials, out + b, two ? out + b + 1 : nullptr);
    }
  }

  static void quantize(Format format, const float* in, void* blocks, std::int64_t n) noexcept {
    const std::int64_t count = n / kSuperBlock;
    switch (format) {
      case Format::kQ2_K:
        for (std::int64_t b = 0; b < count; ++b)
          q2_k(in + b * kSuperBlock, static_cast<BlockQ2_K*>(blocks)[b]);
        return;
      case Format::kQ3_K:
        for (std::int64_t b = 0; b < count; ++b)
          q3_k(in + b * kSuperBlock, static_cast<BlockQ3_K*>(blocks)[b]);
        return;
      case Format::kQ4_K:
        return k4_row<15, BlockQ4_K>(in, blocks, count, {-1.0f, 0.1f, 20});
      case Format::kQ5_K:
        return k4_row<31, BlockQ5_K>(in, blocks, count, {-0.5f, 0.1f, 15});
      case Format::kQ6_K:
        for (std::int64_t b = 0; b < count; ++b)
          q6_k(in + b * kSuperBlock, static_cast<BlockQ6_K*>(blocks)[b]);
        return;
      case Format::kIQ4_NL:
        return Iq4Quantizer<W>::nl_row(in, static_cast<BlockIQ4_NL*>(blocks), n / kBlock);
      case Format::kIQ4_XS:
        return Iq4Quantizer<W>::xs_row(in, static_cast<BlockIQ4_XS*>(blocks), count);
      default:
        return;  // no format with a search
    }
  }
};

}  // namespace brinkmap::kernels
