#include "mpi/prepare.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "mpi/facts_text.h"
#include "mpi/prepare_judges.h"
#include "schedule/job_file.h"
#include "schedule/nearest.h"
#include "worker/chat_template.h"
#include "worker/decoded.h"
#include "worker/evidence_lines.h"
#include "worker/hash.h"
#include "worker/hybrid.h"
#include "worker/model.h"
#include "worker/prompt.h"
#include "worker/recipe.h"
#include "worker/tokenizer.h"

namespace brinkmap::mpi {
namespace {

void check_files(const schedule::Job& job) {
  const auto need = [&job](const std::string& path, const char* part, int index, const char* key) {
    std::error_code error;
    if (!path.empty() && !std::filesystem::exists(path, error))
      throw InputError(job.path, schedule::place_in_file(job, part, index, key),
                       path + ": there is no such file");
  };
  for (int m = 0; m < std::ssize(job.models); ++m) need(job.models[m].path, "models", m, "path");
  for (int s = 0; s < std::ssize(job.suites); ++s) {
    need(job.suites[s].file, "suites", s, "file");
    need(job.suites[s].phrases, "suites", s, "phrases");
  }
  for (int e = 0; e < std::ssize(job.experiments); ++e) {
    need(job.experiments[e].judge.model, "experiments", e, "model");
    need(job.experiments[e].judge.labels_file, "experiments", e, "labels_file");
  }
  need(job.calibration.file, "calibration", -1, "file");
  need(job.encoder.path, "encoder", -1, "path");
}

void check_recipes(const schedule::Job& job) {
  const std::vector<std::string> known = worker::recipe_names();
  for (int m = 0; m < std::ssize(job.models); ++m)
    for (const std::string& recipe : job.models[m].recipes)
      if (!worker::is_recipe(recipe))
        throw InputError(job.path, schedule::place_in_file(job, "models", m, "recipes", recipe),
                         schedule::unknown_name("recipe", worker::wrong_part(recipe), known));
  if (!job.calibration.file.empty()) return;
  for (int m = 0; m < std::ssize(job.models); ++m)
    for (const std::string& recipe : job.models[m].recipes)
      if (worker::needs_calibration(recipe))
        throw InputError(job.path, schedule::place_in_file(job, "models", m, "recipes", recipe),
                         "recipe '" + recipe + "' needs calibration text: give the job a key 'calibration'");
}

// The recipes of a model's rows: those of the job, `each` written out.
std::vector<std::string> row_recipes(const worker::Checkpoint& file, const schedule::Job& job,
                                     const schedule::ModelSpec& model) {
  std::vector<std::string> out;
  for (const std::string& recipe : model.recipes) {
    const std::vector<std::string> rows = worker::expand_each(file, recipe);
    if (rows != std::vector{recipe}) spdlog::info("{}: {} rows of {}", model.id, rows.size(), recipe);
    for (const std::string& row : rows) {
      if (std::find(out.begin(), out.end(), row) != out.end())
        throw InputError(job.path, "recipes of " + model.id, "recipe '" + row + "' is given twice");
      out.push_back(row);
    }
    if (out.size() > schedule::kMostRowsOfModel)
      throw InputError(job.path, "recipes of " + model.id,
                       "expected at most " + std::to_string(schedule::kMostRowsOfModel) + " rows, found " +
                           std::to_string(out.size()));
  }
  return out;
}

// What the plan must know of a model's recipes; nothing is quantized yet.
struct RecipeFacts {
  std::vector<std::string> resolved;
  std::vector<std::uint64_t> bytes;  // from the formats alone
};

RecipeFacts recipe_facts(const std::shared_ptr<const worker::Checkpoint>& file,
                         const schedule::ModelSpec& model, const std::string& sha256, std::uint64_t seed,
                         const SpectraMeans& means) {
  auto base = file;
  if (model.requantize) {
    base = worker::decoded_shapes(file);
    if (base == file)
      throw InputError(model.path, "requantize", "expected a quantized file, found none of its tensors is");
  }
  SpectraSource spectra(*file, sha256, means);
  RecipeFacts facts;
  for (const std::string& recipe : model.recipes) {
    const worker::Checkpoint& from = worker::keeps_formats(recipe) ? *file : *base;
    facts.resolved.push_back(
        worker::resolve_hybrid(from, recipe, seed, [&spectra] { return spectra.matrices(); }));
    facts.bytes.push_back(worker::recipe_bytes(from, facts.resolved.back()));
  }
  return facts;
}

}  // namespace

Prepared prepare(schedule::Job job, const SpectraMeans& means) {
  Prepared p;
  check_recipes(job);
  check_files(job);
  schedule::Facts facts;
  for (const schedule::SuiteSpec& spec : job.suites) {
    p.suites.push_back(worker::read_suite(spec));
    facts.suites.push_back(worker::suite_facts(p.suites.back()));
    if (schedule::reads_evidence(job, spec))
      facts.suites.back().evidence = worker::evidence_facts(p.suites.back());
  }
  for (const schedule::ExperimentSpec& experiment : job.experiments)
    for (const worker::Suite& suite : p.suites)
      if (suite.spec.id == experiment.suite && schedule::reads_decisions(experiment.kind))
        worker::check_for_heads(suite);
  if (!job.calibration.file.empty()) facts.calibration_sha256 = worker::sha256_file(job.calibration.file);
  if (!job.encoder.path.empty())
    facts.encoder = worker::model_facts(*worker::Checkpoint::open(job.encoder.path));
  facts.judges = judge_facts(job);
  for (schedule::ModelSpec& model : job.models) {
    const auto file = worker::Checkpoint::open(model.path);
    const auto tokenizer = worker::Tokenizer::from_gguf(*file);
    facts.models.push_back(worker::model_facts(*file));
    if (std::any_of(model.recipes.begin(), model.recipes.end(), worker::needs_calibration))
      worker::read_calibration(job.calibration, *tokenizer);  // throws when the text is too short
    model.recipes = row_recipes(*file, job, model);
    facts.recipes.push_back(model.recipes);
    RecipeFacts recipes = recipe_facts(file, model, facts.models.back().sha256, job.seed, means);
    facts.resolved_recipes.push_back(std::move(recipes.resolved));
    facts.recipe_bytes.push_back(std::move(recipes.bytes));
    const worker::PromptTemplate around = worker::prompt_template(*file, model.prompt_template);
    for (std::size_t s = 0; s < p.suites.size(); ++s) {
      facts.suites[s].tokens.push_back(worker::token_counts(*tokenizer, around, p.suites[s]));
      if (!facts.suites[s].evidence.empty())
        facts.suites[s].span_tokens.push_back(worker::most_span_tokens(*tokenizer, around, p.suites[s]));
    }
  }
  p.plan = schedule::expand(std::move(job), std::move(facts));
  check_judge_labels(p.plan);
  p.plan.job_hash = job_hash(p.plan);
  return p;
}

std::vector<worker::Suite> read_suites(const schedule::Plan& plan) {
  std::vector<worker::Suite> suites;
  for (std::size_t i = 0; i < plan.job.suites.size(); ++i) {
    suites.push_back(worker::read_suite(plan.job.suites[i]));
    if (suites.back().sha256 != plan.facts.suites[i].sha256)
      throw InputError(plan.job.suites[i].file, "", "changed while the sweep was starting");
  }
  const std::string& calibration = plan.job.calibration.file;
  if (!calibration.empty() && worker::sha256_file(calibration) != plan.facts.calibration_sha256)
    throw InputError(calibration, "", "changed while the sweep was starting");
  for (std::size_t e = 0; e < plan.job.experiments.size(); ++e) {
    const std::string& labels = plan.job.experiments[e].judge.labels_file;
    if (!labels.empty() && worker::sha256_file(labels) != plan.facts.judges.at(e).labels_sha256)
      throw InputError(labels, "", "changed while the sweep was starting");
  }
  return suites;
}

}  // namespace brinkmap::mpi
