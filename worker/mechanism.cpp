#include "worker/mechanism.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "schedule/job.h"
#include "worker/rank_auc.h"

namespace brinkmap::worker {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Mean of the states whose prompt `keep` holds; empty when there is none.
template <class Keep>
std::vector<double> mean_state(std::span<const float> states, std::size_t width, const Keep& keep) {
  std::vector<double> sum(width, 0.0);
  std::size_t n = 0;
  for (std::size_t i = 0; i * width < states.size(); ++i) {
    if (!keep(i)) continue;
    ++n;
    for (std::size_t k = 0; k < width; ++k) sum[k] += states[i * width + k];
  }
  if (n == 0) return {};
  for (double& v : sum) v /= static_cast<double>(n);
  return sum;
}

// mean(harmful) - mean(harmless) over the prompts of a half, or of both with half = -1; empty when a set is.
std::vector<double> direction(const RefusalStates& states, const PromptHalves& halves, int half,
                              std::size_t width) {
  const auto of = [&](std::span<const float> set, std::span<const std::uint8_t> in) {
    return mean_state(set, width, [&](std::size_t i) { return half < 0 || in[i] == half; });
  };
  std::vector<double> harmful = of(states.harmful, halves.harmful);
  const std::vector<double> harmless = of(states.harmless, halves.harmless);
  if (harmful.empty() || harmless.empty()) return {};
  for (std::size_t k = 0; k < width; ++k) harmful[k] -= harmless[k];
  return harmful;
}

double dot(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

// How well `made_of`'s direction of one half tells the other half of `judged` apart, both ways.
double separation(const RefusalStates& made_of, const RefusalStates& judged, const PromptHalves& halves,
                  std::size_t width) {
  double sum = 0;
  for (const int half : {0, 1}) {
    const std::vector<double> along = direction(made_of, halves, half, width);
    if (along.empty()) return kNan;
    std::vector<double> scores;
    std::vector<std::uint8_t> labels;
    const auto project = [&](std::span<const float> set, std::span<const std::uint8_t> in, bool harmful) {
      for (std::size_t i = 0; i * width < set.size(); ++i) {
        if (in[i] == half) continue;
        double score = 0;
        for (std::size_t k = 0; k < width; ++k) score += along[k] * set[i * width + k];
        scores.push_back(score);
        labels.push_back(harmful ? 1 : 0);
      }
    };
    project(judged.harmful, halves.harmful, true);
    project(judged.harmless, halves.harmless, false);
    sum += rank_auc(scores, labels);
  }
  return sum / 2;
}

void measure_neurons(const RefusalStates& row, const RefusalStates& baseline,
                     std::span<const double> baseline_direction, std::span<const double> own_direction,
                     std::size_t width, Mechanism& out) {
  const auto count = static_cast<std::size_t>(schedule::safety_neurons(static_cast<int>(width)));
  if (count == 0) return;
  const std::vector<std::size_t> neurons = largest_dimensions(baseline_direction, count);
  std::vector<double> error(width, 0.0);
  for (std::size_t i = 0; i < row.harmful.size(); ++i)
    error[i % width] += std::fabs(static_cast<double>(row.harmful[i]) - baseline.harmful[i]);
  const double all = std::accumulate(error.begin(), error.end(), 0.0);
  double inside = 0;
  for (const std::size_t k : neurons) inside += error[k];
  double outside = 0;  // not all - inside: that would not be exactly 0 where the rest is unchanged
  for (std::size_t k = 0; k < width; ++k)
    if (!std::binary_search(neurons.begin(), neurons.end(), k)) outside += error[k];
  const auto prompts = static_cast<double>(row.harmful.size() / width);
  out.neuron_error = inside / (prompts * static_cast<double>(count));
  out.other_error = outside / (prompts * static_cast<double>(width - count));
  out.error_ratio = out.other_error > 0 ? out.neuron_error / out.other_error : kNan;
  out.error_share = all > 0 ? inside / all : kNan;
  std::vector<std::size_t> both;
  const std::vector<std::size_t> own = largest_dimensions(own_direction, count);
  std::set_intersection(neurons.begin(), neurons.end(), own.begin(), own.end(), std::back_inserter(both));
  out.neuron_overlap = static_cast<double>(both.size()) / static_cast<double>(count);
}

}  // namespace

std::vector<std::size_t> largest_dimensions(std::span<const double> direction, std::size_t count) {
  std::vector<std::size_t> order(direction.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::fabs(direction[a]) > std::fabs(direction[b]);
  });
  order.resize(std::min(count, order.size()));
  std::sort(order.begin(), order.end());
  return order;
}

Mechanism mechanism(const RefusalStates& row, const RefusalStates& baseline, const PromptHalves& halves,
                    std::size_t width) {
  Mechanism out{kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan, kNan};
  const std::vector<double> own = direction(row, halves, -1, width);
  const std::vector<double> reference = direction(baseline, halves, -1, width);
  if (own.empty() || reference.empty()) return out;
  out.norm = std::sqrt(dot(own, own));
  const double norms = out.norm * std::sqrt(dot(reference, reference));
  if (norms > 0) out.cosine = std::clamp(dot(own, reference) / norms, -1.0, 1.0);
  out.auc_own = separation(row, row, halves, width);
  out.auc_baseline = separation(baseline, row, halves, width);
  measure_neurons(row, baseline, reference, own, width, out);
  return out;
}

}  // namespace brinkmap::worker
