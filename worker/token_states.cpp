#include "worker/token_states.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "schedule/error.h"

namespace brinkmap::worker {

namespace {

// Places in the state_all of a response, [engine layers, prompt tokens, width].
class Tokens {
 public:
  Tokens(const PromptShard& shard, const Response& response, std::size_t tokens)
      : layers_(shard.engine_layers),
        states_(response.state_all),
        tokens_(tokens),
        width_(static_cast<std::size_t>(shard.width)) {
    if (states_.size() != layers_.size() * tokens_ * width_)
      throw Error(fmt::format("engine gave {} token state values, expected {}", states_.size(),
                              layers_.size() * tokens_ * width_));
  }

  std::span<const float> at(int block, std::size_t token) const {
    const auto layer =
        static_cast<std::size_t>(std::lower_bound(layers_.begin(), layers_.end(), block) - layers_.begin());
    if (layer == layers_.size() || layers_[layer] != block)
      throw Error(fmt::format("the engine did not keep block {}", block));
    return std::span(states_).subspan((layer * tokens_ + token) * width_, width_);
  }

 private:
  std::span<const int> layers_;
  const std::vector<float>& states_;
  std::size_t tokens_, width_;
};

const schedule::Field& field(std::span<const schedule::Field> fields, const std::string& what,
                             std::size_t axes) {
  const auto found = std::find_if(fields.begin(), fields.end(),
                                  [&](const schedule::Field& f) { return f.name.ends_with("_" + what); });
  if (found == fields.end() || found->inner.size() != axes)
    throw Error(fmt::format("no field {} of {} axes", what, axes));
  return *found;
}

void no_room(const std::string& name) { throw Error(fmt::format("field {} has no room for the item", name)); }

void store_tokens(const PromptShard& shard, std::span<const schedule::Field> fields,
                  const EvidencePrompt& prompt, const Tokens& tokens, std::size_t at,
                  schedule::SlabSet& slabs) {
  const schedule::Field& f = field(fields, "span_token", 3);
  const std::size_t slots = f.inner[0].size, room = f.inner[1].size, stride = f.inner[2].size;
  const std::uint32_t first = prompt.spans.front().begin, count = prompt.spans.back().end - first;
  if (slots != shard.tokens.blocks.size() || count > room || stride < static_cast<std::size_t>(shard.width))
    no_room(f.name);
  const auto out = slabs.get<float>("span_token");
  for (std::size_t slot = 0; slot < slots; ++slot)
    for (std::uint32_t t = 0; t < count; ++t) {
      const auto state = tokens.at(shard.tokens.blocks[slot], first + t);
      std::copy(state.begin(), state.end(),
                out.begin() + static_cast<std::ptrdiff_t>(((at * slots + slot) * room + t) * stride));
    }
}

void store_offsets(std::span<const schedule::Field> fields, const EvidencePrompt& prompt, std::size_t at,
                   schedule::SlabSet& slabs) {
  const schedule::Field& f = field(fields, "span_offset", 1);
  const std::size_t borders = f.inner[0].size;
  if (prompt.spans.size() + 1 > borders) no_room(f.name);
  const std::uint32_t first = prompt.spans.front().begin;
  const auto offsets = slabs.get<std::int32_t>("span_offset").subspan(at * borders, borders);
  for (std::size_t j = 0; j < prompt.spans.size(); ++j) {
    offsets[j] = static_cast<std::int32_t>(prompt.spans[j].begin - first);
    offsets[j + 1] = static_cast<std::int32_t>(prompt.spans[j].end - first);
  }
  slabs.get<std::int32_t>("prompt_token_count")[at] = static_cast<std::int32_t>(prompt.tokens.size());
}

void store_means(const PromptShard& shard, std::span<const schedule::Field> fields,
                 const EvidencePrompt& prompt, const Tokens& tokens, std::size_t at,
                 schedule::SlabSet& slabs) {
  const schedule::Field& f = field(fields, "span_mean", 3);
  const std::size_t lines = f.inner[0].size, slots = f.inner[1].size, stride = f.inner[2].size;
  const auto width = static_cast<std::size_t>(shard.width);
  if (prompt.spans.size() > lines || shard.capture_layers.size() > slots || width > stride) no_room(f.name);
  const auto means = slabs.get<float>("span_mean");
  std::vector<double> sum(width);
  for (std::size_t slot = 0; slot < shard.capture_layers.size(); ++slot)
    for (std::size_t j = 0; j < prompt.spans.size(); ++j) {
      const TokenSpan& span = prompt.spans[j];
      std::fill(sum.begin(), sum.end(), 0.0);
      for (std::uint32_t t = span.begin; t < span.end; ++t) {
        const auto state = tokens.at(shard.capture_layers[slot], t);
        for (std::size_t k = 0; k < width; ++k) sum[k] += state[k];
      }
      const auto out = means.subspan(((at * lines + j) * slots + slot) * stride, width);
      for (std::size_t k = 0; k < width; ++k) out[k] = static_cast<float>(sum[k] / (span.end - span.begin));
    }
}

// Tokens that an item's lines have together with those before each, as stored; throws where they are missing.
std::span<const std::int32_t> stored_offsets(const Suite& suite, std::size_t i,
                                             std::span<const std::int32_t> offsets) {
  const std::size_t borders = offsets.size() / suite.items.size(), lines = suite.items[i].evidence.size();
  const auto own = offsets.subspan(i * borders, borders);
  bool there = lines > 0 && lines + 1 <= borders && own[0] == 0;
  for (std::size_t j = 1; there && j <= lines; ++j) there = own[j] > own[j - 1];
  if (!there)
    throw Error(
        fmt::format("item {} has no stored evidence lines: its answer was not finite", suite.items[i].id));
  return own.first(lines + 1);
}

}  // namespace

void store_token_states(const PromptShard& shard, std::span<const schedule::Field> fields,
                        const EvidencePrompt& prompt, const Response& response, std::size_t at,
                        schedule::SlabSet& slabs) {
  if (!response.finite || !shard.tokens.any()) return;
  const Tokens tokens(shard, response, prompt.tokens.size());
  store_offsets(fields, prompt, at, slabs);
  if (!shard.tokens.blocks.empty()) store_tokens(shard, fields, prompt, tokens, at, slabs);
  if (shard.tokens.means) store_means(shard, fields, prompt, tokens, at, slabs);
}

void require_states(const Suite& suite, std::size_t item, std::span<const float> states,
                    const std::string& owner) {
  if (std::all_of(states.begin(), states.end(), [](float x) { return std::isfinite(x); })) return;
  throw Error(
      fmt::format("item {} lacks a hidden state: {}_state_status says why", suite.items.at(item).id, owner));
}

SuiteSpans unpack_spans(const Suite& suite, std::span<const float> tokens,
                        std::span<const std::int32_t> offsets, std::int64_t width) {
  const std::size_t items = suite.items.size(), w = static_cast<std::size_t>(width);
  const std::size_t room = tokens.size() / items / w;
  SuiteSpans out{width, {}, {0}, {0}};
  for (std::size_t i = 0; i < items; ++i) {
    const auto own = stored_offsets(suite, i, offsets);
    if (static_cast<std::size_t>(own.back()) > room)
      throw Error(fmt::format("item {} has more span tokens than are stored", suite.items[i].id));
    const std::uint32_t before = out.offsets.back();
    for (std::size_t j = 1; j < own.size(); ++j)
      out.offsets.push_back(before + static_cast<std::uint32_t>(own[j]));
    const auto states = tokens.subspan(i * room * w, static_cast<std::size_t>(own.back()) * w);
    require_states(suite, i, states, suite.spec.id);
    out.states.insert(out.states.end(), states.begin(), states.end());
    out.first.push_back(static_cast<std::uint32_t>(out.offsets.size() - 1));
  }
  return out;
}

SuiteMeans unpack_means(const Suite& suite, std::span<const float> means,
                        std::span<const std::int32_t> offsets, std::int64_t width) {
  const std::size_t items = suite.items.size(), w = static_cast<std::size_t>(width);
  const std::size_t room = means.size() / items / w;
  SuiteMeans out{{}, {}, {0}};
  for (std::size_t i = 0; i < items; ++i) {
    const auto own = stored_offsets(suite, i, offsets);
    if (own.size() - 1 > room)
      throw Error(fmt::format("item {} has more evidence lines than are stored", suite.items[i].id));
    for (std::size_t j = 1; j < own.size(); ++j)
      out.tokens.push_back(static_cast<std::uint32_t>(own[j] - own[j - 1]));
    const auto states = means.subspan(i * room * w, (own.size() - 1) * w);
    require_states(suite, i, states, suite.spec.id);
    out.means.insert(out.means.end(), states.begin(), states.end());
    out.first.push_back(static_cast<std::uint32_t>(out.tokens.size()));
  }
  return out;
}

}  // namespace brinkmap::worker
