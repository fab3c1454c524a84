#include "worker/evidence_lines.h"

#include <fmt/core.h>

#include <algorithm>

#include "schedule/error.h"
#include "worker/spans.h"

namespace brinkmap::worker {

std::vector<std::string> statements(const SuiteItem& item) {
  std::vector<std::string> lines;
  for (const EvidenceLine& line : item.evidence) lines.push_back(line.statement);
  return lines;
}

std::vector<std::vector<schedule::Evidence>> evidence_facts(const Suite& suite) {
  std::vector<std::vector<schedule::Evidence>> facts;
  for (std::size_t i = 0; i < suite.items.size(); ++i) {
    if (suite.items[i].evidence.empty())
      throw InputError(suite.spec.file, fmt::format("line {}", suite.items[i].line),
                       "field \"evidence\" is missing, and an experiment of the job reads it");
    std::vector<schedule::Evidence>& of_item = facts.emplace_back();
    for (const EvidenceLine& line : suite.items[i].evidence) of_item.push_back(line.kind);
  }
  return facts;
}

std::uint32_t most_span_tokens(const Tokenizer& tokenizer, const PromptTemplate& around, const Suite& suite) {
  std::uint32_t most = 0;
  for (std::size_t i = 0; i < suite.items.size(); ++i) {
    const SuiteItem& item = suite.items[i];
    try {
      const EvidencePrompt prompt =
          evidence_prompt(tokenizer, around, item.prompt, statements(item), item.id);
      most = std::max(most, prompt.spans.back().end - prompt.spans.front().begin);
    } catch (const Error& e) {
      throw InputError(suite.spec.file, fmt::format("line {}", suite.items[i].line), e.what());
    }
  }
  return most;
}

}  // namespace brinkmap::worker
