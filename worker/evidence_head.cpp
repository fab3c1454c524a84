#include "worker/evidence_head.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "schedule/error.h"
#include "worker/adam_w.h"
#include "worker/evidence_net.h"
#include "worker/heads_net.h"
#include "worker/keyed_shuffle.h"
#include "worker/rank_auc.h"

namespace brinkmap::worker {

namespace {

using schedule::Split;

constexpr double kStdFloor = 1e-6;

double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

// Binary cross-entropy of a logit, nats.
double cross_entropy(double logit, bool positive) {
  return std::max(logit, 0.0) - (positive ? logit : 0) + std::log1p(std::exp(-std::fabs(logit)));
}

void check(const EvidenceSpans& spans) {
  if (spans.width <= 0 || spans.size() == 0 || spans.offsets.front() != 0 ||
      spans.states.size() != spans.offsets.back() * static_cast<std::size_t>(spans.width))
    throw Error(fmt::format("evidence head: {} states of {} spans do not fit width {}", spans.states.size(),
                            spans.size(), spans.width));
  for (std::size_t j = 0; j < spans.size(); ++j)
    if (spans.offsets[j + 1] <= spans.offsets[j])
      throw Error(fmt::format("evidence head: span {} has no token", j));
  const auto bad =
      std::find_if_not(spans.states.begin(), spans.states.end(), [](float x) { return std::isfinite(x); });
  if (bad != spans.states.end())
    throw Error(fmt::format("evidence head: the state of token {} is {}",
                            (bad - spans.states.begin()) / spans.width, *bad));
}

// Mean and 1 / deviation of every dimension over the tokens of the spans named, two passes in f64.
void standardise(const EvidenceSpans& spans, std::span<const std::uint32_t> train, EvidenceHead& head) {
  const auto width = static_cast<std::size_t>(spans.width);
  std::vector<double> mean(width), square(width);
  double tokens = 0;
  const auto each = [&](const auto& use) {
    for (const std::uint32_t j : train)
      for (std::size_t t = spans.offsets[j]; t < spans.offsets[j + 1]; ++t)
        use(spans.states.data() + t * width);
  };
  each([&](const float* h) {
    for (std::size_t k = 0; k < width; ++k) mean[k] += h[k];
    ++tokens;
  });
  for (double& m : mean) m /= tokens;
  each([&](const float* h) {
    for (std::size_t k = 0; k < width; ++k) square[k] += (h[k] - mean[k]) * (h[k] - mean[k]);
  });
  for (std::size_t k = 0; k < width; ++k) {
    head.mean.push_back(static_cast<float>(mean[k]));
    head.scale.push_back(static_cast<float>(1 / std::max(std::sqrt(square[k] / tokens), kStdFloor)));
  }
}

void gather(const EvidenceHead& head, const EvidenceSpans& spans, std::span<const std::uint32_t> chosen,
            EvidenceBatch& batch) {
  const auto width = static_cast<std::size_t>(spans.width);
  batch.offsets.assign(1, 0);
  for (const std::uint32_t j : chosen)
    batch.offsets.push_back(batch.offsets.back() + spans.offsets[j + 1] - spans.offsets[j]);
  batch.states.resize(batch.offsets.back() * width);
  float* out = batch.states.data();
  for (const std::uint32_t j : chosen)
    for (std::size_t t = spans.offsets[j]; t < spans.offsets[j + 1]; ++t, out += width)
      for (std::size_t k = 0; k < width; ++k)
        out[k] = (spans.states[t * width + k] - head.mean[k]) * head.scale[k];
}

class Trainer {
 public:
  Trainer(const EvidenceSpans& spans, std::span<const std::uint8_t> labels,
          std::span<const schedule::Split> splits, const schedule::ExperimentSpec& spec, const HeadKey& key)
      : spans_(spans),
        labels_(labels),
        spec_(spec),
        key_(key),
        kernels_(kernels::head_kernels(kernels::active_isa())),
        net_(spans.width, spec.hidden, kernels::active_isa()),
        first_(net_.layout().size),
        second_(net_.layout().size),
        keep_(cells()),
        adam_(spec.learning_rate, spec.weight_decay),
        dropout_(head_stream(key, HeadDraw::kDropout)) {
    sort_out(splits);
    result_.head.width = spans.width;
    result_.head.hidden = spec.hidden;
    standardise(spans, train_, result_.head);
  }

  EvidenceHeadResult run() {
    net_.init(key_);
    std::vector<float>& kept = result_.head.weights;
    const kernels::RandomStream order_stream = head_stream(key_, HeadDraw::kOrder);
    std::vector<std::uint32_t> order;
    const auto batch = static_cast<std::size_t>(spec_.batch);
    for (int epoch = 1; epoch <= spec_.max_epochs; ++epoch) {
      order = train_;
      keyed_shuffle(order, order_stream, static_cast<std::uint64_t>(epoch - 1));
      for (std::size_t at = 0; at < order.size(); at += batch)
        step(std::span(order).subspan(at, std::min(batch, order.size() - at)));
      const double loss = mean_loss(validation_);
      if (!std::isfinite(loss))
        throw Error(fmt::format("evidence head: validation loss is {} after epoch {}", loss, epoch));
      result_.epochs = epoch;
      if (result_.best_epoch == 0 || loss < result_.validation_loss) {
        result_.validation_loss = loss;
        result_.best_epoch = epoch;
        kept.assign(net_.weights().data(), net_.weights().data() + net_.layout().size);
      } else if (epoch - result_.best_epoch >= spec_.patience) {
        break;
      }
    }
    std::copy(kept.begin(), kept.end(), net_.weights().data());
    result_.train_loss = mean_loss(train_);
    result_.score = score_evidence(result_.head, spans_);
    result_.auc = auc_of(test_);
    result_.validation_auc = auc_of(validation_);
    return std::move(result_);
  }

