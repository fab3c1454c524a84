#include <fmt/core.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>

#include "schedule/error.h"
#include "worker/frozen_heads.h"
#include "worker/heads_net.h"
#include "worker/linear_heads.h"
#include "worker/run_experiment.h"
#include "worker/suppression.h"
#include "worker/token_states.h"

namespace brinkmap::worker {

namespace {

using schedule::Split;

// Linear heads that choose the strength of a suppression; their seeds share one product.
constexpr std::uint32_t kChoosingHeads = 10;

// What one row's states give: the plain features, and what the method makes of them.
class Source {
 public:
  // Inputs from `first` on, in the order of schedule's unit_readings.
  Source(const ExperimentUnit& u, std::size_t first)
      : u_(u), pooled_(u.input<float>(first)), items_(u.suite.items.size()) {
    const std::size_t size = items_ * static_cast<std::size_t>(u.width);
    if (pooled_.size() != size)
      throw Error(fmt::format("{}: {} states, expected {}", u.spec.id, pooled_.size(), size));
    const auto require = [&](std::span<const float> states, const std::string& owner) {
      for (std::size_t i = 0; i < items_; ++i)
        require_states(u.suite, i, states.subspan(i * size / items_, size / items_), owner);
    };
    require(pooled_, u.suite.spec.id);
    if (u.spec.method == Suppression::kReorder) {
      reranked_ = u.input<float>(first + 1);
      if (reranked_.size() != size)
        throw Error(fmt::format("{}: {} re-ranked states, expected {}", u.spec.id, reranked_.size(), size));
      require(reranked_, u.spec.reads);
    }
    if (!schedule::changes_tokens(u.spec.method)) return;
    lines_ = unpack_means(u.suite, u.input<float>(first + 1), u.input<std::int32_t>(first + 2), u.width);
    tokens_ = u.input<std::int32_t>(first + 3);
    scores_ = u.input<double>(first + 4);
    if (tokens_.size() != items_ || scores_.size() % items_ != 0)
      throw Error(fmt::format("{}: token counts and scores do not fit {} items", u.spec.id, items_));
  }

  static std::size_t inputs(const schedule::ExperimentSpec& spec) {
    return schedule::changes_tokens(spec.method) ? 5 : spec.method == Suppression::kReorder ? 2 : 1;
  }

  std::span<const float> plain() const { return pooled_; }

  // From evidence that is not cited to evidence that is, over the train split.
  std::vector<double> direction() const {
    DirectionSum sum(u_.width);
    for (std::size_t i = 0; i < items_; ++i) {
      if (u_.suite.items[i].split != Split::kTrain) continue;
      std::vector<std::uint8_t> cited;
      for (const EvidenceLine& line : u_.suite.items[i].evidence) cited.push_back(line.kind.cited);
      sum.add(prompt(i), cited);
    }
    return sum.direction();
  }

  std::vector<float> features(const SuppressionSpec& spec) const {
    if (spec.method == Suppression::kNone) return {pooled_.begin(), pooled_.end()};
    if (spec.method == Suppression::kReorder) return {reranked_.begin(), reranked_.end()};
    std::vector<float> out;
    const std::size_t lines = scores_.size() / items_;
    for (std::size_t i = 0; i < items_; ++i) {
      const std::vector<float> one = suppressed_feature(
          spec, prompt(i), scores_.subspan(i * lines, u_.suite.items[i].evidence.size()), u_.spec.pooling);
      out.insert(out.end(), one.begin(), one.end());
    }
    return out;
  }

 private:
  PromptStates prompt(std::size_t i) const {
    const auto w = static_cast<std::size_t>(u_.width);
    const std::size_t first = lines_.first[i], count = lines_.first[i + 1] - first;
    // Only the experiment's own pooling is read, so the one state stands for both.
    const auto pooled = pooled_.subspan(i * w, w);
    return {u_.width,
            static_cast<std::uint32_t>(std::max(tokens_[i], 0)),
            std::span(lines_.means).subspan(first * w, count * w),
            std::span(lines_.tokens).subspan(first, count),
            pooled,
            pooled};
  }

