#pragma once

#include <memory>
#include <string>
#include <vector>

#include "mpi/rank_loop.h"
#include "mpi/store.h"
#include "worker/run_unit.h"
#include "worker/suite.h"

namespace brinkmap::mpi {

// The store and the unit runner of one rank, wired together. The plan must outlive it.
struct Workplace {
  std::unique_ptr<Store> store;
  std::shared_ptr<worker::UnitRunner> runner;
  UnitTools tools;
};

// Throws InputError when the store or a model cannot be opened.
Workplace open_workplace(const std::string& out, const schedule::Plan& plan,
                         std::vector<worker::Suite> suites, int threads, int rank);

}  // namespace brinkmap::mpi
