#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "schedule/job.h"
#include "schedule/unit.h"
#include "worker/heads.h"

// The evidence head (METHODS-evaluator 1.4): is an evidence line cited by the gold annotation? Additive
// attention pools the standardised token states of its span, a small network scores the pooled state.
//   e_t = v . tanh(W h_t + b), W: d -> 64;  pooled = sum softmax(e)_t h_t
//   score = sigmoid(d -> hidden, GELU, dropout, -> 1)
// AdamW, binary cross-entropy with positives weighted by negatives / positives, early stop on validation
// loss. Products come from OpenBLAS.
namespace brinkmap::worker {

inline constexpr std::int64_t kAttention = schedule::kEvidenceAttention;

// Token states of evidence spans, of any number of prompts, at one layer.
struct EvidenceSpans {
  std::int64_t width = 0;
  std::span<const float> states;           // [tokens, width]
  std::span<const std::uint32_t> offsets;  // [spans + 1]: span j holds tokens [offsets[j], offsets[j + 1])

  std::size_t size() const noexcept { return offsets.empty() ? 0 : offsets.size() - 1; }
};

// A trained head. Plain data: it can be kept and applied to the states of another row.
struct EvidenceHead {
  std::int64_t width = 0;
  std::int64_t hidden = 0;
  std::vector<float> mean, scale;  // [width], of the train tokens; scale is 1 / deviation
  std::vector<float> weights;      // in the order of EvidenceLayout (worker/evidence_net.h)
};

struct EvidenceHeadResult {
  EvidenceHead head;
  std::vector<double> score;   // [spans], probability of being cited, for every split
  double auc = 0;              // on test; NaN when test lacks a class
  double validation_auc = 0;   // the same on validation
  double validation_loss = 0;  // of the kept weights: weighted mean, nats, no dropout
  double train_loss = 0;       // the same over train
  int epochs = 0;              // run
  int best_epoch = 0;          // whose weights were kept, from 1
};

// labels[span]: 1 cited, 0 not. splits[span]: those of the span's prompt. Reads hidden, dropout,
// learning_rate, weight_decay, batch (spans), max_epochs and patience of `spec`. The result is a function of
// the arguments alone. Throws Error when sizes disagree, a span is empty, a class is missing from train,
// validation or test is empty, a state is not finite or a loss is no longer finite.
EvidenceHeadResult train_evidence_head(const EvidenceSpans& spans, std::span<const std::uint8_t> labels,
                                       std::span<const schedule::Split> splits,
                                       const schedule::ExperimentSpec& spec, const HeadKey& key);

// Scores of spans under a trained head. A span's score does not depend on the spans beside it. Throws Error
// when the width is another or a state is not finite.
std::vector<double> score_evidence(const EvidenceHead& head, const EvidenceSpans& spans);

}  // namespace brinkmap::worker
