#pragma once

#include <cstdint>

#include "kernels/isa.h"

// One training step of a small classifier head, d -> hidden GELU dropout -> kHeadClasses, in pieces. The
// input layer holds nearly all weights, so its gradient is never stored: each tile is summed in registers and
// AdamW is applied to it at once, and a step reads and writes weights and moments once.
//
// Every sum runs in a fixed order with fused multiply-adds, one output a lane, so all versions give the same
// bits on every CPU and for any batch a row stands in.
//
// Layouts. Hidden units are grouped in panels of kHeadPanel; counts are padded as the helpers below say, and
// padding holds zeros, which stay zero.
//   input weights and moments  [panels][inputs][kHeadPanel]
//   packed batch x             [inputs / 8][rows][8]          (pack_head_batch)
//   hidden values              [panels][rows][kHeadPanel]
//   output weights             [kHeadClasses][panels * kHeadPanel]
//   logits and their gradients [rows][kHeadClasses]
namespace brinkmap::kernels {

inline constexpr int kHeadPanel = 32;
inline constexpr int kHeadClasses = 3;

constexpr std::int64_t head_panels(std::int64_t hidden) { return (hidden + kHeadPanel - 1) / kHeadPanel; }
constexpr std::int64_t head_inputs(std::int64_t d) { return (d + 15) / 16 * 16; }
constexpr std::int64_t head_rows(std::int64_t n) { return (n + 7) / 8 * 8; }

// AdamW as PyTorch states it (torch.optim.AdamW): w <- w * decay - step_size * m / (sqrt(v) * inv_sqrt_bias +
// epsilon).
struct AdamStep {
  float decay = 1;  // 1 - learning rate * weight decay
  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float epsilon = 1e-8f;
  float step_size = 0;      // learning rate / (1 - beta1^t)
  float inv_sqrt_bias = 1;  // 1 / sqrt(1 - beta2^t)
};

struct HeadShape {
  std::int64_t rows = 0;    // of the batch, unpadded
  std::int64_t inputs = 0;  // padded
  std::int64_t panels = 0;

  std::int64_t padded_rows() const noexcept { return head_rows(rows); }
  std::int64_t hidden() const noexcept { return panels * kHeadPanel; }
};

// rows[i] points to `inputs` floats (padded with zeros, as the weights are). Fills [inputs /
// 8][head_rows(n)][8].
void pack_head_batch(const float* const* rows, std::int64_t n, std::int64_t inputs, float* x) noexcept;

// The pieces, for one instruction set. Every array is 64-byte aligned. Nothing is checked.
struct HeadKernels {
  // z = x * w + bias; bias: [hidden]. Writes padded rows too.
  void (*forward)(const HeadShape&, const float* x, const float* w, const float* bias, float* z) noexcept;
  // Philox words, thresholded: keep[i] = word i >= threshold ? scale : 0. `count` is a multiple of 64. Word i
  // is word (i % 64) / 16 of philox block `first` + i / 64 * 16 + i % 16 of the stream (kernels/philox.h).
  void (*dropout)(std::uint64_t seed, std::uint64_t stream, std::uint64_t first, std::uint32_t threshold,
                  float scale, std::int64_t count, float* keep) noexcept;
  // a = gelu(z) * keep and, when slope is not null, slope = gelu'(z) * keep. keep null: 1. gelu(z) = z *
  // Phi(z) with the error function of Abramowitz and Stegun 7.1.26: |error of Phi| < 2e-7. `count` is a
  // multiple of 16.
  void (*activate)(const float* z, const float* keep, std::int64_t count, float* a, float* slope) noexcept;
  // logits[row][c] = bias[c] + a . w[c].
  void (*output)(const HeadShape&, const float* a, const float* w, const float* bias, float* logits) noexcept;
  // From the gradient of the logits: dz (hidden values), gradients of the output weights and of the input
  // bias.
  void (*backward)(const HeadShape&, const float* d_logits, const float* a, const float* slope,
                   const float* w, float* dz, float* d_w, float* d_bias) noexcept;
  // One AdamW step of the input weights with gradient sum over rows of x * dz.
  void (*update_input)(const HeadShape&, const float* x, const float* dz, const AdamStep&, float* w, float* m,
                       float* v) noexcept;
  // One AdamW step of any weights; `count` is a multiple of 16.
  void (*update)(const float* gradient, std::int64_t count, const AdamStep&, float* w, float* m,
                 float* v) noexcept;
};

// `isa` must be in supported_isas().
const HeadKernels& head_kernels(Isa isa) noexcept;

}  // namespace brinkmap::kernels
