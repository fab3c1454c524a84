#pragma once

#include <string>

#include "tests/schedule/sample.h"

// The sample job with judges of its refusal suite.
namespace brinkmap::sample {

inline const std::string kJudges =
    "  - {id: second, kind: judge, suite: refusal, model: j.gguf, template: \"{prompt} {response}?\"}\n"
    "  - {id: human, kind: judge, suite: refusal, labels_file: h.jsonl}\n";

// `judges`: lines of the list of experiments, behind the sample's heads; `gate`: more of the gate's keys.
inline schedule::Job judged_job(const std::string& judges = kJudges, const std::string& gate = "") {
  std::string text = kJob;
  text.insert(text.find("vote:"), judges);
  text.insert(text.find("confidence: 0.95}") + std::string("confidence: 0.95").size(), gate);
  return schedule::parse_job(text, "jobs/sample.yaml");
}

inline schedule::Facts judged_facts(std::uint32_t refusals = 8) {
  schedule::Facts f = facts(refusals);
  f.judges.resize(3);
  f.judges[1].model = model_facts(50'000'000);
  f.judges[1].model.sha256 = "judge-weights";
  f.judges[2].labels_sha256 = "label-file";
  return f;
}

inline schedule::Plan judged_plan() { return schedule::expand(judged_job(), judged_facts()); }

}  // namespace brinkmap::sample
