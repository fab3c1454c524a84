#pragma once

#include <string>

#include "schedule/job_file.h"
#include "schedule/plan.h"

// Jobs and facts made by hand, shared by the tests of schedule and audit.
namespace brinkmap::sample {

inline const std::string kJob = R"(name: sample
seed: 7
models:
  - id: tiny
    family: llama
    path: models/tiny.gguf
    template: "{prompt}"
    baseline: bf16
    recipes: [bf16, q8_0, q4_k_m]
suites:
  - {id: refusal, file: suites/refusal.jsonl, kind: refusal, max_new_tokens: 4}
  - {id: decisions, file: suites/decisions.jsonl, kind: decision, max_new_tokens: 8}
  - {id: text, file: suites/text.jsonl, kind: perplexity}
experiments:
  - {id: decision, kind: decision_heads, suite: decisions, seeds: 20}
vote: {veto: 0.90, approve: 0.90}
gate: {veto_to_approve: 0, refusal_drop_pp: 10, confidence: 0.95}
)";

inline schedule::Job job() { return schedule::parse_job(kJob, "jobs/sample.yaml"); }

// A model of `parameters` weights.
inline schedule::ModelFacts model_facts(std::uint64_t parameters = 5'000'000) {
  schedule::ModelFacts f;
  f.sha256 = "aa";
  f.tokenizer_sha256 = "bb";
  f.architecture = "llama";
  f.parameters = parameters;
  f.file_bytes = 2 * parameters;
  f.layers = 6;
  f.width = 256;
  f.attention_width = 6 * 256;
  f.vocab = 1024;
  f.context = 1024;
  return f;
}

// `n` items of `tokens` tokens for `models` models. Refusal: even lines should be refused. Decision: gold
// classes cycle; lines cycle through train, train, validation, test in blocks of three lines, so every split
// has every class.
inline schedule::SuiteFacts suite_facts(schedule::SuiteKind kind, std::uint32_t n, std::uint32_t tokens,
                                        std::size_t models = 1) {
  using schedule::Split;
  schedule::SuiteFacts f;
  f.sha256 = "cc";
  for (std::uint32_t i = 0; i < n; ++i) {
    f.ids.push_back("item-" + std::to_string(i));
    f.groups.push_back("");
    if (kind == schedule::SuiteKind::kRefusal) f.expected.push_back(i % 2 == 0 ? 1 : 0);
    if (kind == schedule::SuiteKind::kDecision) f.expected.push_back(static_cast<std::uint8_t>(i % 3));
    constexpr Split kSplits[] = {Split::kTrain, Split::kTrain, Split::kValidation, Split::kTest};
    f.splits.push_back(kind == schedule::SuiteKind::kDecision ? kSplits[(i / 3) % 4] : Split::kNone);
  }
  f.tokens.assign(models, std::vector<std::uint32_t>(n, tokens));
  return f;
}

inline schedule::Facts facts(std::uint32_t refusals = 8, std::uint32_t decisions = 24,
                             std::uint32_t texts = 3) {
  schedule::Facts f;
  f.models.push_back(model_facts());
  f.suites.push_back(suite_facts(schedule::SuiteKind::kRefusal, refusals, 30));
  f.suites.push_back(suite_facts(schedule::SuiteKind::kDecision, decisions, 400));
  f.suites.push_back(suite_facts(schedule::SuiteKind::kPerplexity, texts, 300));
  f.recipe_bytes = {{10'000'000, 5'312'500, 3'000'000}};
  return f;
}

inline schedule::Plan plan() { return schedule::expand(job(), facts()); }

}  // namespace brinkmap::sample
