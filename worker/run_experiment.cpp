#include "worker/run_experiment.h"

#include <fmt/core.h>

#include <algorithm>

#include "schedule/error.h"
#include "worker/evidence_head.h"
#include "worker/evidence_lines.h"
#include "worker/evidence_net.h"
#include "worker/heads_net.h"
#include "worker/probe.h"
#include "worker/scored_lines.h"
#include "worker/spans.h"
#include "worker/state_slabs.h"
#include "worker/suppression.h"
#include "worker/token_states.h"

namespace brinkmap::worker {

schedule::ExperimentSpec ExperimentUnit::keyed_spec() const {
  schedule::ExperimentSpec keyed = spec;
  if (!spec.draws_as.empty()) keyed.id = spec.draws_as;
  return keyed;
}

namespace {

// Rows [rows, width] into a field whose rows may be longer.
void store_rows(std::span<const float> from, std::int64_t rows, std::span<float> to) {
  const std::size_t n = static_cast<std::size_t>(rows), stride = to.size() / n, width = from.size() / n;
  if (stride < width) throw Error("a field has no room for the evidence head's weights");
  for (std::size_t r = 0; r < n; ++r)
    std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(r * width), width,
                to.begin() + static_cast<std::ptrdiff_t>(r * stride));
}

void store_head(const EvidenceHead& head, schedule::SlabSet& slabs) {
  const EvidenceLayout at(head.width, head.hidden);
  const auto put = [&](const char* name, std::int64_t begin, std::int64_t rows, std::int64_t width) {
    store_rows(std::span(head.weights)
                   .subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(rows * width)),
               rows, slabs.get<float>(name));
  };
  store_rows(head.mean, 1, slabs.get<float>("mean"));
  store_rows(head.scale, 1, slabs.get<float>("scale"));
  put("attention_weight", at.attention, kAttention, head.width);
  put("attention_bias", at.attention_bias, 1, kAttention);
  put("attention_vector", at.attention_score, 1, kAttention);
  put("input_weight", at.input, head.hidden, head.width);
  put("input_bias", at.input_bias, 1, head.hidden);
  put("output_weight", at.output, 1, head.hidden);
  put("output_bias", at.output_bias, 1, 1);
}

}  // namespace

void run_evidence(const ExperimentUnit& u) {
  const SuiteSpans spans = unpack_spans(u.suite, u.input<float>(0), u.input<std::int32_t>(1), u.width);
  std::vector<std::uint8_t> cited;
  std::vector<schedule::Split> splits;
  for (const SuiteItem& item : u.suite.items)
    for (const EvidenceLine& line : item.evidence) {
      cited.push_back(line.kind.cited);
      splits.push_back(item.split);
    }
  const EvidenceHeadResult result = train_evidence_head({u.width, spans.states, spans.offsets}, cited, splits,
                                                        u.spec, {u.job.seed, u.spec.id, 0});
  const auto out = u.slabs.get<double>("score");
  const std::size_t lines = out.size() / u.suite.items.size();
  for (std::size_t i = 0; i < u.suite.items.size(); ++i)
    std::copy(result.score.begin() + spans.first[i], result.score.begin() + spans.first[i + 1],
              out.begin() + static_cast<std::ptrdiff_t>(i * lines));
  u.slabs.get<double>("validation_auc")[0] = result.validation_auc;
  u.slabs.get<double>("validation_loss")[0] = result.validation_loss;
  u.slabs.get<double>("train_loss")[0] = result.train_loss;
  u.slabs.get<std::int32_t>("epochs")[0] = result.epochs;
  u.slabs.get<std::int32_t>("best_epoch")[0] = result.best_epoch;
  store_head(result.head, u.slabs);
}

namespace {

// What a probe is asked, with the states of each block of the unit one after the other.
struct Question {
  std::vector<std::uint8_t> labels;
  std::vector<std::uint32_t> folds;
  std::vector<std::vector<float>> blocks;  // [block][items, width]
};

void answer(const ExperimentUnit& u, const Question& question, std::size_t skill, int classes) {
  ProbeTask task;
  task.width = u.width;
  task.classes = classes;
  task.labels = question.labels;
  task.folds = question.folds;
  const std::vector<std::span<const float>> blocks(question.blocks.begin(), question.blocks.end());
  const std::vector<ProbeResult> results = probe_layers(blocks, task, {}, u.pool);
  for (std::size_t b = 0; b < results.size(); ++b) {
    const std::size_t at = b * schedule::kProbeSkillCount + skill;
    u.slabs.get<double>("accuracy")[at] = results[b].accuracy;
    u.slabs.get<double>("auc")[at] = results[b].auc;
    u.slabs.get<double>("gradient_norm")[at] = results[b].gradient_norm;
  }
}

}  // namespace

