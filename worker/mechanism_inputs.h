#pragma once

#include <span>

#include "schedule/unit.h"
#include "worker/engine.h"
#include "worker/run_prompts.h"

namespace brinkmap::worker {

// Stores what mechanistic probes read of one response: the last prompt token's state behind every block,
// which state_last must hold for all engine layers, and the distribution of the first answer token. Nothing
// when the response is not finite. Throws Error when a field has no room for it.
void store_mechanism_inputs(const PromptShard& shard, std::span<const schedule::Field> fields,
                            const Response& response, std::size_t at, schedule::SlabSet& slabs);

}  // namespace brinkmap::worker
