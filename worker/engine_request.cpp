#include "worker/engine_request.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "worker/first_token.h"

namespace brinkmap::worker {

RequestProgress::RequestProgress(const Request& request, Response& response, const EngineOptions& options,
                                 std::int64_t width, std::int64_t vocab)
    : request_(&request), response_(&response), options_(&options), width_(width), vocab_(vocab) {
  const std::size_t floats = options.capture_layers.size() * static_cast<std::size_t>(width);
  if (request.capture_last) response.state_last.assign(floats, 0.0f);
  if (request.capture_mean) {
    response.state_mean.assign(floats, 0.0f);
    state_sums_.assign(floats, 0.0);
  }
  if (request.capture_all) response.state_all.assign(floats * request.prompt.size(), 0.0f);
  const std::size_t scored = request.prompt.size() - 1;
  if (request.prompt_log_probs)
    response.prompt_log_probs.assign(scored, std::numeric_limits<float>::quiet_NaN());
  response.top_tokens.assign(scored * static_cast<std::size_t>(request.top_k), -1);
  response.top_logits.assign(response.top_tokens.size(), std::numeric_limits<float>::quiet_NaN());
  response.gathered.assign(request.gather.size(), std::numeric_limits<float>::quiet_NaN());
  if (request.top_k > 0 || !request.gather.empty())
    response.log_sums.assign(scored, std::numeric_limits<float>::quiet_NaN());
  response.continuation_log_probs.assign(request.continuations.size(), 0.0);
  sort_continuations();
}

std::int64_t RequestProgress::positions(const Request& request) {
  std::size_t longest = static_cast<std::size_t>(std::max(request.max_new_tokens, 0));
  for (const Continuation& c : request.continuations) longest = std::max(longest, c.tokens.size());
  return static_cast<std::int64_t>(request.prompt.size() + longest);
}

bool RequestProgress::needs_logits(const Request& request) {
  return request.max_new_tokens > 0 || !request.continuations.empty() || request.prompt_log_probs ||
         request.first_token;
}

bool RequestProgress::wants_every_token(const Request& request) {
  return request.capture_all || request.top_k > 0 || !request.gather.empty();
}

void RequestProgress::sort_continuations() {
  const auto& all = request_->continuations;
  order_.resize(all.size());
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  std::stable_sort(order_.begin(), order_.end(),
                   [&](std::size_t a, std::size_t b) { return all[a].tokens < all[b].tokens; });
  shared_.assign(all.size(), 0);
  score_from_ = std::numeric_limits<std::size_t>::max();
  for (std::size_t i = 0; i < all.size(); ++i) {
    score_from_ = std::min(score_from_, static_cast<std::size_t>(continuation(i).score_from));
    if (i == 0) continue;
    const auto& a = continuation(i - 1).tokens;
    const auto& b = continuation(i).tokens;
    shared_[i] =
        static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
  }
}

void RequestProgress::start(const PrefixResults& prefix, SequenceCache* cache) {
  cache_ = cache;
  position_ = prefix.length;
  if (prefix.length == 0) return;
  if (request_->capture_mean) state_sums_ = prefix.state_sums;
  if (request_->prompt_log_probs) {
    std::copy(prefix.log_probs.begin(), prefix.log_probs.end(), response_->prompt_log_probs.begin());
    if (!prefix.finite) fail();
  }
}

std::span<const std::int32_t> RequestProgress::pending() const {
  const std::size_t size = prompt().size();
  const std::size_t at = static_cast<std::size_t>(position_);
  switch (stage_) {
    case Stage::kPrompt:
      return std::span(prompt()).subspan(at);
    case Stage::kContinuation: {  // nothing follows the last token, so it is not fed
      const auto& tokens = continuation(current_).tokens;
      return std::span(tokens).subspan(at - size, tokens.size() - 1 - (at - size));
    }
    case Stage::kGeneration:
      return {&last_token_, 1};
    case Stage::kDone:
      break;
  }
  return {};
}

std::int64_t RequestProgress::rows_with_logits(std::int64_t n) const {
  const std::int64_t size = static_cast<std::int64_t>(prompt().size());
  switch (stage_) {
    case Stage::kPrompt: {
      const bool ends = position_ + n == size;
      if (request_->prompt_log_probs) return n;  // the last row too: one more changes nothing
      return ends && (after_prompt() || request_->first_token) ? 1 : 0;
    }
    case Stage::kContinuation: {
      const std::int64_t first =
          static_cast<std::int64_t>(score_from_) - 1;  // the first row with a scored successor
      return std::clamp<std::int64_t>(position_ + n - size - first, 0, n);
    }
    case Stage::kGeneration:
      return 1;
    case Stage::kDone:
      break;
  }
  return 0;
}

std::int64_t RequestProgress::rows_needed(std::int64_t n, bool captured_last_block) const {
  std::int64_t needed = rows_with_logits(n);
  if (stage_ != Stage::kPrompt || !captured_last_block) return needed;
  if (request_->capture_mean || request_->capture_all) return n;
  const bool ends = position_ + n == static_cast<std::int64_t>(prompt().size());
  return request_->capture_last && ends ? std::max<std::int64_t>(needed, 1) : needed;
}

void RequestProgress::see_logits(std::int64_t i, const LogitRow& row) {
  if (done()) return;
  if (!row.largest.finite) return fail();
  const std::size_t at = static_cast<std::size_t>(position_ + i);
  const std::size_t size = prompt().size();
  if (stage_ == Stage::kPrompt) {
    if (at + 1 < size) {
      response_->prompt_log_probs[at] = static_cast<float>(row.log_probability(prompt()[at + 1]));
      if (!response_->log_sums.empty()) keep_logits(at, row);
      return;
    }
    first_token_ = static_cast<std::int32_t>(row.largest.index);
    if (request_->first_token)
      response_->first =
          first_token({row.logits, static_cast<std::size_t>(vocab_)}, first_token_, options_->isa);
    for (std::size_t c = 0; c < order_.size(); ++c) score(c, 0, row);
    return;
  }
  if (stage_ == Stage::kContinuation) {
    const std::size_t next = at - size + 1;
    if (next <= scored_) return;
    score(current_, next, row);
    // Every later continuation with the same tokens up to here is scored from the same row.
    for (std::size_t c = current_ + 1; c < order_.size() && shared_[c] >= next; ++c) score(c, next, row);
    return;
  }
  choose(static_cast<std::int32_t>(row.largest.index));
}

// Top and gathered logits after prompt token `at`.
void RequestProgress::keep_logits(std::size_t at, const LogitRow& row) {
  response_->log_sums[at] = static_cast<float>(row.log_sum);
  const std::size_t each = request_->gather.size() / response_->log_sums.size();
  for (std::size_t i = at * each; i < (at + 1) * each; ++i)
    response_->gathered[i] = row.logits[request_->gather[i]];
  const auto k = static_cast<std::size_t>(request_->top_k);
  if (k == 0) return;
  // Insertion into the sorted list so far: few of a vocabulary's logits get in.
  std::int32_t* const tokens = response_->top_tokens.data() + at * k;
  float* const logits = response_->top_logits.data() + at * k;
  std::size_t held = 0;
  for (std::int64_t id = 0; id < vocab_; ++id) {
    const float x = row.logits[id];
    if (held == k && !(x > logits[k - 1])) continue;
    std::size_t place = held < k ? held++ : k - 1;
    for (; place > 0 && x > logits[place - 1]; --place) {
      logits[place] = logits[place - 1];
      tokens[place] = tokens[place - 1];
    }
    logits[place] = x;
    tokens[place] = static_cast<std::int32_t>(id);
  }
}

void RequestProgress::score(std::size_t order, std::size_t index, const LogitRow& row) {
  const Continuation& c = continuation(order);
  if (index >= c.tokens.size() || index < static_cast<std::size_t>(c.score_from)) return;
  response_->continuation_log_probs[order_[order]] += row.log_probability(c.tokens[index]);
}

void RequestProgress::see_states(int slot, const float* states, std::int64_t rows, std::int64_t n) {
  if (stage_ != Stage::kPrompt || rows == 0) return;
  const std::size_t at = static_cast<std::size_t>(slot) * static_cast<std::size_t>(width_);
  if (request_->capture_last && position_ + n == static_cast<std::int64_t>(prompt().size()))
    std::copy_n(states + (rows - 1) * width_, width_,
                response_->state_last.begin() + static_cast<std::ptrdiff_t>(at));
  if (request_->capture_all) {
    const std::size_t first = static_cast<std::size_t>(position_ + n - rows);
    std::copy_n(
        states, rows * width_,
        response_->state_all.begin() +
            static_cast<std::ptrdiff_t>(at * prompt().size() + first * static_cast<std::size_t>(width_)));
  }
  if (!request_->capture_mean) return;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t d = 0; d < width_; ++d)
      state_sums_[at + static_cast<std::size_t>(d)] += static_cast<double>(states[r * width_ + d]);
}

