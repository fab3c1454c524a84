#include "mpi/search.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <vector>

#include "mpi/commands.h"
#include "mpi/file_lock.h"
#include "mpi/read_text.h"
#include "mpi/result_file.h"
#include "mpi/search_model.h"
#include "schedule/job_file.h"
#include "schedule/nearest.h"
#include "schedule/search_plan.h"
#include "worker/recipe.h"

namespace brinkmap::mpi {
namespace {

// A sweep of the search ended with less than all of its results; its other ranks have left.
struct StageEnded {
  Stop stop;
};

std::string stem(const std::string& recipe) {
  return std::filesystem::path(recipe).replace_extension().string();
}

// Ranks of a killed search live up to 3 s more and keep the locks of its files that long.
constexpr double kOrphanPatience = 6;

bool same_file(const std::string& a, const std::string& b) {
  std::error_code not_there;
  return std::filesystem::equivalent(a, b, not_there) ||
         std::filesystem::absolute(a).lexically_normal() == std::filesystem::absolute(b).lexically_normal();
}

// A search replaces its outputs and removes a recipe that does not pass: never what it reads, nor one output
// by the other.
void check_outputs(const SearchOptions& options, const schedule::Job& job) {
  std::vector<std::string> taken{job.path};
  for (const schedule::ModelSpec& model : job.models) taken.push_back(model.path);
  for (const schedule::SuiteSpec& suite : job.suites) taken.push_back(suite.file);
  const auto take = [&](const std::string& output) {
    for (const std::string& other : taken)
      if (same_file(output, other))
        throw InputError(output, "",
                         "cannot be written, the search needs " + other + ": choose another file");
    taken.push_back(output);
  };
  for (std::size_t m = 0; m < job.models.size(); ++m) take(recipe_path(options.recipe, job, m));
  if (!options.json.empty()) take(options.json);
}

// Everything of a search but who computes.
class Search {
 public:
  Search(const SearchOptions& options, const MpiSession& session) : options_(options), session_(session) {}

  // The exit code.
  int run() {
    read();
    for (std::size_t m = 0; m < job_.models.size(); ++m) models_.emplace_back(job_, m);
    if (options_.sweep.fresh) remove_stages();
    sensitivities();
    for (int round = 0; round < job_.search.rounds; ++round)
      if (!judge(round)) break;
    verdict();
    return conclude();
  }

  // After run(): a model has no recipe because data that a verdict needs are missing.
  bool undecided() const { return undecided_; }

 private:
  void read() {
    job_ = schedule::read_job(options_.sweep.job);
    if (job_.search.formats.empty())
      throw InputError(job_.path, "search",
                       "missing: the job says nothing to search over, e.g. search: {formats: [q6_k, q4_k_s, "
                       "q3_k_s, q2_k], of: module}");
    if (options_.budget > 0) job_.search.budget = options_.budget;
    for (const std::string& format : job_.search.formats)
      if (!worker::is_recipe(format))
        throw InputError(job_.path, "search.formats",
                         schedule::unknown_name("recipe", format, worker::recipe_names()));
    schedule::check_search(job_);
    check_outputs(options_, job_);
  }

  std::string stage_file(const std::string& name) const { return stem(options_.recipe) + "-" + name + ".h5"; }

  // Every stage of an earlier search at once, so that a search that starts over and is stopped goes on with
  // its own stages only. No stage goes while another search writes one.
  void remove_stages() const {
    std::vector<std::string> files{stage_file("sensitivity"), stage_file("verdict")};
    for (int round = 1; round <= schedule::kMostSearchRounds; ++round)
      files.push_back(stage_file(fmt::format("round{}", round)));
    std::vector<FileLock> locks;
    for (const std::string& file : files)
      if (std::filesystem::exists(file) || std::filesystem::exists(file + ".lock"))
        locks.push_back(FileLock::coordinator(file, kOrphanPatience));
    for (const std::string& file : files) std::filesystem::remove(file);
  }

