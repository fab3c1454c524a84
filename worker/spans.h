#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "worker/prompt.h"
#include "worker/tokenizer.h"

// The tokens that each evidence line of a prompt is made of (METHODS-evaluator 1.2). Tokens merge closing
// punctuation with the newline behind it, so lines are not tokenised apart: the text is tokenised again after
// every line, and what a line adds is its span.
namespace brinkmap::worker {

// A line of a text: [begin, end) is the line, [end, next) the newlines behind it. In bytes.
struct LineRange {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t next = 0;
};

// Where `lines` stand in `text`: whole lines, one after the other, with nothing but newlines between; the
// first such place. Throws Error naming `item` when there is none, or no line is given.
std::vector<LineRange> find_lines(std::string_view text, std::span<const std::string> lines,
                                  const std::string& item);

struct TokenSpan {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;  // past the last token
};

struct EvidencePrompt {
  std::vector<std::int32_t> tokens;  // those of prompt_tokens
  std::vector<TokenSpan> spans;      // one a line, newlines included; each begins where the one before ends
};

// Throws Error naming `item` and the line when the text up to a line's end is no prefix of the prompt in
// tokens (a token lies over the border), or a line adds no token.
EvidencePrompt evidence_prompt(const Tokenizer& tokenizer, const PromptTemplate& around,
                               const std::string& prompt, std::span<const std::string> lines,
                               const std::string& item);

// The prompt with its evidence lines in another order; newlines stay where they are. order[i]: the line that
// comes i-th. shown[j]: what stands there for line j. Throws Error as find_lines does, when `order` is no
// permutation of the lines, and when `shown` has another size.
std::string reorder_lines(std::string_view prompt, std::span<const std::string> lines,
                          std::span<const std::string> shown, std::span<const std::uint32_t> order,
                          const std::string& item);

}  // namespace brinkmap::worker
