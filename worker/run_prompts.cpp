#include "worker/run_prompts.h"

#include <fmt/core.h>

#include <algorithm>

#include "schedule/error.h"
#include "worker/baseline_answers.h"
#include "worker/evidence_lines.h"
#include "worker/hash.h"
#include "worker/mechanism_inputs.h"
#include "worker/prompt.h"
#include "worker/repetition.h"
#include "worker/run_perplexity.h"
#include "worker/score_answer.h"
#include "worker/spans.h"
#include "worker/state_slabs.h"
#include "worker/token_states.h"

namespace brinkmap::worker {

namespace {

using schedule::SlabSet;
using schedule::SuiteKind;

// Throws unless prompt and answer fit: the engine would refuse the whole shard without naming the item.
void check_length(const PromptShard& shard, const SuiteItem& item, std::size_t prompt, std::size_t answer) {
  if (prompt == 0) throw Error(fmt::format("{}: the prompt gives no tokens", item.id));
  if (static_cast<std::int64_t>(prompt + answer) > shard.context)
    throw Error(fmt::format("{}: prompt of {} tokens and {} after it do not fit the model's context of {}",
                            item.id, prompt, answer, shard.context));
}

// What every answer has, of whatever kind.
void store_answer(const Answer& answer, std::size_t positions, SlabSet& slabs) {
  const Response& response = answer.response;
  const auto tokens = slabs.get<std::int32_t>("tokens");
  if (response.tokens.size() > positions)
    throw Error(
        fmt::format("engine gave {} tokens, at most {} were asked for", response.tokens.size(), positions));
  std::copy(response.tokens.begin(), response.tokens.end(),
            tokens.begin() + static_cast<std::ptrdiff_t>(answer.at * positions));
  slabs.get<std::int32_t>("token_count")[answer.at] = static_cast<std::int32_t>(response.tokens.size());
  slabs.get<std::uint8_t>("ended")[answer.at] = response.ended ? 1 : 0;
  slabs.get<std::uint8_t>("finite")[answer.at] = response.finite ? 1 : 0;
  if (!response.finite) return;
  slabs.get<double>("repetition")[answer.at] = repetition(answer.text);
  Sha256 hash;
  hash.update(answer.text);
  const auto digest = hash.digest();
  std::copy(
      digest.begin(), digest.end(),
      slabs.get<std::uint8_t>("text_hash").begin() + static_cast<std::ptrdiff_t>(answer.at * digest.size()));
}

// Copies the engine's layers to the slots of a field [slots, field width]; the field may be wider than the
// model.
void store_states(const PromptShard& shard, std::span<const schedule::Field> fields, const char* what,
                  const std::vector<float>& states, std::size_t item, SlabSet& slabs) {
  const std::string suffix = std::string("_") + what;
  const auto field = std::find_if(fields.begin(), fields.end(),
                                  [&](const schedule::Field& f) { return f.name.ends_with(suffix); });
  const std::size_t slots = shard.capture_layers.size(), width = static_cast<std::size_t>(shard.width);
  if (field->inner.size() != 2 || field->inner[0].size < slots || field->inner[1].size < width)
    throw Error(fmt::format("field {} does not hold {} slots of width {}", field->name, slots, width));
  if (states.size() != shard.engine_layers.size() * width)
    throw Error(fmt::format("engine gave {} state values, expected {}", states.size(),
                            shard.engine_layers.size() * width));
  const std::size_t field_slots = field->inner[0].size, field_width = field->inner[1].size;
  const auto out = slabs.get<float>(what);
  for (std::size_t slot = 0; slot < slots; ++slot) {
    const auto at =
        std::lower_bound(shard.engine_layers.begin(), shard.engine_layers.end(), shard.capture_layers[slot]);
    const auto layer = static_cast<std::size_t>(at - shard.engine_layers.begin());
    std::copy_n(states.begin() + static_cast<std::ptrdiff_t>(layer * width), width,
                out.begin() + static_cast<std::ptrdiff_t>((item * field_slots + slot) * field_width));
  }
}

void score(const PromptShard& shard, const Answer& answer, SlabSet& slabs) {
  switch (shard.suite.spec.kind) {
    case SuiteKind::kRefusal:
      return score_refusal(*shard.refusal, answer, slabs);
    case SuiteKind::kDecision:
      return score_decision(answer, slabs);
    case SuiteKind::kTruthfulness:
      return score_truthfulness(answer, slabs);
    case SuiteKind::kBias:
      return score_bias(answer, slabs);
    case SuiteKind::kChoice:
      return score_choice(answer, slabs);
    case SuiteKind::kQuality:
      return score_quality(answer, slabs);
    case SuiteKind::kPerplexity:
      return;
  }
}

// Labels that are scored after an item's prompt: `all`, or the letters of its choices.
std::span<const Continuation> labels_of(const SuiteItem& item, SuiteKind kind,
                                        const std::vector<Continuation>& all) {
  return kind == SuiteKind::kChoice ? std::span(all).first(item.choices.size()) : std::span(all);
}

std::vector<Request> make_requests(const PromptShard& shard, bool last, bool mean) {
  const SuiteKind kind = shard.suite.spec.kind;
  const int positions = shard.suite.spec.max_new_tokens;
  std::vector<Continuation> labels;
  if (kind == SuiteKind::kDecision) labels = choice_continuations(shard.tokenizer, shard.around);
  if (kind == SuiteKind::kChoice) labels = letter_continuations(shard.tokenizer, shard.around);
  std::vector<Request> requests;
  for (std::uint32_t i = shard.begin; i < shard.end; ++i) {
    const SuiteItem& item = shard.suite.items[i];
    Request& request = requests.emplace_back();
    request.prompt = prompt_tokens(shard.tokenizer, shard.around, item.prompt);
    request.max_new_tokens = positions;
    const std::span<const Continuation> scored = labels_of(item, kind, labels);
    request.continuations.assign(scored.begin(), scored.end());
    request.capture_last = last || shard.tokens.mechanism_depth > 0;
    request.first_token = shard.tokens.mechanism_depth > 0;
    request.capture_mean = mean;
    request.capture_all = shard.tokens.any();
    auto longest = static_cast<std::size_t>(positions);
    for (const Continuation& c : scored) longest = std::max(longest, c.tokens.size());
    check_length(shard, item, request.prompt.size(), longest);
  }
  return requests;
}

// Runs the requests. Where states of single tokens are kept, a few prompts at a time, which changes no bit of
// them: the states of all tokens of a shard can be much larger than the shard's results.
std::vector<Response> run_keeping_tokens(const PromptShard& shard, std::span<const schedule::Field> fields,
                                         const std::vector<Request>& requests, const RunRequests& run,
                                         SlabSet& slabs) {
  if (!shard.tokens.any()) return run(requests);
  constexpr std::size_t kStateBytes = std::size_t{256} << 20;
  const std::size_t token_bytes =
      shard.engine_layers.size() * static_cast<std::size_t>(shard.width) * sizeof(float);
  std::vector<Response> all;
  for (std::size_t begin = 0; begin < requests.size();) {
    std::size_t end = begin, bytes = 0;
    do bytes += requests[end++].prompt.size() * token_bytes;
    while (end < requests.size() && bytes + requests[end].prompt.size() * token_bytes <= kStateBytes);
    std::vector<Response> some = run(std::span(requests).subspan(begin, end - begin));
    for (std::size_t i = 0; i < some.size(); ++i) {
      const SuiteItem& item = shard.suite.items[shard.begin + begin + i];
      const EvidencePrompt prompt =
          evidence_prompt(shard.tokenizer, shard.around, item.prompt, statements(item), item.id);
      store_token_states(shard, fields, prompt, some[i], begin + i, slabs);
      some[i].state_all = {};
      all.push_back(std::move(some[i]));
    }
    begin = end;
  }
  return all;
}

void run_generation(const PromptShard& shard, std::span<const schedule::Field> fields, const RunRequests& run,
                    SlabSet& slabs) {
  const auto positions = static_cast<std::size_t>(shard.suite.spec.max_new_tokens);
  const bool states = !shard.capture_layers.empty();
  const bool last = states && slabs.has("state_last"), mean = states && slabs.has("state_mean");
  std::vector<Request> requests = make_requests(shard, last, mean);
  ask_baseline_answers(shard, requests);
  const std::vector<Response> responses = run_keeping_tokens(shard, fields, requests, run, slabs);
  store_baseline_answers(shard, requests, responses, run, slabs);
  std::vector<std::string> texts;
  for (const Response& response : responses) texts.push_back(shard.tokenizer.decode(response.tokens));
  std::vector<Answer> answers;
  for (std::size_t i = 0; i < responses.size(); ++i) {
    const Answer& answer =
        answers.emplace_back(Answer{shard.suite.items[shard.begin + i], responses[i], texts[i], i});
    store_answer(answer, positions, slabs);
    score(shard, answer, slabs);
    if (slabs.has("state_status"))
      record_states(shard.content, requests[i].prompt, responses[i].finite, i, slabs);
    if (!responses[i].finite) continue;
    if (last) store_states(shard, fields, "state_last", responses[i].state_last, i, slabs);
    if (mean) store_states(shard, fields, "state_mean", responses[i].state_mean, i, slabs);
    if (shard.tokens.mechanism_depth > 0) store_mechanism_inputs(shard, fields, responses[i], i, slabs);
  }
  if (shard.suite.spec.needs_encoder()) score_with_encoder(shard.encode, answers, slabs);
}

}  // namespace

void run_prompts(const PromptShard& shard, std::span<const schedule::Field> fields, const RunRequests& run,
                 SlabSet& slabs) {
  const RunRequests checked = [&](std::span<const Request> requests) {
    std::vector<Response> responses = run(requests);
    if (responses.size() != requests.size())
      throw Error(fmt::format("engine gave {} responses to {} requests", responses.size(), requests.size()));
    return responses;
  };
  if (shard.suite.spec.kind == SuiteKind::kPerplexity)
    run_perplexity(shard, checked, slabs);
  else
    run_generation(shard, fields, checked, slabs);
}

}  // namespace brinkmap::worker