void RequestProgress::advance(std::int64_t n) {
  if (done()) return;
  position_ += n;
  switch (stage_) {
    case Stage::kPrompt:
      if (position_ < static_cast<std::int64_t>(prompt().size())) return;
      finish_states();
      if (done()) return;
      if (!after_prompt()) {
        stage_ = Stage::kDone;
        return;
      }
      cache_->keep_states();
      stage_ = Stage::kContinuation;
      current_ = 0;
      if (order_.empty() || continuation(0).tokens.size() < 2) next_continuation();
      return;
    case Stage::kContinuation:
      if (pending().empty()) next_continuation();
      return;
    case Stage::kGeneration:
    case Stage::kDone:
      return;
  }
}

// On to the next continuation that has tokens to feed which its predecessors have not fed.
void RequestProgress::next_continuation() {
  const std::int64_t size = static_cast<std::int64_t>(prompt().size());
  std::int64_t fed = position_ - size;  // tokens of the current path in the cache
  while (++current_ < order_.size()) {
    fed = std::min(fed, static_cast<std::int64_t>(shared_[current_]));
    if (fed + 1 < static_cast<std::int64_t>(continuation(current_).tokens.size())) {
      scored_ = static_cast<std::size_t>(fed);
      // Of states only the one after the prompt was kept, so they see the path again.
      position_ = cache_->has_states() ? size : size + fed;
      cache_->restore_states();
      return;
    }
  }
  position_ = size;
  cache_->restore_states();
  begin_generation();
}