void run_probes(const ExperimentUnit& u) {
  const auto means = u.input<float>(0), last = u.input<float>(1);
  const std::size_t items = u.suite.items.size(), blocks = u.unit.end - u.unit.begin;
  const auto width = static_cast<std::size_t>(u.width);
  const std::size_t lines = means.size() / (items * blocks * width);
  if (last.size() != items * blocks * width || means.size() != last.size() * lines || lines == 0)
    throw Error(
        fmt::format("{}: {} and {} states do not fit {} items", u.spec.id, means.size(), last.size(), items));
  std::vector<std::string> groups;
  for (const SuiteItem& item : u.suite.items) groups.push_back(item.group);
  const std::vector<std::uint32_t> folds = grouped_folds(
      groups, ProbeTask{}.fold_count, head_stream({u.job.seed, u.spec.id, 0}, HeadDraw::kOrder));
  Question of_line, of_item;
  of_line.blocks.resize(blocks);
  of_item.blocks.resize(blocks);
  std::vector<std::uint8_t> cited;
  for (std::size_t i = 0; i < items; ++i) {
    const SuiteItem& item = u.suite.items[i];
    of_item.labels.push_back(static_cast<std::uint8_t>(item.expected));
    of_item.folds.push_back(folds[i]);
    for (std::size_t b = 0; b < blocks; ++b) {
      const auto state = last.subspan((i * blocks + b) * width, width);
      require_states(u.suite, i, state, u.suite.spec.id);
      of_item.blocks[b].insert(of_item.blocks[b].end(), state.begin(), state.end());
    }
    if (item.evidence.size() > lines)
      throw Error(fmt::format("{}: item {} has too many lines", u.spec.id, item.id));
    for (std::size_t j = 0; j < item.evidence.size(); ++j) {
      of_line.labels.push_back(item.evidence[j].kind.label);
      cited.push_back(item.evidence[j].kind.cited);
      of_line.folds.push_back(folds[i]);
      for (std::size_t b = 0; b < blocks; ++b) {
        const auto state = means.subspan(((i * lines + j) * blocks + b) * width, width);
        require_states(u.suite, i, state, u.suite.spec.id);
        of_line.blocks[b].insert(of_line.blocks[b].end(), state.begin(), state.end());
      }
    }
  }
  answer(u, of_line, 0, schedule::kEvidenceClasses);
  of_line.labels = cited;
  answer(u, of_line, 1, 2);
  answer(u, of_item, 2, schedule::kDecisionClasses);
}

void run_reranked(const ExperimentUnit& u, const Tokenizer& tokenizer, const PromptTemplate& around,
                  const RunRequests& run) {
  const auto scores = u.input<double>(0);
  const std::size_t items = u.unit.end - u.unit.begin, lines = scores.size() / items;
  const auto order = u.slabs.get<std::uint8_t>("order");
  std::vector<Request> requests;
  for (std::size_t i = 0; i < items; ++i) {
    const SuiteItem& item = u.suite.items.at(u.unit.begin + i);
    if (item.evidence.size() > lines)
      throw Error(fmt::format("{}: item {} has too many lines", u.spec.id, item.id));
    const auto own = scores.subspan(i * lines, item.evidence.size());
    if (std::any_of(own.begin(), own.end(), [](double p) { return !(p >= 0 && p <= 1); }))
      throw Error(fmt::format("{}: item {} has no evidence scores", u.spec.id, item.id));
    const std::vector<std::uint32_t> by_score = score_order(own);
    std::copy(by_score.begin(), by_score.end(), order.begin() + static_cast<std::ptrdiff_t>(i * lines));
    const std::vector<std::string> plain = statements(item);
    std::vector<std::string> shown;
    for (std::size_t j = 0; j < plain.size(); ++j)
      shown.push_back(scored_line(plain[j], own[j], u.spec.scores));
    Request& request = requests.emplace_back();
    request.prompt =
        prompt_tokens(tokenizer, around, reorder_lines(item.prompt, plain, shown, by_score, item.id));
    request.capture_last = request.capture_mean = true;
  }
  const std::vector<Response> responses = run(requests);
  const auto last = u.slabs.get<float>("state_last"), mean = u.slabs.get<float>("state_mean");
  const std::size_t stride = last.size() / items;
  for (std::size_t i = 0; i < items; ++i) {
    const Response& r = responses.at(i);
    record_states(u.content, requests[i].prompt, r.finite, i, u.slabs);
    if (r.state_last.size() != static_cast<std::size_t>(u.width) ||
        r.state_mean.size() != r.state_last.size() || r.state_last.size() > stride)
      throw Error(fmt::format("{}: states of another width", u.spec.id));
    if (!r.finite) continue;
    std::copy(r.state_last.begin(), r.state_last.end(),
              last.begin() + static_cast<std::ptrdiff_t>(i * stride));
    std::copy(r.state_mean.begin(), r.state_mean.end(),
              mean.begin() + static_cast<std::ptrdiff_t>(i * stride));
  }
}

void run_speed(const ExperimentUnit& u, const Tokenizer& tokenizer, const PromptTemplate& around,
               const TimeRequests& row, const TimeRequests& baseline) {
  std::vector<Request> requests;
  std::int64_t tokens = 0;
  for (const SuiteItem& item : u.suite.items) {
    if (requests.size() == schedule::kSpeedPrompts) break;
    Request& request = requests.emplace_back();
    request.prompt = prompt_tokens(tokenizer, around, item.prompt);
    request.max_new_tokens = u.suite.spec.max_new_tokens;
    // The last token is chosen, not fed to the model.
    tokens += static_cast<std::int64_t>(request.prompt.size()) + std::max(0, request.max_new_tokens - 1);
  }
  row(requests);
  baseline(requests);
  for (std::size_t i = 0; i < u.unit.end - u.unit.begin; ++i) {
    // Who goes first changes, so that a drift of the machine favours neither.
    const auto measure = [&](bool of_row) {
      u.slabs.get<double>(of_row ? "seconds" : "baseline_seconds")[i] = (of_row ? row : baseline)(requests);
    };
    measure(i % 2 == 0);
    measure(i % 2 == 1);
    u.slabs.get<std::int64_t>("tokens")[i] = tokens;
  }
}

}  // namespace brinkmap::worker
