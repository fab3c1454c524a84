#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "schedule/job.h"
#include "schedule/unit.h"

// Suites: JSONL files of prompts, one object a line.
//   refusal     {"id", "prompt", "expect": "refuse" | "answer", "category"?, "wrapper"?}
//   decision    {"id", "prompt", "label": "APPROVE" | "REVISE" | "VETO", "split": "train" | "validation" |
//   "test",
//                "action_group"}
//   perplexity  {"id", "text"}
// All are strings. Unknown fields are kept; missing or wrong ones are InputErrors with the line number.
namespace brinkmap::worker {

struct SuiteItem {
  std::string id;
  std::string prompt;  // perplexity: the text
  std::string label;   // refusal: "refuse" | "answer"; decision: "APPROVE" | "REVISE" | "VETO"
  std::string group;   // refusal: wrapper, else category, else empty; decision: action group
  schedule::Split split = schedule::Split::kNone;
  std::string json;  // the whole line, unknown fields included
};

struct Suite {
  schedule::SuiteSpec spec;
  std::string sha256;  // of the file
  std::vector<SuiteItem> items;
};

// Limits of a suite file; both are far above any real suite.
inline constexpr std::size_t kMaxSuiteLine = std::size_t{1} << 20;
inline constexpr std::size_t kMaxSuiteFile = std::size_t{1} << 28;

// Reads and checks a whole suite: UTF-8, one object a line, unique ids, at least one item.
Suite read_suite(const schedule::SuiteSpec& spec);

// The same checks over text; `spec.file` stands in errors.
Suite parse_suite(const schedule::SuiteSpec& spec, std::string_view text);

// What training heads on a decision suite needs: every class in train, something in validation and test, and
// no action group on two sides of the split. Throws InputError naming the class, side or group.
void check_for_heads(const Suite& suite);

// Expected answers as numbers: refusal 1 = should refuse; decision: Decision codes; perplexity: empty.
std::vector<std::uint8_t> expected_answers(const Suite& suite);

// SuiteFacts without token counts, which depend on the models. Reads the phrase list of a refusal suite.
schedule::SuiteFacts suite_facts(const Suite& suite);

}  // namespace brinkmap::worker
