#include <algorithm>

#include "schedule/fields.h"

namespace brinkmap::schedule {

namespace {

std::uint32_t suite_named(const Plan& plan, const ExperimentSpec& e, const std::string& suite) {
  for (std::uint32_t s = 0; s < plan.job.suites.size(); ++s)
    if (plan.job.suites[s].id == suite) return s;
  throw Error("experiment " + e.id + " reads no suite of the job");
}

}  // namespace

std::uint32_t suite_of(const Plan& plan, std::uint32_t experiment) {
  const ExperimentSpec& e = plan.job.experiments.at(experiment);
  return suite_named(plan, e, e.suite);
}

std::uint32_t harmless_suite_of(const Plan& plan, std::uint32_t experiment) {
  const ExperimentSpec& e = plan.job.experiments.at(experiment);
  return suite_named(plan, e, e.harmless);
}

int encoder_layer(const Plan& plan) {
  return resolve_layer(plan.job.encoder.layer, plan.facts.encoder.layers);
}

namespace {

bool of_suite(const Plan& plan, const ExperimentSpec& e, std::uint32_t suite) {
  return e.suite == plan.job.suites[suite].id;
}

void add_slot(std::vector<int>& slots, int layer) {
  if (std::find(slots.begin(), slots.end(), layer) == slots.end()) slots.push_back(layer);
}

std::uint64_t slot_of(const std::vector<int>& slots, int layer) {
  return static_cast<std::uint64_t>(std::find(slots.begin(), slots.end(), layer) - slots.begin());
}

// Whether an experiment asks the states behind every block.
bool probes_blocks(const Plan& plan, std::uint32_t suite) {
  return std::any_of(plan.job.experiments.begin(), plan.job.experiments.end(), [&](const ExperimentSpec& e) {
    return of_suite(plan, e, suite) && e.kind == ExperimentKind::kLayerProbes;
  });
}

// Distinct `layer` keys of the decision heads that read a suite.
std::vector<int> layer_slots(const Plan& plan, std::uint32_t suite) {
  std::vector<int> out;
  for (const ExperimentSpec& e : plan.job.experiments)
    if (of_suite(plan, e, suite) && e.kind == ExperimentKind::kDecisionHeads) add_slot(out, e.layer);
  return out;
}

int depth_of(const Plan& plan, std::uint32_t row) {
  return plan.facts.models.at(plan.rows.at(row).model).layers;
}

// Place on layer_axis of the block that a `layer` key names on a row.
std::uint64_t layer_slot(const Plan& plan, std::uint32_t suite, int layer, std::uint32_t row) {
  if (probes_blocks(plan, suite))
    return static_cast<std::uint64_t>(resolve_layer(layer, depth_of(plan, row)));
  return slot_of(layer_slots(plan, suite), layer);
}

// Blocks of one experiment's inputs.
class Readings {
 public:
  Readings(const Plan& plan, const ExperimentSpec& e, std::uint32_t suite)
      : plan_(plan),
        e_(e),
        suite_(suite),
        items_(plan.facts.suites.at(suite).ids.size()),
        spans_(most_evidence(plan.facts.suites[suite])) {}

  std::vector<Reading> take() { return std::move(out_); }

  void heads(std::uint32_t row) {
    const char* state = e_.pooling == Pooling::kLast ? "_state_last" : "_state_mean";
    const std::uint64_t w = width(row), slot = layer_slot(plan_, suite_, e_.layer, row);
    add(e_.suite + state, row, {0, slot, 0}, {items_, 1, w});
    if (changes_tokens(e_.method)) {
      add(e_.suite + "_span_mean", row, {0, 0, slot, 0}, {items_, spans_, 1, w});
      add(e_.suite + "_span_offset", row, {0, 0}, {items_, spans_ + 1});
      add(e_.suite + "_prompt_token_count", row, {0}, {items_});
      add(e_.reads + "_score", row, {0, 0, 0}, {1, items_, spans_});
    }
    if (e_.method == Suppression::kReorder) add(e_.reads + state, row, {0, 0}, {items_, w});
  }

  void tokens(std::uint32_t row) {
    std::uint64_t most = 1;
    for (const std::uint32_t n : plan_.facts.suites[suite_].span_tokens)
      most = std::max<std::uint64_t>(most, n);
    add(e_.suite + "_span_token", row, {0, slot_of(token_slots(plan_, suite_), e_.layer), 0, 0},
        {items_, 1, most, width(row)});
    add(e_.suite + "_span_offset", row, {0, 0}, {items_, spans_ + 1});
  }

  void probes(const Unit& unit) {
    const std::uint64_t blocks = unit.end - unit.begin, w = width(unit.row);
    add(e_.suite + "_span_mean", unit.row, {0, 0, unit.begin, 0}, {items_, spans_, blocks, w});
    add(e_.suite + "_state_last", unit.row, {0, unit.begin, 0}, {items_, blocks, w});
  }

