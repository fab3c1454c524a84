#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/isa.h"
#include "kernels/thread_pool.h"

// The gated delta rule (Yang, Kautz and Hatamizadeh, "Gated Delta Networks", arXiv:2412.06464) behind a
// causal depthwise convolution, as the linear attention of Qwen3-Next and Qwen3.5 computes it. Every token
// goes through the recurrence by itself, in f32 and in a fixed order, so the bits depend on the sequence
// alone: not on the batch, the chunks of a prompt, the threads or the instruction set.
namespace brinkmap::kernels {

inline constexpr int kMostTaps = 16;

struct DeltaShape {
  int key_heads = 0;
  int value_heads = 0;  // a multiple of key_heads; value head h uses key head h mod key_heads (GGUF's order)
  int key_dim = 0;      // of a head
  int value_dim = 0;
  int taps = 0;  // of the convolution, 1 to kMostTaps

  std::int64_t values() const noexcept { return std::int64_t{value_heads} * value_dim; }
  // Queries, keys and values of one token, in this order.
  std::int64_t channels() const noexcept { return 2 * std::int64_t{key_heads} * key_dim + values(); }
  // Floats of one sequence's state, all zero at its start: the last taps - 1 inputs of the convolution, then
  // per value head and sixteen value dimensions S[key_dim][16].
  std::int64_t state_floats() const noexcept {
    return (taps - 1) * channels() +
           std::int64_t{value_heads} * ((value_dim + 15) / 16) * std::int64_t{key_dim} * 16;
  }
};

struct DeltaWeights {
  const float* convolution = nullptr;  // [taps, channels]; the last tap meets the newest token
  const float* decay = nullptr;        // [value_heads], negative
  const float* step_bias = nullptr;    // [value_heads]
};

struct DeltaSequence {
  float* state = nullptr;  // advanced by this call
  std::int64_t first_row = 0;
  std::int64_t rows = 0;
};

// Working memory of delta_net(), reused.
struct DeltaScratch {
  std::vector<float> mixed;  // [n, channels] after the convolution
  std::vector<float> keep;   // [n, value_heads] share of the state that a token keeps
  std::vector<float> write;  // [n, value_heads] share of its error that it writes
};

// qkv[n, channels] in, alpha and beta[n, value_heads] in, out[n, values]. Per token, with c =
// silu(convolution): q and k of each head are c / sqrt(sum c^2 + 1e-6), q also times 1 / sqrt(key_dim); v =
// c;
//   S <- exp(decay * log(1 + exp(alpha + step_bias))) S;  e = sigmoid(beta) (v - S^T k);  S <- S + k e^T;
//   out = S^T q.
void delta_net(const DeltaShape& shape, const DeltaWeights& weights, std::span<const DeltaSequence> sequences,
               const float* qkv, const float* alpha, const float* beta, float* out, DeltaScratch& scratch,
               ThreadPool& pool, Isa isa = active_isa());

}  // namespace brinkmap::kernels
