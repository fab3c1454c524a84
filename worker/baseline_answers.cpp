#include "worker/baseline_answers.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "schedule/error.h"

namespace brinkmap::worker {

namespace {

constexpr std::int32_t kNoAnswer = -1;  // fill value: the baseline's unit failed

using Tokens = std::span<const std::int32_t>;

Continuation beginning(const PromptShard& shard, Tokens answer) {
  const auto most = static_cast<std::size_t>(shard.suite.spec.baseline_tokens);
  const Tokens first = answer.first(std::min(answer.size(), most));
  return {{first.begin(), first.end()}, 0};
}

Tokens stored_answer(const PromptShard& shard, std::size_t i, std::size_t items) {
  const BaselineAnswers& all = *shard.answers;
  const auto positions = static_cast<std::size_t>(shard.suite.spec.max_new_tokens);
  if (all.count.size() != items || all.tokens.size() != items * positions)
    throw Error("the baseline's answers have another shape than the row's");
  const std::int32_t count = all.count[i];
  if (count == kNoAnswer) return {};
  if (count < 0 || static_cast<std::size_t>(count) > positions)
    throw Error(fmt::format("the baseline's answer has {} tokens, expected 0..{}", count, positions));
  return all.tokens.subspan(i * positions, static_cast<std::size_t>(count));
}

}  // namespace

void ask_baseline_answers(const PromptShard& shard, std::vector<Request>& requests) {
  if (shard.suite.spec.baseline_tokens == 0 || !shard.answers) return;
  for (std::size_t i = 0; i < requests.size(); ++i)
    if (const Tokens answer = stored_answer(shard, i, requests.size()); !answer.empty())
      requests[i].continuations.push_back(beginning(shard, answer));
}

void store_baseline_answers(const PromptShard& shard, std::span<const Request> requests,
                            std::span<const Response> responses, const RunRequests& run,
                            schedule::SlabSet& slabs) {
  if (shard.suite.spec.baseline_tokens == 0) return;
  const auto out = slabs.get<double>("baseline_log_prob");
  const auto store = [&](std::size_t item, const Request& request, const Response& response) {
    if (request.continuations.empty() || !response.finite) return;
    const double p = response.continuation_log_probs.at(request.continuations.size() - 1);
    if (std::isfinite(p)) out[item] = p;
  };
  if (shard.answers) {
    for (std::size_t i = 0; i < responses.size(); ++i) store(i, requests[i], responses[i]);
    return;
  }
  std::vector<Request> again;
  std::vector<std::size_t> item;
  for (std::size_t i = 0; i < responses.size(); ++i) {
    if (!responses[i].finite || responses[i].tokens.empty()) continue;
    item.push_back(i);
    Request& request = again.emplace_back();
    request.prompt = requests[i].prompt;
    request.continuations.push_back(beginning(shard, responses[i].tokens));
  }
  const std::vector<Response> scored = run(again);
  for (std::size_t i = 0; i < scored.size(); ++i) store(item[i], again[i], scored[i]);
}

}  // namespace brinkmap::worker
