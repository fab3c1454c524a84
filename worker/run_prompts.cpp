#include "worker/run_prompts.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "schedule/error.h"
#include "worker/decision_parser.h"
#include "worker/prompt.h"

namespace brinkmap::worker {

namespace {

using schedule::Decision;
using schedule::kDecisionClasses;
using schedule::SlabSet;
using schedule::SuiteKind;

// Throws unless prompt and answer fit: the engine would refuse the whole shard without naming the item.
void check_length(const PromptShard& shard, const SuiteItem& item, std::size_t prompt, std::size_t answer) {
  if (prompt == 0) throw Error(fmt::format("{}: the prompt gives no tokens", item.id));
  if (static_cast<std::int64_t>(prompt + answer) > shard.context)
    throw Error(fmt::format("{}: prompt of {} tokens and {} after it do not fit the model's context of {}",
                            item.id, prompt, answer, shard.context));
}

void store_answer(const Response& response, std::size_t item, std::size_t positions, SlabSet& slabs) {
  const auto tokens = slabs.get<std::int32_t>("tokens");
  if (response.tokens.size() > positions)
    throw Error(
        fmt::format("engine gave {} tokens, at most {} were asked for", response.tokens.size(), positions));
  std::copy(response.tokens.begin(), response.tokens.end(),
            tokens.begin() + static_cast<std::ptrdiff_t>(item * positions));
  slabs.get<std::int32_t>("token_count")[item] = static_cast<std::int32_t>(response.tokens.size());
  slabs.get<std::uint8_t>("ended")[item] = response.ended ? 1 : 0;
  slabs.get<std::uint8_t>("finite")[item] = response.finite ? 1 : 0;
}

void store_choice(const Response& response, std::size_t item, SlabSet& slabs) {
  const std::vector<double>& p = response.continuation_log_probs;
  if (p.size() != kDecisionClasses)
    throw Error(fmt::format("engine gave {} continuation log-probabilities, expected {}", p.size(),
                            kDecisionClasses));
  std::copy(
      p.begin(), p.end(),
      slabs.get<double>("choice_log_prob").begin() + static_cast<std::ptrdiff_t>(item * kDecisionClasses));
  const bool known = std::none_of(p.begin(), p.end(), [](double x) { return std::isnan(x); });
  const auto best = std::max_element(p.begin(), p.end()) - p.begin();  // the first of equals
  slabs.get<std::uint8_t>("choice")[item] =
      static_cast<std::uint8_t>(known && response.finite ? best : static_cast<int>(Decision::kInvalid));
  slabs.get<double>("veto_margin")[item] =
      p[static_cast<std::size_t>(Decision::kVeto)] - p[static_cast<std::size_t>(Decision::kApprove)];
}

// Copies the engine's layers to the slots of a field [slots, field width]; the field may be wider than the
// model.
void store_states(const PromptShard& shard, std::span<const schedule::Field> fields, const char* what,
                  const std::vector<float>& states, std::size_t item, SlabSet& slabs) {
  const std::string suffix = std::string("_") + what;
  const auto field = std::find_if(fields.begin(), fields.end(),
                                  [&](const schedule::Field& f) { return f.name.ends_with(suffix); });
  const std::size_t slots = shard.capture_layers.size(), width = static_cast<std::size_t>(shard.width);
  if (field->inner.size() != 2 || field->inner[0].size != slots || field->inner[1].size < width)
    throw Error(fmt::format("field {} does not hold {} slots of width {}", field->name, slots, width));
  if (states.size() != shard.engine_layers.size() * width)
    throw Error(fmt::format("engine gave {} state values, expected {}", states.size(),
                            shard.engine_layers.size() * width));
  const std::size_t field_width = field->inner[1].size;
  const auto out = slabs.get<float>(what);
  for (std::size_t slot = 0; slot < slots; ++slot) {
    const auto at =
        std::lower_bound(shard.engine_layers.begin(), shard.engine_layers.end(), shard.capture_layers[slot]);
    const auto layer = static_cast<std::size_t>(at - shard.engine_layers.begin());
    std::copy_n(states.begin() + static_cast<std::ptrdiff_t>(layer * width), width,
                out.begin() + static_cast<std::ptrdiff_t>((item * slots + slot) * field_width));
  }
}

void run_generation(const PromptShard& shard, std::span<const schedule::Field> fields, const RunRequests& run,
                    SlabSet& slabs) {
  const bool decision = shard.suite.spec.kind == SuiteKind::kDecision;
  const auto positions = static_cast<std::size_t>(shard.suite.spec.max_new_tokens);
  const bool states = !shard.capture_layers.empty();
  const bool last = states && slabs.has("state_last"), mean = states && slabs.has("state_mean");
  std::vector<Continuation> choices;
  std::size_t longest = positions;
  if (decision) {
    const auto three = choice_continuations(shard.tokenizer, shard.around);
    choices.assign(three.begin(), three.end());
    for (const Continuation& c : choices) longest = std::max(longest, c.tokens.size());
  }
  std::vector<Request> requests;
  for (std::uint32_t i = shard.begin; i < shard.end; ++i) {
    const SuiteItem& item = shard.suite.items[i];
    Request& request = requests.emplace_back();
    request.prompt = prompt_tokens(shard.tokenizer, shard.around, item.prompt);
    request.max_new_tokens = static_cast<std::int32_t>(positions);
    request.continuations = choices;
    request.capture_last = last;
    request.capture_mean = mean;
    check_length(shard, item, request.prompt.size(), longest);
  }
  const std::vector<Response> responses = run(requests);
  for (std::size_t i = 0; i < responses.size(); ++i) {
    const Response& response = responses[i];
    store_answer(response, i, positions, slabs);
    const std::string text = shard.tokenizer.decode(response.tokens);
    if (decision) {
      slabs.get<std::uint8_t>("decision")[i] =
          static_cast<std::uint8_t>(response.finite ? parse_decision(text) : Decision::kInvalid);
      store_choice(response, i, slabs);
    } else if (response.finite) {
      slabs.get<std::uint8_t>("refusal")[i] = static_cast<std::uint8_t>(shard.refusal->score(text));
    }
    if (last) store_states(shard, fields, "state_last", response.state_last, i, slabs);
    if (mean) store_states(shard, fields, "state_mean", response.state_mean, i, slabs);
  }
}

// Texts are cut into windows of the model's context without overlap; every token but the first of a window is
// scored.
void run_perplexity(const PromptShard& shard, const RunRequests& run, SlabSet& slabs) {
  const auto window = static_cast<std::size_t>(shard.context);
  std::vector<Request> requests;
  std::vector<std::size_t> item_of;  // of each request
  for (std::uint32_t i = shard.begin; i < shard.end; ++i) {
    const std::vector<std::int32_t> tokens = text_tokens(shard.tokenizer, shard.suite.items[i].prompt);
    for (std::size_t at = 0; at < tokens.size(); at += window) {
      const std::size_t size = std::min(window, tokens.size() - at);
      if (size < 2) break;  // nothing to score
      const auto first = tokens.begin() + static_cast<std::ptrdiff_t>(at);
      Request& request = requests.emplace_back();
      request.prompt.assign(first, first + static_cast<std::ptrdiff_t>(size));
      request.prompt_log_probs = true;
      item_of.push_back(i - shard.begin);
    }
  }
  const auto count = slabs.get<std::int32_t>("token_count");
  const auto nll = slabs.get<double>("nll");
  const auto finite = slabs.get<std::uint8_t>("finite");
  std::fill(count.begin(), count.end(), 0);
  std::fill(nll.begin(), nll.end(), 0.0);
  std::fill(finite.begin(), finite.end(), std::uint8_t{1});
  const std::vector<Response> responses = run(requests);
  for (std::size_t r = 0; r < responses.size(); ++r) {
    const std::size_t i = item_of[r];
    if (responses[r].prompt_log_probs.size() + 1 != requests[r].prompt.size())
      throw Error(fmt::format("engine scored {} of {} tokens", responses[r].prompt_log_probs.size(),
                              requests[r].prompt.size() - 1));
    for (float log_prob : responses[r].prompt_log_probs) nll[i] -= log_prob;
    count[i] += static_cast<std::int32_t>(responses[r].prompt_log_probs.size());
    if (!responses[r].finite || !std::isfinite(nll[i])) finite[i] = 0;
  }
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
