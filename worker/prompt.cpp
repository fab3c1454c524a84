#include "worker/prompt.h"

#include <fmt/core.h>

#include <algorithm>

#include "schedule/error.h"
#include "worker/decision_parser.h"

namespace brinkmap::worker {

namespace {

using Tokens = std::vector<std::int32_t>;

constexpr std::string_view kSlot = "{prompt}";

void append(Tokens& to, const Tokens& from) { to.insert(to.end(), from.begin(), from.end()); }

// What the vocabulary puts before and after a text, seen on the template's first part.
struct Framed {
  Tokens before;  // with the part's own tokens
  Tokens after;
};

Framed frame(const Tokenizer& tokenizer, std::string_view part) {
  const Tokens plain = tokenizer.encode(part, false, true);
  const Tokens full = tokenizer.encode(part, true, true);
  // An empty part matches anywhere: then only a leading BOS is before it.
  const auto at = plain.empty() ? full.begin() + (!full.empty() && full.front() == tokenizer.bos() ? 1 : 0)
                                : std::search(full.begin(), full.end(), plain.begin(), plain.end());
  const auto end =
      at + static_cast<std::ptrdiff_t>(std::min(plain.size(), static_cast<std::size_t>(full.end() - at)));
  return {Tokens(full.begin(), end), Tokens(end, full.end())};
}

}  // namespace

Tokens prompt_tokens(const Tokenizer& tokenizer, const std::string& prompt_template,
                     const std::string& prompt) {
  const std::size_t slot = prompt_template.find(kSlot);
  if (slot == std::string::npos)
    throw Error("template \"" + prompt_template + "\": expected {prompt}, found none");
  const Tokens plain = tokenizer.encode(prompt, false, false);
  if (tokenizer.encode(prompt, false, true) == plain)
    return tokenizer.encode(fill_template(prompt_template, prompt), true, true);
  const std::string_view text = prompt_template;
  Framed framed = frame(tokenizer, text.substr(0, slot));
  Tokens tokens = std::move(framed.before);
  append(tokens, plain);
  append(tokens, tokenizer.encode(text.substr(slot + kSlot.size()), false, true));
  append(tokens, framed.after);
  return tokens;
}

Tokens text_tokens(const Tokenizer& tokenizer, const std::string& text) {
  return tokenizer.encode(text, true, false);
}

std::vector<std::uint32_t> token_counts(const Tokenizer& tokenizer, const std::string& prompt_template,
                                        const Suite& suite) {
  std::vector<std::uint32_t> counts;
  for (const SuiteItem& item : suite.items) {
    const Tokens tokens = suite.spec.kind == schedule::SuiteKind::kPerplexity
                              ? text_tokens(tokenizer, item.prompt)
                              : prompt_tokens(tokenizer, prompt_template, item.prompt);
    counts.push_back(static_cast<std::uint32_t>(tokens.size()));
  }
  return counts;
}

std::array<Continuation, schedule::kDecisionClasses> choice_continuations(
    const Tokenizer& tokenizer, const std::string& prompt_template) {
  const std::size_t slot = prompt_template.find(kSlot);
  const std::string end = slot == std::string::npos ? "" : prompt_template.substr(slot + kSlot.size());
  const Tokens end_tokens = tokenizer.encode(end, false, true);
  std::array<Continuation, schedule::kDecisionClasses> choices;
  for (std::size_t c = 0; c < choices.size(); ++c) {
    const std::string text = std::string(kChoicePrefix) + std::string(kDecisionLabels[c]);
    Tokens tokens = tokenizer.encode(end + text, false, true);
    // A token that spans the border cannot follow the prompt: then the continuation begins on its own, as
    // generated text does.
    if (std::equal(end_tokens.begin(), end_tokens.end(), tokens.begin(),
                   tokens.begin() + static_cast<std::ptrdiff_t>(std::min(end_tokens.size(), tokens.size()))))
      tokens.erase(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(end_tokens.size()));
    else
      tokens = tokenizer.encode(text, false, true);
    choices[c].tokens = std::move(tokens);
  }
  const auto in_all = [&](std::size_t i) {
    return std::all_of(choices.begin(), choices.end(), [&](const Continuation& choice) {
      return i < choice.tokens.size() && choice.tokens[i] == choices[0].tokens[i];
    });
  };
  std::size_t common = 0;
  while (common < choices[0].tokens.size() && in_all(common)) ++common;
  for (std::size_t c = 0; c < choices.size(); ++c) {
    choices[c].score_from = static_cast<std::int32_t>(common);
    if (choices[c].tokens.size() <= common)
      throw Error(fmt::format("constrained choice: the tokens of {} begin those of another label",
                              kDecisionLabels[c]));
  }
  return choices;
}

}  // namespace brinkmap::worker
