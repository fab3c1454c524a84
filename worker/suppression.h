#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/philox.h"
#include "schedule/job.h"

// Ways to use the evidence head's scores to clean what a decision head reads (METHODS-evaluator 1.8). They
// work on cached states of one layer; nothing behind that layer is run again, so what they change shows in
// the mean over a prompt and, as the last token lies outside every evidence span, not in the last token:
// same_bits says so, and such a method is reported as a no-op.
namespace brinkmap::worker {

using schedule::Suppression;

// Cached states of one prompt at one layer. Of an evidence line the mean over its tokens is enough: every
// method changes a token linearly, so that a line's tokens change together as their sum does.
struct PromptStates {
  std::int64_t width = 0;
  std::uint32_t tokens = 0;                    // of the whole prompt
  std::span<const float> span_means;           // [spans, width]
  std::span<const std::uint32_t> span_tokens;  // [spans], of each span
  std::span<const float> last;                 // [width], the last token of the prompt
  std::span<const float> mean;                 // [width], over all tokens
};

// Unit vector from the mean over tokens of cited evidence to the mean over tokens of evidence that is not,
// added up prompt by prompt over the training split.
class DirectionSum {
 public:
  explicit DirectionSum(std::int64_t width);
  // cited[span] of the prompt: 0 or 1. Throws Error when sizes disagree.
  void add(const PromptStates& prompt, std::span<const std::uint8_t> cited);
  // Throws Error when one of the two kinds is missing or the means are equal.
  std::vector<double> direction() const;

 private:
  std::int64_t width_;
  std::vector<double> sum_[2];  // not cited, cited
  std::uint64_t tokens_[2] = {};
};

// Unit vector of independent normal draws: the control for a direction.
std::vector<double> random_direction(std::int64_t width, const kernels::RandomStream& random);

struct SuppressionSpec {
  Suppression method = Suppression::kNone;
  double lambda = 1;                    // share removed by kDirsup and kRandomRank1
  std::span<const double> direction;    // [width] unit vector; kDirsup and kRandomRank1
  std::span<const double> replacement;  // [width] unit vector; kRandomRank1
};

// The feature of a prompt: last token or mean over all tokens after
//   none, reorder  nothing (reorder changes the prompt, see score_order and worker/spans.h)
//   softmask       span j times scores[j] / the largest score of the prompt
//   dirsup         h - lambda (1 - scores[j]) (u . h) u for every token h of span j, u the direction
//   rank1-random   h - lambda (1 - scores[j]) (u . h) r, r the replacement: the same norm, another direction
// scores[span]: probabilities. Sums in f64, in span order. Throws Error when sizes disagree or a score is
// outside 0..1.
std::vector<float> suppressed_feature(const SuppressionSpec& spec, const PromptStates& prompt,
                                      std::span<const double> scores, schedule::Pooling pooling);

// Evidence lines by falling score; equal scores keep their order.
std::vector<std::uint32_t> score_order(std::span<const double> scores);

// Strengths to try, and the choice among them by validation accuracy: the first of the best.
inline constexpr double kLambdas[] = {0.25, 0.5, 1.0};
double best_lambda(std::span<const double> accuracy);

// Whether two feature matrices are equal bit for bit.
bool same_bits(std::span<const float> a, std::span<const float> b);

}  // namespace brinkmap::worker
