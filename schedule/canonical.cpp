#include "schedule/job_keys.h"
#include "schedule/plan.h"

namespace brinkmap::schedule {
namespace {

// Raised when the meaning of a job's values changes, so that old files are not resumed with new rules.
constexpr int kCanonicalVersion = 1;

template <class T>
void put(std::string& out, const std::string& title, const std::vector<Key<T>>& keys, const T& value) {
  for (const Key<T>& key : keys) {
    if (key.role == Role::kPath || key.accepts == "list" || key.accepts == "map") continue;
    if (const std::string shown = key.show(value); !shown.empty())
      out += title + "." + key.name + "=" + shown + "\n";
  }
}

}  // namespace

std::string row_content(const Plan& plan, std::uint32_t row) {
  const Job& job = plan.job;
  const Row& r = plan.rows.at(row);
  std::string out = "weights=" + plan.facts.models.at(r.model).sha256 + "\nrecipe=" + r.resolved +
                    "\nrequantize=" + (job.models.at(r.model).requantize ? "true" : "false") +
                    "\nactivations=" + (job.activations == Activations::kF32 ? "f32" : "q8") + "\n";
  if (!job.calibration.file.empty())
    out += "calibration=" + plan.facts.calibration_sha256 + " " + std::to_string(job.calibration.sequences) +
           " " + std::to_string(job.calibration.length) + "\n";
  return out;
}

std::string canonical_job(const Plan& plan) {
  const Job& job = plan.job;
  std::string out = "canonical=" + std::to_string(kCanonicalVersion) + "\n";
  Job unnamed = job;
  unnamed.name.clear();
  put(out, "job", job_keys(), unnamed);
  for (std::size_t i = 0; i < job.models.size(); ++i) {
    const std::string title = "models[" + std::to_string(i) + "]";
    put(out, title, model_keys(), job.models[i]);
    out += title + ".sha256=" + plan.facts.models[i].sha256 + "\n";
    out += title + ".tokenizer_sha256=" + plan.facts.models[i].tokenizer_sha256 + "\n";
    for (const Row& row : plan.rows)
      if (row.model == i && row.resolved != row.recipe) out += title + ".resolved=" + row.resolved + "\n";
  }
  for (std::size_t i = 0; i < job.suites.size(); ++i) {
    const std::string title = "suites[" + std::to_string(i) + "]";
    put(out, title, suite_keys(), job.suites[i]);
    out += title + ".sha256=" + plan.facts.suites[i].sha256 + "\n";
    out += title + ".phrases_sha256=" + plan.facts.suites[i].phrases_sha256 + "\n";
  }
  for (std::size_t i = 0; i < job.experiments.size(); ++i) {
    const std::string title = "experiments[" + std::to_string(i) + "]";
    put(out, title, experiment_keys(), job.experiments[i]);
    if (job.experiments[i].kind != ExperimentKind::kJudge) continue;
    const JudgeFacts& judge = plan.facts.judges.at(i);
    out += title + ".sha256=" + judge.model.sha256 + "\n";
    out += title + ".tokenizer_sha256=" + judge.model.tokenizer_sha256 + "\n";
    out += title + ".labels_sha256=" + judge.labels_sha256 + "\n";
  }
  if (!job.calibration.file.empty()) {
    put(out, "calibration", calibration_keys(), job.calibration);
    out += "calibration.sha256=" + plan.facts.calibration_sha256 + "\n";
  }
  if (!job.encoder.path.empty()) {
    put(out, "encoder", encoder_keys(), job.encoder);
    out += "encoder.sha256=" + plan.facts.encoder.sha256 + "\n";
    out += "encoder.tokenizer_sha256=" + plan.facts.encoder.tokenizer_sha256 + "\n";
  }
  put(out, "vote", vote_keys(), job.vote);
  put(out, "gate", gate_keys(), job.gate);
  for (const Unit& u : plan.units)
    out += "unit=" + std::to_string(static_cast<int>(u.kind)) + " " + std::to_string(u.row) + " " +
           std::to_string(u.item) + " " + std::to_string(u.begin) + " " + std::to_string(u.end) + "\n";
  return out;
}

}  // namespace brinkmap::schedule
