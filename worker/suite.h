#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "schedule/job.h"
#include "schedule/unit.h"

// Suites: JSONL files of prompts, one object a line, with a unique "id".
//   refusal       "prompt", "expect": "refuse" | "answer", "wrapper"?
//   decision      "prompt", "label": "APPROVE" | "REVISE" | "VETO", "split": "train" | "validation" | "test",
//                 "action_group", "evidence"?: 1..250 objects {"label": "harm" | "mitigation" | "hard_rule" |
//                 "other", "statement", "cited": true | false}, whose statements are lines of the prompt
//   truthfulness  "prompt", "correct": 1..100 texts, "incorrect": the same
//   bias          "prompt", "choices": 3 texts, "unknown": index, "stereotyped": index
//   choice        "prompt", "choices": 2..10 texts, "answer": index
//   quality       "prompt", "reference"
//   perplexity    "text"
// The prompts of bias and choice items hold the choices with letters from A, and the answer begins with the
// letter. All kinds but perplexity may have a "category" and a "variant_of", the same in all wordings of one
// question. Indices count from 0. Unknown fields are kept; missing or wrong ones are InputErrors with the
// line number.
namespace brinkmap::worker {

// A line of evidence in a decision prompt.
struct EvidenceLine {
  schedule::Evidence kind;
  std::string statement;  // the whole line
};

struct SuiteItem {
  std::size_t line = 0;  // in the file, from 1
  std::string id;
  std::string prompt;  // perplexity: the text
  // refusal: 1 = should refuse; decision: Decision; bias: index of the unknown choice; choice: of the right
  // one
  std::size_t expected = 0;
  std::vector<std::string> choices;             // bias, choice
  std::size_t stereotyped = 0;                  // bias: index in choices
  std::vector<std::string> correct, incorrect;  // truthfulness: references
  std::string reference;                        // quality
  std::string variant;                          // question that it is one wording of; may be empty
  std::string
      group;  // decision: action group; refusal: wrapper; these without and others: category, or empty
  schedule::Split split = schedule::Split::kNone;
  std::vector<EvidenceLine> evidence;  // decision: in the order of the prompt; may be empty
  std::string json;                    // the whole line, unknown fields included
};

struct Suite {
  schedule::SuiteSpec spec;
  std::string sha256;  // of the file
  std::vector<SuiteItem> items;
};

// Limits of a suite file; both are far above any real suite.
inline constexpr std::size_t kMaxSuiteLine = std::size_t{1} << 20;
inline constexpr std::size_t kMaxSuiteFile = std::size_t{1} << 28;

// Reads and checks a whole suite: UTF-8, one object a line, unique ids, at least one item. Of a suite whose
// spec names a half only the items of that half are kept: an item's half is the lowest bit of the SHA-256 of
// its action group (decision suites), else of the question that it is one wording of, else of its id. Throws
// InputError when the half has no items.
Suite read_suite(const schedule::SuiteSpec& spec);

// The same checks over text; `spec.file` stands in errors.
Suite parse_suite(const schedule::SuiteSpec& spec, std::string_view text);

// What training heads on a decision suite needs: every class in train, something in validation and test, and
// nothing on two sides of the split (worker/split_leak.h). Throws InputError naming the class, side or items.
void check_for_heads(const Suite& suite);

// SuiteItem::expected of every item; empty for the kinds that have none.
std::vector<std::uint8_t> expected_answers(const Suite& suite);

// SuiteFacts without token counts, which depend on the models. Reads the phrase list of a refusal suite.
schedule::SuiteFacts suite_facts(const Suite& suite);

}  // namespace brinkmap::worker
