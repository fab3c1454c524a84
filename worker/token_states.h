#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "schedule/unit.h"
#include "worker/engine.h"
#include "worker/run_prompts.h"
#include "worker/spans.h"
#include "worker/suite.h"

// States of evidence lines between the engine, the store and the experiments. In the store an item's lines
// are padded to the suite's most lines, its span tokens to the most tokens, its states to the widest model.
namespace brinkmap::worker {

// Stores what PromptShard::tokens asks of one response, whose state_all must be there; nothing when the
// response is not finite. Throws Error when a field has no room for it.
void store_token_states(const PromptShard& shard, std::span<const schedule::Field> fields,
                        const EvidencePrompt& prompt, const Response& response, std::size_t at,
                        schedule::SlabSet& slabs);

// Span tokens of a whole suite, without the padding.
struct SuiteSpans {
  std::int64_t width = 0;
  std::vector<float> states;           // [tokens, width], span by span, item by item
  std::vector<std::uint32_t> offsets;  // [spans + 1]: tokens of each span
  std::vector<std::uint32_t> first;    // [items + 1]: spans of each item
};

// `tokens`: [items, most tokens, width], `offsets`: [items, most lines + 1], as stored. Throws Error naming
// an item of which a state is missing.
SuiteSpans unpack_spans(const Suite& suite, std::span<const float> tokens,
                        std::span<const std::int32_t> offsets, std::int64_t width);

// Means of the evidence lines of a whole suite, without the padding.
struct SuiteMeans {
  std::vector<float> means;           // [lines, width], line by line, item by item
  std::vector<std::uint32_t> tokens;  // [lines]
  std::vector<std::uint32_t> first;   // [items + 1]: lines of each item
};

// `means`: [items, most lines, width]; the rest as for unpack_spans.
SuiteMeans unpack_means(const Suite& suite, std::span<const float> means,
                        std::span<const std::int32_t> offsets, std::int64_t width);

// Throws Error naming the item unless its states, kept by the suite or experiment `owner`, are all there.
void require_states(const Suite& suite, std::size_t item, std::span<const float> states,
                    const std::string& owner);

}  // namespace brinkmap::worker