  const ExperimentUnit& u_;
  std::span<const float> pooled_, reranked_;
  std::size_t items_;
  SuiteMeans lines_;
  std::span<const std::int32_t> tokens_;
  std::span<const double> scores_;
};

struct Labels {
  std::vector<std::uint8_t> expected;
  std::vector<Split> splits;
};

double validation_accuracy(const ExperimentUnit& u, std::span<const float> features, const Labels& labels) {
  const HeadData data = make_head_data(features, u.width, labels.expected, labels.splits);
  std::size_t right = 0;
  for (const HeadResult& head :
       train_linear_heads(data, u.keyed_spec(), u.job.seed, 0, kChoosingHeads, u.pool))
    for (std::size_t i = 0; i < data.validation.size(); ++i)
      right += head.validation_prediction[i] == data.labels[data.validation[i]] ? 1 : 0;
  return static_cast<double>(right);
}

// Direction and strength of the method, from the row that trains the heads. The random control removes as
// much as the direction would.
struct Fitted {
  std::vector<double> direction, replacement;
  SuppressionSpec spec;
};

Fitted fit(const ExperimentUnit& u, const Source& trained, const Labels& labels) {
  Fitted out;
  out.spec.method = u.spec.method;
  if (u.spec.method != Suppression::kDirsup && u.spec.method != Suppression::kRandomRank1) return out;
  out.direction = trained.direction();
  out.spec.direction = out.direction;
  std::vector<double> accuracy;
  for (const double lambda : kLambdas) {
    const SuppressionSpec tried{Suppression::kDirsup, lambda, out.direction, {}};
    accuracy.push_back(validation_accuracy(u, trained.features(tried), labels));
  }
  out.spec.lambda = best_lambda(accuracy);
  if (u.spec.method == Suppression::kRandomRank1) {
    out.replacement =
        random_direction(u.width, head_stream({u.job.seed, u.spec.id, 0}, HeadDraw::kDirection));
    out.spec.replacement = out.replacement;
  }
  return out;
}

void store(const ExperimentUnit& u, const std::vector<HeadResult>& heads) {
  const std::size_t test = heads.empty() ? 0 : heads[0].prediction.size();
  const std::size_t validation = heads.empty() ? 0 : heads[0].validation_prediction.size();
  const auto prediction = u.slabs.get<std::uint8_t>("prediction");
  const auto on_validation = u.slabs.get<std::uint8_t>("validation_class");
  const auto logit = u.slabs.get<float>("logit");
  if (prediction.size() != heads.size() * test || on_validation.size() != heads.size() * validation ||
      logit.size() != prediction.size() * schedule::kDecisionClasses)
    throw Error(
        fmt::format("fields of {} do not fit {} seeds of {} test items", u.spec.id, heads.size(), test));
  for (std::size_t s = 0; s < heads.size(); ++s) {
    const HeadResult& h = heads[s];
    std::copy(h.prediction.begin(), h.prediction.end(),
              prediction.begin() + static_cast<std::ptrdiff_t>(s * test));
    std::copy(h.validation_prediction.begin(), h.validation_prediction.end(),
              on_validation.begin() + static_cast<std::ptrdiff_t>(s * validation));
    std::copy(h.logits.begin(), h.logits.end(),
              logit.begin() + static_cast<std::ptrdiff_t>(s * test * schedule::kDecisionClasses));
    u.slabs.get<double>("accuracy")[s] = h.accuracy;
    u.slabs.get<double>("validation_loss")[s] = h.validation_loss;
    u.slabs.get<double>("train_loss")[s] = h.train_loss;
    u.slabs.get<std::int32_t>("epochs")[s] = h.epochs;
    u.slabs.get<std::int32_t>("best_epoch")[s] = h.best_epoch;
  }
}

}  // namespace

void run_heads(const ExperimentUnit& u) {
  Labels labels{expected_answers(u.suite), {}};
  for (const SuiteItem& item : u.suite.items) labels.splits.push_back(item.split);
  const std::size_t inputs = Source::inputs(u.spec);
  // With train_on: baseline the baseline's follow the row's, unless the row is the baseline.
  const bool two = u.spec.train_on == schedule::TrainOn::kBaseline && u.inputs.size() == 2 * inputs;
  if (u.inputs.size() != inputs && !two)
    throw Error(fmt::format(
        "{}: {} inputs, expected {}{}", u.spec.id, u.inputs.size(), inputs,
        u.spec.train_on == schedule::TrainOn::kBaseline ? fmt::format(" or {}", 2 * inputs) : std::string()));
  const Source row(u, 0);
  std::optional<Source> baseline;
  if (two) baseline.emplace(u, inputs);
  const Source& trained = baseline ? *baseline : row;
  const Fitted fitted = fit(u, trained, labels);
  const std::vector<float> features = row.features(fitted.spec);
  const HeadData data = baseline ? frozen_head_data(baseline->features(fitted.spec), features, u.width,
                                                    labels.expected, labels.splits)
                                 : make_head_data(features, u.width, labels.expected, labels.splits);
  store(u, train_heads(data, u.keyed_spec(), u.job.seed, u.unit.begin, u.unit.end, u.pool));
  if (u.spec.method == Suppression::kNone) return;
  const bool same = same_bits(features, row.plain());
  for (std::uint8_t& flag : u.slabs.get<std::uint8_t>("same_features")) flag = same ? 1 : 0;
  const bool has_strength = !fitted.direction.empty();
  for (double& strength : u.slabs.get<double>("strength"))
    strength = has_strength ? fitted.spec.lambda : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace brinkmap::worker
