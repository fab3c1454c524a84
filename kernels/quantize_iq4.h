#pragma once

#include <cstdint>

#include "kernels/block.h"
#include "kernels/half.h"
#include "kernels/quantize_search.h"

// The encoders of IQ4_NL and IQ4_XS (quantize_row_iq4_nl_impl in ggml-quants.c of llama.cpp, no importance
// matrix). Included only by the per-instruction-set sources quantize_k_*.cpp.
namespace brinkmap::kernels {

template <int W>
struct Iq4Quantizer {
  static constexpr int kGroups = quantize_search::kGroups;
  using Blocks = quantize_search::Grid<kBlock>;
  using Fit = quantize_search::Fit;

  static void pack(const Blocks& codes, int group, std::uint8_t* qs) noexcept {
    for (int i = 0; i < 16; ++i)
      qs[i] = static_cast<std::uint8_t>(static_cast<int>(codes.v[i][group]) |
                                        static_cast<int>(codes.v[i + 16][group]) << 4);
  }

  // Codes of x times the inverse of each group's scale; an inverse of 0 stands for a scale of 0.
  static void round_to_levels(const Blocks& x, const float* inverse, Blocks& codes) noexcept {
    using S = quantize_search::Simd<W>;
    for (int lane = 0; lane < kGroups; lane += W)
      for (int i = 0; i < kBlock; ++i)
        S::store(&codes.v[i][lane],
                 quantize_search::level_index<W>(S::load(inverse + lane) * S::load(&x.v[i][lane])));
  }

  // Up to 16 blocks of 32; lanes without one hold zeros.
  static void nl(const float* in, int count, BlockIQ4_NL* out) noexcept {
    Blocks x{};
    Blocks codes;
    Fit fit;
    for (int g = 0; g < count; ++g)
      for (int i = 0; i < kBlock; ++i) x.v[i][g] = in[kBlock * g + i];
    quantize_search::fit_scale_to_levels<W>(x, fit);
    alignas(64) float inverse[kGroups];
    for (int g = 0; g < kGroups; ++g) inverse[g] = fit.scale[g] != 0.0f ? 1.0f / fit.scale[g] : 0.0f;
    round_to_levels(x, inverse, codes);
    for (int g = 0; g < count; ++g) {
      out[g].d = f32_to_f16(fit.scale[g]);
      pack(codes, g, out[g].qs);
    }
  }

  // The scales of one super-block, and the inverses to round its codes with.
  static void store_scales(const float* scale, BlockIQ4_XS& block, float* inverse) noexcept {
    float largest = 0.0f;
    float magnitude = 0.0f;
    for (int g = 0; g < 8; ++g) {
      const float a = scale[g] < 0.0f ? -scale[g] : scale[g];
      largest = a > magnitude ? scale[g] : largest;
      magnitude = a > magnitude ? a : magnitude;
    }
    const float d = -largest / 32.0f;
    const float to_scale = d != 0.0f ? 1.0f / d : 0.0f;
    block.d = f32_to_f16(d);
    block.scales_h = 0;
    for (std::uint8_t& byte : block.scales_l) byte = 0;
    for (int g = 0; g < 8; ++g) {
      float v = to_scale * scale[g];
      v = v > -32.0f ? v : -32.0f;
      v = v < 31.0f ? v : 31.0f;
      v = (v + 12582912.0f) - 12582912.0f;
      const float rounded = d * v;
      inverse[g] = rounded != 0.0f ? 1.0f / rounded : 0.0f;
      const int code = static_cast<int>(v) + 32;
      block.scales_l[g / 2] = static_cast<std::uint8_t>(block.scales_l[g / 2] | (code & 15) << (4 * (g % 2)));
      block.scales_h = static_cast<std::uint16_t>(block.scales_h | (code >> 4) << (2 * g));
    }
  }

  // One or two super-blocks, 8 groups each.
  static void xs(const float* in, int count, BlockIQ4_XS* out) noexcept {
    Blocks x{};
    Blocks codes;
    Fit fit;
    for (int g = 0; g < 8 * count; ++g)
      for (int i = 0; i < kBlock; ++i) x.v[i][g] = in[kBlock * g + i];
    quantize_search::fit_scale_to_levels<W>(x, fit);
    alignas(64) float inverse[kGroups] = {};
    for (int b = 0; b < count; ++b) store_scales(fit.scale + 8 * b, out[b], inverse + 8 * b);
    round_to_levels(x, inverse, codes);
    for (int g = 0; g < 8 * count; ++g) pack(codes, g, out[g / 8].qs + 16 * (g % 8));
  }

  static void nl_row(const float* in, BlockIQ4_NL* out, std::int64_t count) noexcept {
    for (std::int64_t b = 0; b < count; b += kGroups)
      nl(in + b * kBlock, static_cast<int>(count - b < kGroups ? count - b : kGroups), out + b);
  }
  static void xs_row(const float* in, BlockIQ4_XS* out, std::int64_t count) noexcept {
    for (std::int64_t b = 0; b < count; b += 2) xs(in + b * kSuperBlock, count - b < 2 ? 1 : 2, out + b);
  }
};

}  // namespace brinkmap::kernels