 private:
  // Dropout factors of a step, in the whole blocks that the kernel fills.
  std::int64_t cells() const { return (std::int64_t{spec_.batch} * spec_.hidden + 63) / 64 * 64; }

  void sort_out(std::span<const Split> splits) {
    double positives = 0;
    for (std::uint32_t j = 0; j < labels_.size(); ++j) {
      if (labels_[j] > 1) throw Error(fmt::format("evidence head: span {} has label {}", j, labels_[j]));
      if (splits[j] == Split::kTrain) {
        train_.push_back(j);
        positives += labels_[j];
      }
      if (splits[j] == Split::kValidation) validation_.push_back(j);
      if (splits[j] == Split::kTest) test_.push_back(j);
    }
    const double negatives = static_cast<double>(train_.size()) - positives;
    if (positives == 0 || negatives == 0 || validation_.empty() || test_.empty())
      throw Error(
          fmt::format("evidence head: {} cited and {} other train spans, {} of validation and {} of "
                      "test; none may be missing",
                      positives, negatives, validation_.size(), test_.size()));
    weight_[0] = 1;
    weight_[1] = negatives / positives;
  }

  void step(std::span<const std::uint32_t> chosen) {
    gather(result_.head, spans_, chosen, batch_);
    const float* keep = nullptr;
    if (spec_.dropout > 0) {
      kernels_.dropout(dropout_.seed, dropout_.stream, steps_ * static_cast<std::uint64_t>(cells() / 4),
                       static_cast<std::uint32_t>(std::lround(spec_.dropout * 0x1p32)),
                       static_cast<float>(1 / (1 - spec_.dropout)), cells(), keep_.data());
      keep = keep_.data();
    }
    const std::span<const float> logits = net_.forward(batch_, keep);
    double total = 0;
    for (const std::uint32_t j : chosen) total += weight_[labels_[j]];
    d_logits_.clear();
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const std::uint8_t label = labels_[chosen[i]];
      d_logits_.push_back(static_cast<float>(weight_[label] * (sigmoid(logits[i]) - label) / total));
    }
    net_.backward(batch_, d_logits_);
    kernels_.update(net_.gradient().data(), net_.layout().size, adam_.next(), net_.weights().data(),
                    first_.data(), second_.data());
    ++steps_;
  }

  double auc_of(std::span<const std::uint32_t> chosen) const {
    std::vector<double> scores;
    std::vector<std::uint8_t> labels;
    for (const std::uint32_t j : chosen) {
      scores.push_back(result_.score[j]);
      labels.push_back(labels_[j]);
    }
    return rank_auc(scores, labels);
  }

  double mean_loss(std::span<const std::uint32_t> chosen) {
    double loss = 0, total = 0;
    for (const std::uint32_t j : chosen) {
      gather(result_.head, spans_, std::span(&j, 1), batch_);
      loss += weight_[labels_[j]] * cross_entropy(net_.forward(batch_, nullptr)[0], labels_[j] == 1);
      total += weight_[labels_[j]];
    }
    return loss / total;
  }

  const EvidenceSpans& spans_;
  std::span<const std::uint8_t> labels_;
  const schedule::ExperimentSpec& spec_;
  const HeadKey& key_;
  const kernels::HeadKernels& kernels_;
  EvidenceNet net_;
  AlignedFloats first_, second_, keep_;
  AdamW adam_;
  kernels::RandomStream dropout_;
  std::vector<std::uint32_t> train_, validation_, test_;
  double weight_[2] = {};  // of a negative, of a positive
  EvidenceBatch batch_;
  std::vector<float> d_logits_;
  std::uint64_t steps_ = 0;
  EvidenceHeadResult result_;
};

}  // namespace

EvidenceHeadResult train_evidence_head(const EvidenceSpans& spans, std::span<const std::uint8_t> labels,
                                       std::span<const Split> splits, const schedule::ExperimentSpec& spec,
                                       const HeadKey& key) {
  check(spans);
  if (labels.size() != spans.size() || splits.size() != spans.size())
    throw Error(fmt::format("evidence head: {} labels and {} splits for {} spans", labels.size(),
                            splits.size(), spans.size()));
  return Trainer(spans, labels, splits, spec, key).run();
}

std::vector<double> score_evidence(const EvidenceHead& head, const EvidenceSpans& spans) {
  check(spans);
  EvidenceNet net(head.width, head.hidden, kernels::active_isa());
  if (spans.width != head.width || static_cast<std::int64_t>(head.weights.size()) != net.layout().size)
    throw Error(fmt::format("evidence head: states of width {} for a head of width {} with {} weights",
                            spans.width, head.width, head.weights.size()));
  std::copy(head.weights.begin(), head.weights.end(), net.weights().data());
  // One span at a time: the bits of a product may depend on its shape.
  std::vector<double> scores;
  EvidenceBatch batch;
  for (std::uint32_t j = 0; j < spans.size(); ++j) {
    gather(head, spans, std::span(&j, 1), batch);
    scores.push_back(sigmoid(net.forward(batch, nullptr)[0]));
  }
  return scores;
}

}  // namespace brinkmap::worker
