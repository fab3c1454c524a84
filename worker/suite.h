#pragma once

#include <string>
#include <vector>

#include "schedule/job.h"
#include "schedule/unit.h"

// Suites: JSONL files of prompts. Fields by kind (README.md, "Suites"); unknown fields are kept, missing or wrong ones
// are InputErrors with the line number.
namespace brinkmap::worker {

struct SuiteItem {
  std::string id;
  std::string prompt;   // perplexity: the text
  std::string label;    // refusal: "refuse" | "answer"; decision: "APPROVE" | "REVISE" | "VETO"
  std::string group;    // refusal: wrapper; decision: action group
  schedule::Split split = schedule::Split::kNone;
  std::string json;     // the whole line, unknown fields included
};

struct Suite {
  schedule::SuiteSpec spec;
  std::string sha256;
  std::vector<SuiteItem> items;
};

// Reads and checks a whole suite: UTF-8, one object a line, unique ids, at least one item.
Suite read_suite(const schedule::SuiteSpec& spec);

// SuiteFacts without token counts, which depend on the models.
schedule::SuiteFacts suite_facts(const Suite& suite);

// The prompt as the model sees it: `prompt_template` with {prompt} replaced (the first occurrence, once).
std::string fill_template(const std::string& prompt_template, const std::string& prompt);

}  // namespace brinkmap::worker
