#pragma once

#include <string>

#include "tests/schedule/sample.h"

// A job with every kind of experiment, and its facts. Items have three or four evidence lines; those of odd
// items are cited.
namespace brinkmap::sample {

inline const std::string kStudy = R"(
  - {id: probes, kind: layer_probes, suite: decisions}
  - {id: cited, kind: evidence_head, suite: decisions}
  - {id: reranked, kind: reranked_prompts, suite: decisions, reads: cited}
  - {id: frozen, kind: decision_heads, suite: decisions, seeds: 20, train_on: baseline, against: decision}
  - {id: dirsup, kind: decision_heads, suite: decisions, seeds: 20, method: dirsup, reads: cited, against: decision}
  - {id: reorder, kind: decision_heads, suite: decisions, seeds: 20, method: reorder, reads: reranked, against: decision}
  - {id: speed, kind: speed, suite: refusal, repetitions: 3}
  - {id: mechanisms, kind: mechanistic_probes, suite: refusal}
vote:)";

inline std::string study_text() {
  std::string text = kJob;
  return text.replace(text.find("\nvote:"), 6, kStudy);
}

inline schedule::Job study() { return schedule::parse_job(study_text(), "jobs/study.yaml"); }

inline schedule::Facts study_facts() {
  schedule::Facts facts = sample::facts();
  for (std::size_t i = 0; i < facts.suites[1].ids.size(); ++i)
    facts.suites[1].evidence.emplace_back(
        3 + i % 2, schedule::Evidence{static_cast<std::uint8_t>(i % 4), static_cast<std::uint8_t>(i % 2)});
  facts.suites[1].span_tokens = {40};
  return facts;
}

}  // namespace brinkmap::sample
