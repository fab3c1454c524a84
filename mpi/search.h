#pragma once

#include <string>

#include "mpi/sweep.h"

namespace brinkmap::mpi {

struct SearchOptions {
  SweepOptions sweep;  // job, fresh, threads, limit (of each stage), command line, timing
  std::string recipe;  // file to write; of several models the id goes before the extension
  std::string json;    // empty: none
  double budget = 0;   // 0: the job's
};

// How a rank leaves a search.
struct SearchEnd {
  Stop stop;
  bool undecided = false;  // rank 0: all is measured, but a verdict could not be decided
};

// One rank's part of `brinkmap search`: sweeps over the job's stages, each kept in a result file beside the
// recipe (STEM-sensitivity.h5, STEM-round1.h5, ..., STEM-verdict.h5), so that the same command goes on where
// it was stopped. Exit code: 0 every model has a recipe that passes; 1 one has none; 4 incomplete or not
// decidable. Never throws.
SearchEnd search(const SearchOptions& options, const MpiSession& session);

// Where a model's recipe goes.
std::string recipe_path(const std::string& recipe, const schedule::Job& job, std::size_t model);

}  // namespace brinkmap::mpi
