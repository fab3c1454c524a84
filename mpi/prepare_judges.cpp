#include "mpi/prepare_judges.h"

#include <algorithm>
#include <map>

#include "schedule/judge.h"
#include "worker/checkpoint.h"
#include "worker/hash.h"
#include "worker/label_file.h"
#include "worker/model.h"
#include "worker/text_judge.h"

namespace brinkmap::mpi {

using schedule::ExperimentKind;
using schedule::ExperimentSpec;

std::vector<schedule::JudgeFacts> judge_facts(const schedule::Job& job) {
  if (std::none_of(job.experiments.begin(), job.experiments.end(),
                   [](const ExperimentSpec& e) { return e.kind == ExperimentKind::kJudge; }))
    return {};
  std::map<std::string, schedule::ModelFacts> models;  // one judge may label several suites
  std::vector<schedule::JudgeFacts> out;
  for (const ExperimentSpec& e : job.experiments) {
    schedule::JudgeFacts& facts = out.emplace_back();
    if (!e.judge.labels_file.empty()) facts.labels_sha256 = worker::sha256_file(e.judge.labels_file);
    if (e.judge.model.empty()) continue;
    const auto file = worker::Checkpoint::open(e.judge.model);
    worker::check_judge(*file, e.judge);
    if (models.find(e.judge.model) == models.end()) models[e.judge.model] = worker::model_facts(*file);
    facts.model = models[e.judge.model];
  }
  return out;
}

void check_judge_labels(const schedule::Plan& plan) {
  for (std::uint32_t e = 0; e < plan.job.experiments.size(); ++e) {
    const schedule::JudgeSpec& judge = plan.job.experiments[e].judge;
    if (judge.labels_file.empty()) continue;
    schedule::place_labels(plan, schedule::suite_of(plan, e), judge.labels,
                           worker::read_labels(judge.labels_file, plan.facts.judges.at(e).labels_sha256),
                           judge.labels_file);
  }
}

}  // namespace brinkmap::mpi
