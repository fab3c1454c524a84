#include "worker/mechanism_inputs.h"

#include <fmt/core.h>

#include <algorithm>

#include "schedule/error.h"

namespace brinkmap::worker {

void store_mechanism_inputs(const PromptShard& shard, std::span<const schedule::Field> fields,
                            const Response& response, std::size_t at, schedule::SlabSet& slabs) {
  if (!response.finite) return;
  const FirstToken& first = response.first;
  slabs.get<std::int32_t>("first_token")[at] = first.token;
  slabs.get<double>("first_entropy")[at] = first.entropy;
  slabs.get<double>("first_top1")[at] = first.top1;
  slabs.get<double>("first_top5")[at] = first.top5;
  slabs.get<double>("first_gini")[at] = first.gini;
  slabs.get<double>("first_range")[at] = first.range;

  const auto field = std::find_if(fields.begin(), fields.end(),
                                  [](const schedule::Field& f) { return f.name.ends_with("_block_last"); });
  const auto width = static_cast<std::size_t>(shard.width),
             depth = static_cast<std::size_t>(shard.tokens.mechanism_depth);
  if (field == fields.end() || field->inner.size() != 2 || field->inner[0].size < depth ||
      field->inner[1].size < width)
    throw Error(fmt::format("no field block_last holds {} blocks of width {}", depth, width));
  // Every block is among the engine's layers, so block b is layer b.
  if (shard.engine_layers.size() != depth || response.state_last.size() != depth * width)
    throw Error(fmt::format("engine gave {} state values, expected {} blocks of width {}",
                            response.state_last.size(), depth, width));
  const std::size_t blocks = field->inner[0].size, stride = field->inner[1].size;
  const auto out = slabs.get<float>("block_last");
  for (std::size_t b = 0; b < depth; ++b)
    std::copy_n(response.state_last.begin() + static_cast<std::ptrdiff_t>(b * width), width,
                out.begin() + static_cast<std::ptrdiff_t>((at * blocks + b) * stride));
}

}  // namespace brinkmap::worker
