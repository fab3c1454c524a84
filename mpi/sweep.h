#pragma once

#include <string>

#include "mpi/mpi_communicator.h"
#include "mpi/rank_loop.h"

namespace brinkmap::mpi {

struct SweepOptions {
  std::string job;
  std::string job_text;  // empty: what the job file holds; else instead of that
  std::string out;
  bool fresh = false;
  int threads = 0;        // 0: default_threads()
  std::size_t limit = 0;  // units; 0: all
  std::string rows = "*";
  std::string command_line;
  bool quiet = false;  // no table at the end
  Timing timing;
};

// One rank's part of `brinkmap run`, from preparing the job to the table of results. Returns how to leave:
// the exit code, and whether every rank lives, so that MPI can be finalized. Never throws.
Stop lead(const SweepOptions& options, const MpiSession& session);    // rank 0
Stop follow(const SweepOptions& options, const MpiSession& session);  // every other rank
Stop sweep(const SweepOptions& options, const MpiSession& session);

// Tells the other ranks, who wait for another sweep, that there is none.
void end_session(const Communicator& communicator, std::int32_t exit_code);

}  // namespace brinkmap::mpi
