#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "schedule/unit.h"
#include "worker/engine.h"
#include "worker/prompt.h"
#include "worker/refusal_scorer.h"
#include "worker/suite.h"
#include "worker/text_encoder.h"
#include "worker/tokenizer.h"

namespace brinkmap::worker {

// Runs requests and returns their responses in order: Engine::run, or a stand-in in tests.
using RunRequests = std::function<std::vector<Response>(std::span<const Request>)>;

// What the model's baseline row stored for the shard's texts.
struct BaselineLogits {
  std::span<const std::int32_t> top_token;  // [items, positions, top_k]
  std::span<const float> top_logit;         // the same
  std::span<const float> log_sum_exp;       // [items, positions]
};

// What it stored of its answers to the shard's prompts.
struct BaselineAnswers {
  std::span<const std::int32_t> tokens;  // [items, positions]
  std::span<const std::int32_t> count;   // [items]
};

// What scoring a shard of prompts needs besides the engine.
struct PromptShard {
  const Suite& suite;
  std::uint32_t begin = 0;  // items [begin, end)
  std::uint32_t end = 0;
  const PromptTemplate& around;
  const Tokenizer& tokenizer;
  const RefusalScorer* refusal = nullptr;  // refusal suites only
  std::int64_t context = 0;                // tokens the model can hold
  std::span<const int> capture_layers;     // one block a slot, any order
  std::span<const int> engine_layers;  // the same blocks and those of `tokens`, ascending, without repeats
  std::int64_t width = 0;              // of a captured state
  EncodeTexts encode = {};             // quality suites with bertscore or coherence only
  std::optional<BaselineLogits> baseline =
      {};  // perplexity suites with top_k; none: this row is the baseline
  std::optional<BaselineAnswers> answers = {};  // refusal suites with baseline_tokens; none: as above
  std::string content = {};                     // of the row, UnitRunner::Row
  schedule::TokenCapture tokens = {};           // its blocks are among the engine's layers
};

// Fills the slabs of a suite's fields. Throws Error naming the item when a prompt does not fit the context.
//
// A response with logits that were not finite is no measurement: its scores stay unset, its decision and
// choice are INVALID, and `finite` is 0.
void run_prompts(const PromptShard& shard, std::span<const schedule::Field> fields, const RunRequests& run,
                 schedule::SlabSet& slabs);

}  // namespace brinkmap::worker
