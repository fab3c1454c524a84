#pragma once

#include <span>
#include <vector>

#include "schedule/unit.h"
#include "worker/run_prompts.h"

// How likely a row still finds the beginning of its baseline's answers (suites with baseline_tokens): a
// measure of refusals that moves before the first of them is lost, and that no judge has to read.
namespace brinkmap::worker {

// Adds the beginning of the baseline's answer to every request as its last continuation, where the shard has
// the baseline's answers and the answer is not empty. Throws Error when they do not fit the shard.
void ask_baseline_answers(const PromptShard& shard, std::vector<Request>& requests);

// Stores the log-probabilities. On the baseline's own row the responses are the answers, and are scored in a
// second run. Unset stays what was not finite or had an empty answer.
void store_baseline_answers(const PromptShard& shard, std::span<const Request> requests,
                            std::span<const Response> responses, const RunRequests& run,
                            schedule::SlabSet& slabs);

}  // namespace brinkmap::worker