  // States of both suites of mechanistic probes on a row.
  void last_tokens(const Unit& unit, std::uint32_t row, std::uint32_t harmless) {
    const std::uint64_t blocks = unit.end - unit.begin;
    add(e_.suite + "_block_last", row, {0, unit.begin, 0}, {items_, blocks, width(row)});
    if (harmless != suite_)
      add(e_.harmless + "_block_last", row, {0, unit.begin, 0},
          {plan_.facts.suites.at(harmless).ids.size(), blocks, width(row)});
  }

  void answers(const Unit& unit) {
    const std::uint64_t n = unit.end - unit.begin;
    add(e_.suite + "_finite", unit.row, {unit.begin}, {n});
    add(e_.suite + "_text_hash", unit.row, {unit.begin, 0}, {n, 32});
    if (e_.judge.model.empty()) return;
    add(e_.suite + "_tokens", unit.row, {unit.begin, 0},
        {n, static_cast<std::uint64_t>(plan_.job.suites[suite_].max_new_tokens)});
    add(e_.suite + "_token_count", unit.row, {unit.begin}, {n});
  }

  void scores(const Unit& unit) {
    add(e_.reads + "_score", unit.row, {0, unit.begin, 0}, {1, unit.end - unit.begin, spans_});
  }

 private:
  std::uint64_t width(std::uint32_t row) const {
    return static_cast<std::uint64_t>(plan_.facts.models.at(plan_.rows.at(row).model).width);
  }
  void add(std::string variable, std::uint32_t row, std::vector<std::uint64_t> offset,
           std::vector<std::uint64_t> count) {
    out_.push_back({std::move(variable), row, std::move(offset), std::move(count)});
  }

