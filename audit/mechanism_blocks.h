#pragma once

#include <algorithm>
#include <cmath>

// Blocks that stand for a model in mechanistic probes (METHOD.md 15), counted from 0.
namespace brinkmap::audit {

inline constexpr int kNeuronBlocks = 5;

// round(linspace(0.2, 0.8, 5)[k] x depth), halves to even.
inline int neuron_depth(int depth, int k) {
  return static_cast<int>(std::nearbyint((0.2 + 0.6 * k / (kNeuronBlocks - 1)) * depth));
}

// The same within the model: the last block where rounding leads past it, as in models of one or two blocks.
inline int neuron_block(int depth, int k) { return std::min(neuron_depth(depth, k), depth - 1); }

// round(0.65 x depth), halves to even, within the model.
inline int direction_block(int depth) {
  return std::min(static_cast<int>(std::nearbyint(0.65 * depth)), depth - 1);
}

}  // namespace brinkmap::audit
