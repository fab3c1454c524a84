#pragma once

#include <cstdint>
#include <vector>

#include "schedule/plan.h"

// What N ranks would do with a plan, by the cost model: for `brinkmap plan`. All figures are estimates.
namespace brinkmap::schedule {

struct SimulatedRank {
  double busy = 0;         // seconds in units
  double taking_rows = 0;  // seconds spent quantizing rows
  std::size_t units = 0;
  std::size_t rows = 0;     // rows taken up, counted again when a rank comes back to one
  std::uint64_t bytes = 0;  // largest row held, bytes of weights; 0 when not known
};

struct Simulation {
  double seconds = 0;  // until the last unit ends
  double cost = 0;     // sum of all units
  std::vector<SimulatedRank> ranks;
};

// Runs the plan through a LeaseTable with one core a rank. A rank pays the row's cost (schedule/cost.h) when
// it takes up another row. Throws Error for fewer than 1 or more than 100000 ranks.
Simulation simulate(const Plan& plan, int ranks);

}  // namespace brinkmap::schedule
