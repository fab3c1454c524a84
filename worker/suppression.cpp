#include "worker/suppression.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <numeric>

#include "schedule/error.h"

namespace brinkmap::worker {

namespace {

void check(const PromptStates& prompt, std::size_t per_span) {
  const auto width = static_cast<std::size_t>(std::max<std::int64_t>(prompt.width, 0));
  std::uint64_t tokens = 0;
  for (const std::uint32_t n : prompt.span_tokens) tokens += n;
  if (width == 0 || prompt.tokens == 0 || tokens > prompt.tokens ||
      prompt.span_means.size() != prompt.span_tokens.size() * width || prompt.last.size() != width ||
      prompt.mean.size() != width || per_span != prompt.span_tokens.size())
    throw Error(fmt::format(
        "suppression: the cached states of a prompt do not fit together (width {}, {} "
        "tokens, {} values of {} spans, {} scores)",
        prompt.width, prompt.tokens, prompt.span_means.size(), prompt.span_tokens.size(), per_span));
}

std::vector<double> unit(std::vector<double> v, const char* what) {
  double squares = 0;
  for (const double x : v) squares += x * x;
  const double norm = std::sqrt(squares);
  if (!(norm > 0) || !std::isfinite(norm))
    throw Error(fmt::format("suppression: {} has norm {}", what, norm));
  for (double& x : v) x /= norm;
  return v;
}

// Adds what the method changes at the tokens of one span to `change`.
void add_change(const SuppressionSpec& spec, std::span<const float> mean, double tokens, double factor,
                std::vector<double>& change) {
  if (spec.method == Suppression::kSoftmask) {
    for (std::size_t k = 0; k < change.size(); ++k) change[k] += tokens * (factor - 1) * mean[k];
    return;
  }
  double along = 0;
  for (std::size_t k = 0; k < change.size(); ++k) along += spec.direction[k] * mean[k];
  const std::span<const double> removed =
      spec.method == Suppression::kDirsup ? spec.direction : spec.replacement;
  for (std::size_t k = 0; k < change.size(); ++k)
    change[k] -= tokens * spec.lambda * (1 - factor) * along * removed[k];
}

}  // namespace

DirectionSum::DirectionSum(std::int64_t width) : width_(width) {
  for (auto& sum : sum_) sum.assign(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)), 0.0);
}

void DirectionSum::add(const PromptStates& prompt, std::span<const std::uint8_t> cited) {
  check(prompt, cited.size());
  if (prompt.width != width_)
    throw Error(fmt::format("suppression: a prompt of width {} for one of {}", prompt.width, width_));
  const auto width = static_cast<std::size_t>(width_);
  for (std::size_t j = 0; j < cited.size(); ++j) {
    const std::size_t side = cited[j] != 0 ? 1 : 0;
    const auto mean = prompt.span_means.subspan(j * width, width);
    for (std::size_t k = 0; k < width; ++k)
      sum_[side][k] += static_cast<double>(prompt.span_tokens[j]) * mean[k];
    tokens_[side] += prompt.span_tokens[j];
  }
}

std::vector<double> DirectionSum::direction() const {
  if (tokens_[0] == 0 || tokens_[1] == 0)
    throw Error(fmt::format("suppression: {} tokens of cited and {} of other evidence in the training split",
                            tokens_[1], tokens_[0]));
  std::vector<double> difference(sum_[0].size());
  for (std::size_t k = 0; k < difference.size(); ++k)
    difference[k] =
        sum_[0][k] / static_cast<double>(tokens_[0]) - sum_[1][k] / static_cast<double>(tokens_[1]);
  return unit(std::move(difference), "the direction between cited and other evidence");
}

std::vector<double> random_direction(std::int64_t width, const kernels::RandomStream& random) {
  std::vector<double> v(static_cast<std::size_t>(std::max<std::int64_t>(width, 0)));
  for (std::size_t k = 0; k < v.size(); ++k) v[k] = random.normal(k);
  return unit(std::move(v), "a random direction");
}

std::vector<float> suppressed_feature(const SuppressionSpec& spec, const PromptStates& prompt,
                                      std::span<const double> scores, schedule::Pooling pooling) {
  check(prompt, scores.size());
  for (const double p : scores)
    if (!(p >= 0 && p <= 1)) throw Error(fmt::format("suppression: an evidence score is {}", p));
  if (pooling == schedule::Pooling::kLast) return {prompt.last.begin(), prompt.last.end()};
  std::vector<float> feature(prompt.mean.begin(), prompt.mean.end());
  if (spec.method == Suppression::kNone || spec.method == Suppression::kReorder) return feature;
  const auto width = static_cast<std::size_t>(prompt.width);
  if ((spec.method != Suppression::kSoftmask && spec.direction.size() != width) ||
      (spec.method == Suppression::kRandomRank1 && spec.replacement.size() != width))
    throw Error(fmt::format("suppression: expected directions of width {}", width));
  const double top = scores.empty() ? 0 : *std::max_element(scores.begin(), scores.end());
  std::vector<double> change(width);
  for (std::size_t j = 0; j < scores.size(); ++j) {
    double factor = scores[j];
    if (spec.method == Suppression::kSoftmask) factor = top > 0 ? factor / top : 1;
    add_change(spec, prompt.span_means.subspan(j * width, width), prompt.span_tokens[j], factor, change);
  }
  for (std::size_t k = 0; k < width; ++k)
    feature[k] = static_cast<float>(feature[k] + change[k] / prompt.tokens);
  return feature;
}

std::vector<std::uint32_t> score_order(std::span<const double> scores) {
  std::vector<std::uint32_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return scores[a] > scores[b]; });
  return order;
}

double best_lambda(std::span<const double> accuracy) {
  if (accuracy.size() != std::size(kLambdas))
    throw Error(
        fmt::format("suppression: {} accuracies for {} strengths", accuracy.size(), std::size(kLambdas)));
  return kLambdas[std::max_element(accuracy.begin(), accuracy.end()) - accuracy.begin()];
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

}  // namespace brinkmap::worker
