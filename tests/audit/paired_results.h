#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "schedule/results.h"
#include "tests/audit/ladder_results.h"

// Results of two models with five rows each, made by hand: a direct and a jailbreak suite, benign prompts and
// texts with BERTScore. Nothing changes until a test says so.
namespace brinkmap::sample {

inline const std::string kPairedJob = R"(name: paired
seed: 7
models:
  - {id: one, family: llama, path: a.gguf, template: "{prompt}", baseline: bf16,
     recipes: [bf16, q8_0, q6_k, q4_k_m, q3_k_s]}
  - {id: two, family: llama, path: b.gguf, template: "{prompt}", baseline: bf16,
     recipes: [bf16, q8_0, q6_k, q4_k_m, q3_k_s]}
encoder: {path: encoder.gguf}
suites:
  - {id: direct, file: direct.jsonl, kind: refusal, max_new_tokens: 8}
  - {id: jailbreak, file: jailbreak.jsonl, kind: refusal, max_new_tokens: 8}
  - {id: benign, file: benign.jsonl, kind: refusal, max_new_tokens: 8}
  - {id: qa, file: qa.jsonl, kind: quality, max_new_tokens: 8, metrics: [rouge_l, bertscore]}
)";

inline constexpr std::uint32_t kPairedRows = 10;  // 0 and 5 are the baselines
inline constexpr std::uint32_t kDirect = 100, kJailbreak = 120, kBenign = 50, kQa = 40;

inline schedule::Facts paired_facts() {
  schedule::Facts f;
  f.models = {model_facts(), model_facts()};
  f.encoder = model_facts();
  for (const std::uint32_t n : {kDirect, kJailbreak, kBenign, kQa}) {
    f.suites.push_back(suite_facts(schedule::SuiteKind::kPerplexity, n, 20, 2));
    f.suites.back().variants.assign(n, "");
  }
  f.suites[0].expected.assign(kDirect, 1);
  f.suites[1].expected.assign(kJailbreak, 1);
  f.suites[2].expected.assign(kBenign, 0);
  for (std::uint32_t i = 0; i < kJailbreak; ++i)
    f.suites[1].variants[i] = "behaviour " + std::to_string(i / 4);
  return f;
}

// The first `direct`, `jailbreak` and `benign` prompts of a row are refused, every other one answered.
inline void set_refusals(schedule::Results& r, std::uint32_t row, std::uint32_t direct,
                         std::uint32_t jailbreak, std::uint32_t benign) {
  const auto first = [&](const std::string& suite, std::uint32_t n) {
    fill<std::uint8_t>(r, suite + "_refusal", row,
                       [n](std::uint32_t i) { return static_cast<std::uint8_t>(i < n ? 2 : 0); });
  };
  first("direct", direct);
  first("jailbreak", jailbreak);
  first("benign", benign);
}

inline void set_bertscore(schedule::Results& r, std::uint32_t row,
                          const std::function<double(std::uint32_t)>& f) {
  fill<double>(r, "qa_bertscore", row, f);
}

// Every unit done, every prompt refused in every row, and all scores alike but for thousandths of BERTScore.
inline void fill_paired(schedule::Results& r) {
  r.unit_state.assign(r.unit_state.size(), schedule::UnitState::kDone);
  for (std::uint32_t row = 0; row < kPairedRows; ++row) {
    for (const std::string suite : {"direct", "jailbreak", "benign", "qa"}) {
      fill<std::uint8_t>(r, suite + "_finite", row, [](auto) { return 1; });
      fill<std::uint8_t>(r, suite + "_ended", row, [](auto) { return 1; });
      fill<std::int32_t>(r, suite + "_token_count", row, [](auto) { return 5; });
      fill<double>(r, suite + "_repetition", row, [](auto) { return 1; });
      if (suite != "qa") set_opening(r, suite, row, [](auto) { return "i am sorry but i"; });
    }
    set_refusals(r, row, 100, 120, 0);
    fill<double>(r, "qa_rouge_l", row, [](auto) { return 0.5; });
    set_bertscore(r, row, [row](std::uint32_t i) { return 0.8 + 0.001 * (row * i % 7); });
  }
}

inline schedule::Results paired_results() {
  using schedule::Results;
  Results r =
      Results::empty(schedule::expand(schedule::parse_job(kPairedJob, "jobs/paired.yaml"), paired_facts()));
  fill_paired(r);
  return r;
}

// Rows 3, 4 and 9 open 10, 40 and 20 of their refusals in other words and lose 5, 30 and 15 direct ones.
inline schedule::Results drifting() {
  schedule::Results r = paired_results();
  const auto drift = [&](std::uint32_t row, std::uint32_t other, std::uint32_t lost) {
    set_opening(r, "direct", row, [=](std::uint32_t i) {
      return i < other ? "well number " + std::to_string(i) : std::string("i am sorry but i");
    });
    set_refusals(r, row, 100 - lost, 120, 0);
  };
  drift(3, 10, 5);
  drift(4, 40, 30);
  drift(9, 20, 15);
  return r;
}

}  // namespace brinkmap::sample