  schedule::Results stage(const std::string& name, const schedule::Stage& stage) {
    std::size_t rows = 0;
    for (const auto& recipes : stage.recipes) rows += recipes.size();
    SweepOptions sweep = options_.sweep;
    sweep.job_text = schedule::stage_text(job_, stage);
    sweep.out = stage_file(name);
    sweep.fresh = false;
    sweep.quiet = true;
    spdlog::info("search: {}, {} rows, {}", stage.name, rows, sweep.out);
    const Stop stop = lead(sweep, session_);
    if (stop.exit_code != 0 || !stop.finalize) throw StageEnded{stop};
    return read_results(sweep.out);
  }

  void sensitivities() {
    schedule::Stage stage{"sensitivities", {}, schedule::Half::kFirst, true};
    for (const ModelSearch& m : models_) stage.recipes.push_back(m.sensitivity_rows());
    const schedule::Results results = this->stage("sensitivity", stage);
    for (ModelSearch& m : models_) m.take_sensitivities(results, stage_file("sensitivity"));
  }

  // Whether there was anything to judge.
  bool judge(int round) {
    schedule::Stage stage{fmt::format("round {}", round + 1), {}};
    bool any = false;
    for (ModelSearch& m : models_) {
      stage.recipes.push_back(m.round_rows(round));
      any = any || stage.recipes.back().size() > 1;
    }
    if (!any) return false;
    const schedule::Results results = this->stage(fmt::format("round{}", round + 1), stage);
    for (ModelSearch& m : models_) m.take_round(results);
    return true;
  }

  void verdict() {
    schedule::Stage stage{"verdict on the held-out items", {}, schedule::Half::kSecond};
    for (ModelSearch& m : models_) stage.recipes.push_back(m.verdict_rows());
    const schedule::Results results = this->stage("verdict", stage);
    for (ModelSearch& m : models_) m.take_verdict(results);
  }

  int conclude() {
    int code = kExitDone;
    std::vector<audit::SearchResult> found;
    for (std::size_t m = 0; m < models_.size(); ++m) {
      const std::string path = recipe_path(options_.recipe, job_, m);
      audit::SearchResult& result = models_[m].result();
      if (result.pick) {
        write_text(path, models_[m].pick_yaml());
        result.recipe_file = path;
      } else {
        // A recipe of an earlier search must not stand for one that was not found.
        std::error_code ignored;
        std::filesystem::remove(path, ignored);
        undecided_ = undecided_ || models_[m].undecided();
        code = std::max(code, models_[m].undecided() ? kExitIncomplete : kExitGateFails);
      }
      found.push_back(result);
    }
    fmt::print("{}", audit::search_text(found));
    if (!options_.json.empty()) write_text(options_.json, audit::search_json(found));
    if (undecided_) fmt::print("not every verdict could be decided, for the reasons above\n");
    return code;
  }

  const SearchOptions& options_;
  const MpiSession& session_;
  schedule::Job job_;
  std::vector<ModelSearch> models_;
  bool undecided_ = false;
};

SearchEnd lead_search(const SearchOptions& options, const MpiSession& session) {
  int code = kExitInternal;
  bool undecided = false;
  try {
    Search search(options, session);
    code = search.run();
    undecided = search.undecided();
  } catch (const StageEnded& ended) {
    Stop stop = ended.stop;
    if (stop.exit_code == 0) stop.exit_code = kExitIncomplete;  // a rank was lost on the way
    if (stop.exit_code == kExitIncomplete) fmt::print("the search is incomplete: the same command goes on\n");
    return {stop};
  } catch (const InputError& e) {
    spdlog::error("{}", e.what());
    code = kExitBadInput;
  } catch (const std::exception& e) {
    spdlog::error("internal error: {}", e.what());
  }
  end_session(session.communicator(), code);
  return {{code, true, true}, undecided};
}

}  // namespace

std::string recipe_path(const std::string& recipe, const schedule::Job& job, std::size_t model) {
  if (job.models.size() == 1) return recipe;
  const std::string extension = std::filesystem::path(recipe).extension().string();
  return stem(recipe) + "-" + job.models.at(model).id + extension;
}

SearchEnd search(const SearchOptions& options, const MpiSession& session) {
  if (session.communicator().rank() == 0) return lead_search(options, session);
  for (;;) {
    const Stop stop = follow(options.sweep, session);
    if (stop.over || stop.exit_code != 0 || !stop.finalize) return {stop};
  }
}

}  // namespace brinkmap::mpi
