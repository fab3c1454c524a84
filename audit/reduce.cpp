#include "audit/reduce.h"

#include <algorithm>

#include "audit/gate.h"
#include "audit/reduce_experiment.h"
#include "audit/reduce_suite.h"
#include "audit/usable.h"

namespace brinkmap::audit {
namespace {

using schedule::Results;

std::int32_t missing_of(const std::vector<char>& usable) {
  return static_cast<std::int32_t>(std::count(usable.begin(), usable.end(), 0));
}

void reduce_bytes(Results& results, std::uint32_t row) {
  const schedule::Plan& plan = results.plan;
  const schedule::Row& r = plan.rows.at(row);
  if (plan.facts.recipe_bytes.empty()) return;
  const std::vector<std::string>& recipes = plan.job.models.at(r.model).recipes;
  const auto at = std::find(recipes.begin(), recipes.end(), r.recipe) - recipes.begin();
  const std::uint64_t bytes = plan.facts.recipe_bytes.at(r.model).at(static_cast<std::size_t>(at));
  const std::uint64_t parameters = plan.facts.models.at(r.model).parameters;
  set(results, row, "bytes", static_cast<std::int64_t>(bytes));
  if (parameters > 0)
    set(results, row, "bits_per_weight", 8.0 * static_cast<double>(bytes) / static_cast<double>(parameters));
}

// Row variables start as unknown, so that what is not computed now is not left over from before.
void forget(Results& results, std::uint32_t row) {
  for (const schedule::Variable& v : results.plan.variables)
    if (v.shard_axis.empty() && !v.field.bulk)
      results.set_row(v.field.name, row, schedule::SlabSet({&v.field, 1}, 1).take()[0].bytes);
}

}  // namespace

void reduce_row(Results& results, std::uint32_t row) {
  forget(results, row);
  const schedule::Job& job = results.plan.job;
  for (std::uint32_t s = 0; s < job.suites.size(); ++s) {
    const std::vector<char> usable = usable_prompts(results, s, row);
    set(results, row, job.suites[s].id + "_missing", missing_of(usable));
    const SuiteRow part{results, s, row, usable};
    if (schedule::generates(job.suites[s].kind)) reduce_answers(part);
    switch (job.suites[s].kind) {
      case schedule::SuiteKind::kRefusal:
        reduce_refusal(part);
        break;
      case schedule::SuiteKind::kDecision:
        reduce_decision(part);
        break;
      case schedule::SuiteKind::kPerplexity:
        reduce_perplexity(part);
        break;
      case schedule::SuiteKind::kTruthfulness:
      case schedule::SuiteKind::kBias:
        reduce_score(part);
        break;
      case schedule::SuiteKind::kChoice:
        reduce_choice(part);
        break;
      case schedule::SuiteKind::kQuality:
        reduce_quality(part);
        break;
    }
  }
  for (std::uint32_t e = 0; e < job.experiments.size(); ++e) reduce_experiment(results, e, row);
  for (std::uint32_t e = 0; e < job.experiments.size(); ++e) reduce_comparisons(results, e, row);
  reduce_bytes(results, row);
}

void reduce(Results& results) {
  const auto rows = static_cast<std::uint32_t>(results.plan.rows.size());
  for (std::uint32_t row = 0; row < rows; ++row) reduce_row(results, row);
  for (const RowVerdict& v : judge(results))
    set(results, v.row, "verdict", static_cast<std::uint8_t>(v.verdict));
}

}  // namespace brinkmap::audit
