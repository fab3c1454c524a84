#pragma once

#include <cstdint>
#include <span>
#include <vector>

// What the residual stream behind one block says about refusing, on a row and against its baseline (Arditi et
// al., "Refusal in Language Models Is Mediated by a Single Direction", 2024; METHOD.md 15). All sums in f64,
// prompts and dimensions in order.
namespace brinkmap::worker {

// Last-token states of one row behind one block, [prompts, width] each, all finite, with the half (0 or 1)
// that each prompt belongs to. Row and baseline hold the same prompts.
struct RefusalStates {
  std::span<const float> harmful, harmless;
};
struct PromptHalves {
  std::span<const std::uint8_t> harmful, harmless;
};

// What is not defined is NaN: everything when a set is empty.
struct Mechanism {
  double norm = 0;          // L2 norm of mean(harmful) - mean(harmless)
  double cosine = 0;        // with the baseline's
  double auc_own = 0;       // harmful above harmless along the row's direction; the direction of one half
                            // judges the other, both ways, mean; NaN unless both halves have both sets
  double auc_baseline = 0;  // the same along the baseline's direction
  // Safety neurons: the schedule::safety_neurons(width) dimensions with the largest |direction| on the
  // baseline, of equal ones the lowest. Errors are means of |row - baseline| over the harmful prompts.
  double neuron_error = 0, other_error = 0;
  double error_ratio = 0;     // neuron_error / other_error; NaN for 0 / 0
  double error_share = 0;     // of the error summed over all dimensions; NaN where there is none
  double neuron_overlap = 0;  // share of them that the row's own direction selects, too
};
Mechanism mechanism(const RefusalStates& row, const RefusalStates& baseline, const PromptHalves& halves,
                    std::size_t width);

// The `count` dimensions with the largest |direction|, of equal ones the lowest, ascending.
std::vector<std::size_t> largest_dimensions(std::span<const double> direction, std::size_t count);

}  // namespace brinkmap::worker
