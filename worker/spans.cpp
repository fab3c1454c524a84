#include "worker/spans.h"

#include <fmt/core.h>

#include <algorithm>

#include "schedule/error.h"
#include "worker/jinja_value.h"

namespace brinkmap::worker {

namespace {

using Tokens = std::vector<std::int32_t>;

bool is_newline(char c) { return c == '\n' || c == '\r'; }

// The lines from `at` on; empty when they do not stand there.
std::vector<LineRange> lines_at(std::string_view text, std::size_t at, std::span<const std::string> lines) {
  std::vector<LineRange> ranges;
  if (at > 0 && !is_newline(text[at - 1])) return {};
  for (const std::string& line : lines) {
    if (text.substr(at, line.size()) != line) return {};
    LineRange range{at, at + line.size(), at + line.size()};
    while (range.next < text.size() && is_newline(text[range.next])) ++range.next;
    if (range.next == range.end && range.end != text.size()) return {};
    ranges.push_back(range);
    at = range.next;
  }
  return ranges;
}

// Tokens that the vocabulary puts behind every text (EOS).
std::size_t tokens_behind(const Tokenizer& tokenizer, const PromptTemplate& around) {
  if (around.chat) return 0;
  const Tokens frame = tokenizer.encode("", true, true);
  return frame.size() - (!frame.empty() && frame.front() == tokenizer.bos() ? 1 : 0);
}

}  // namespace

std::vector<LineRange> find_lines(std::string_view text, std::span<const std::string> lines,
                                  const std::string& item) {
  if (lines.empty()) throw Error(fmt::format("item {}: expected evidence lines, found none", item));
  for (std::size_t at = text.find(lines[0]); at != std::string_view::npos; at = text.find(lines[0], at + 1)) {
    std::vector<LineRange> ranges = lines_at(text, at, lines);
    if (!ranges.empty()) return ranges;
  }
  throw Error(fmt::format("item {}: its {} evidence lines do not stand in the prompt one after the other",
                          item, lines.size()));
}

EvidencePrompt evidence_prompt(const Tokenizer& tokenizer, const PromptTemplate& around,
                               const std::string& prompt, std::span<const std::string> lines,
                               const std::string& item) {
  // Trimmed here, once: the end of a prefix is not the end of the prompt.
  const std::string text(around.trims ? jinja::strip(prompt, true, true) : std::string_view(prompt));
  const std::vector<LineRange> ranges = find_lines(text, lines, item);
  const PromptTemplate open{around.before, "", around.chat, false};
  const std::size_t behind = tokens_behind(tokenizer, around);
  EvidencePrompt out;
  out.tokens = prompt_tokens(tokenizer, around, prompt);
  const auto prefix_size = [&](std::size_t end, std::size_t line) {
    Tokens prefix = prompt_tokens(tokenizer, open, text.substr(0, end));
    prefix.resize(prefix.size() - std::min(behind, prefix.size()));
    if (prefix.size() > out.tokens.size() || !std::equal(prefix.begin(), prefix.end(), out.tokens.begin()))
      throw Error(fmt::format("item {}: the prompt up to evidence line {} is no token prefix of the whole",
                              item, line));
    return static_cast<std::uint32_t>(prefix.size());
  };
  std::uint32_t at = prefix_size(ranges[0].begin, 0);
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const TokenSpan span{at, prefix_size(ranges[i].next, i + 1)};
    if (span.end <= span.begin)
      throw Error(fmt::format("item {}: evidence line {} has no token", item, i + 1));
    out.spans.push_back(span);
    at = span.end;
  }
  return out;
}

std::string reorder_lines(std::string_view prompt, std::span<const std::string> lines,
                          std::span<const std::string> shown, std::span<const std::uint32_t> order,
                          const std::string& item) {
  const std::vector<LineRange> ranges = find_lines(prompt, lines, item);
  std::vector<std::uint32_t> seen(order.begin(), order.end());
  std::sort(seen.begin(), seen.end());
  for (std::uint32_t i = 0; i < seen.size(); ++i)
    if (seen[i] != i) throw Error(fmt::format("item {}: the order given is no permutation", item));
  if (seen.size() != lines.size() || shown.size() != lines.size())
    throw Error(fmt::format("item {}: an order of {} and {} texts for {} evidence lines", item, seen.size(),
                            shown.size(), lines.size()));
  std::string out(prompt.substr(0, ranges[0].begin));
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    out += shown[order[i]];
    out += prompt.substr(ranges[i].end, ranges[i].next - ranges[i].end);
  }
  return out += prompt.substr(ranges.back().next);
}

}  // namespace brinkmap::worker