void RequestProgress::begin_generation() {
  stage_ = Stage::kDone;
  if (request_->max_new_tokens <= 0) return;
  stage_ = Stage::kGeneration;
  choose(first_token_);
}

void RequestProgress::choose(std::int32_t token) {
  const auto& ends = options_->end_tokens;
  if (std::find(ends.begin(), ends.end(), token) != ends.end()) {
    response_->ended = true;
    stage_ = Stage::kDone;
    return;
  }
  response_->tokens.push_back(token);
  last_token_ = token;
  if (response_->tokens.size() >= static_cast<std::size_t>(request_->max_new_tokens)) stage_ = Stage::kDone;
}

void RequestProgress::finish_states() {
  for (std::size_t i = 0; i < state_sums_.size(); ++i)
    response_->state_mean[i] = static_cast<float>(state_sums_[i] / static_cast<double>(prompt().size()));
  const auto finite = [](float x) { return std::isfinite(x); };
  if (!std::all_of(response_->state_last.begin(), response_->state_last.end(), finite) ||
      !std::all_of(response_->state_mean.begin(), response_->state_mean.end(), finite) ||
      !std::all_of(response_->state_all.begin(), response_->state_all.end(), finite))
    fail();
}

// What was not finished becomes NaN: how far it had come may depend on the batch.
void RequestProgress::fail() {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  response_->finite = false;
  if (stage_ == Stage::kPrompt) {
    std::fill(response_->state_last.begin(), response_->state_last.end(), kNan);
    std::fill(response_->state_mean.begin(), response_->state_mean.end(), kNan);
  }
  if (stage_ != Stage::kGeneration)
    std::fill(response_->continuation_log_probs.begin(), response_->continuation_log_probs.end(),
              std::numeric_limits<double>::quiet_NaN());
  stage_ = Stage::kDone;
}

}  // namespace brinkmap::worker