  const Plan& plan_;
  const ExperimentSpec& e_;
  std::uint32_t suite_;
  std::uint64_t items_, spans_;
  std::vector<Reading> out_;
};

std::vector<Reading> experiment_readings(const Plan& plan, const Unit& unit) {
  const ExperimentSpec& e = plan.job.experiments.at(unit.item);
  if (e.kind == ExperimentKind::kSpectra) return {};
  const std::uint32_t baseline = plan.rows.at(unit.row).baseline;
  Readings readings(plan, e, suite_of(plan, unit.item));
  switch (e.kind) {
    case ExperimentKind::kDecisionHeads:
      readings.heads(unit.row);
      if (e.train_on == TrainOn::kBaseline && baseline != unit.row) readings.heads(baseline);
      break;
    case ExperimentKind::kLayerProbes:
      readings.probes(unit);
      break;
    case ExperimentKind::kEvidenceHead:
      readings.tokens(unit.row);
      break;
    case ExperimentKind::kRerankedPrompts:
      readings.scores(unit);
      break;
    case ExperimentKind::kMechanisms:
      readings.last_tokens(unit, unit.row, harmless_suite_of(plan, unit.item));
      if (baseline != unit.row) readings.last_tokens(unit, baseline, harmless_suite_of(plan, unit.item));
      break;
    case ExperimentKind::kSpeed:
    case ExperimentKind::kSpectra:
      break;
    case ExperimentKind::kJudge:
      readings.answers(unit);
      break;
  }
  return readings.take();
}

}  // namespace

Dimension layer_axis(const Plan& plan, std::uint32_t suite) {
  if (probes_blocks(plan, suite)) return block_axis(plan);
  return {plan.job.suites.at(suite).id + "_layer", layer_slots(plan, suite).size(), {}};
}

bool keeps_pooled(const Plan& plan, std::uint32_t suite, Pooling pooling) {
  return probes_blocks(plan, suite) ||
         std::any_of(plan.job.experiments.begin(), plan.job.experiments.end(), [&](const ExperimentSpec& e) {
           return of_suite(plan, e, suite) && e.kind == ExperimentKind::kDecisionHeads &&
                  e.pooling == pooling;
         });
}

bool keeps_span_means(const Plan& plan, std::uint32_t suite) {
  return probes_blocks(plan, suite) ||
         std::any_of(plan.job.experiments.begin(), plan.job.experiments.end(), [&](const ExperimentSpec& e) {
           return of_suite(plan, e, suite) && changes_tokens(e.method);
         });
}

std::vector<int> token_slots(const Plan& plan, std::uint32_t suite) {
  std::vector<int> out;
  for (const ExperimentSpec& e : plan.job.experiments)
    if (of_suite(plan, e, suite) && e.kind == ExperimentKind::kEvidenceHead) add_slot(out, e.layer);
  return out;
}

bool reads_mechanisms(const Plan& plan, std::uint32_t suite) {
  const std::string& id = plan.job.suites.at(suite).id;
  return std::any_of(plan.job.experiments.begin(), plan.job.experiments.end(), [&](const ExperimentSpec& e) {
    return e.kind == ExperimentKind::kMechanisms && (e.suite == id || e.harmless == id);
  });
}

bool reads_baseline(const SuiteSpec& suite) { return suite.top_k > 0 || suite.baseline_tokens > 0; }

bool reads_evidence(const Job& job, const SuiteSpec& suite) {
  return std::any_of(job.experiments.begin(), job.experiments.end(), [&](const ExperimentSpec& e) {
    return e.suite == suite.id && (e.kind == ExperimentKind::kLayerProbes ||
                                   e.kind == ExperimentKind::kEvidenceHead || changes_tokens(e.method));
  });
}

std::uint32_t experiment_named(const Job& job, const std::string& id) {
  for (std::uint32_t e = 0; e < job.experiments.size(); ++e)
    if (job.experiments[e].id == id) return e;
  throw Error("the job has no experiment " + id);
}

std::uint64_t most_evidence(const SuiteFacts& facts) {
  std::size_t most = 0;
  for (const std::vector<Evidence>& lines : facts.evidence) most = std::max(most, lines.size());
  return most;
}

Dimension experiment_axis(const Plan& plan, std::uint32_t experiment) {
  const ExperimentSpec& e = plan.job.experiments.at(experiment);
  switch (e.kind) {
    case ExperimentKind::kDecisionHeads:
      return {e.id + "_seed", static_cast<std::uint64_t>(e.seeds), {}};
    case ExperimentKind::kLayerProbes:
    case ExperimentKind::kMechanisms:
      return block_axis(plan);
    case ExperimentKind::kEvidenceHead:
      return {e.id + "_head", 1, {}};
    case ExperimentKind::kRerankedPrompts:
    case ExperimentKind::kJudge:
      return {e.suite + "_prompt", plan.facts.suites.at(suite_of(plan, experiment)).ids.size(), {}};
    case ExperimentKind::kSpeed:
      return {e.id + "_repetition", static_cast<std::uint64_t>(e.repetitions), {}};
    case ExperimentKind::kSpectra:
      return {e.id + "_matrix", e.matrices.size(), e.matrices};
  }
  return {};
}

std::uint32_t experiment_items(const Plan& plan, std::uint32_t experiment, std::uint32_t row) {
  const ExperimentKind kind = plan.job.experiments.at(experiment).kind;
  if (kind == ExperimentKind::kSpectra && plan.rows.at(row).baseline != row) return 0;
  if (kind == ExperimentKind::kLayerProbes || kind == ExperimentKind::kMechanisms)
    return static_cast<std::uint32_t>(plan.facts.models.at(plan.rows.at(row).model).layers);
  return static_cast<std::uint32_t>(experiment_axis(plan, experiment).size);
}

const char* suppression_name(Suppression method) {
  switch (method) {
    case Suppression::kNone:
      return "none";
    case Suppression::kSoftmask:
      return "softmask";
    case Suppression::kDirsup:
      return "dirsup";
    case Suppression::kRandomRank1:
      return "rank1-random";
    case Suppression::kReorder:
      return "reorder";
  }
  return "";
}

std::string feature_name(Suppression method, int layer, Pooling pooling) {
  return std::string(suppression_name(method)) + "_L" + std::to_string(layer) +
         (pooling == Pooling::kLast ? "_last" : "_mean");
}

std::vector<int> capture_layers(const Plan& plan, std::uint32_t suite, std::uint32_t row) {
  const int depth = depth_of(plan, row);
  std::vector<int> layers;
  if (probes_blocks(plan, suite)) {
    for (int block = 0; block < depth; ++block) layers.push_back(block);
    return layers;
  }
  for (const int layer : layer_slots(plan, suite)) layers.push_back(resolve_layer(layer, depth));
  return layers;
}

TokenCapture token_capture(const Plan& plan, std::uint32_t suite, std::uint32_t row) {
  TokenCapture out{token_slots(plan, suite), keeps_span_means(plan, suite),
                   reads_mechanisms(plan, suite) ? depth_of(plan, row) : 0};
  for (int& block : out.blocks) block = resolve_layer(block, depth_of(plan, row));
  return out;
}

std::vector<Reading> unit_readings(const Plan& plan, const Unit& unit) {
  if (unit.kind == UnitKind::kHeads) return experiment_readings(plan, unit);
  const Row& row = plan.rows.at(unit.row);
  const SuiteSpec& suite = plan.job.suites.at(unit.item);
  if (!reads_baseline(suite) || row.baseline == unit.row) return {};
  const auto wanted = [&](const Field& f) {
    if (suite.top_k > 0) return f.bulk;
    return f.name == suite.id + "_tokens" || f.name == suite.id + "_token_count";
  };
  std::vector<Reading> out;
  for (const Field& f : unit_fields(plan, unit.kind, unit.item)) {
    if (!wanted(f)) continue;
    Reading r{f.name, row.baseline, {unit.begin}, {unit.end - unit.begin}};
    for (const Dimension& d : f.inner) {
      r.offset.push_back(0);
      r.count.push_back(d.size);
    }
    out.push_back(std::move(r));
  }
  return out;
}

}  // namespace brinkmap::schedule
