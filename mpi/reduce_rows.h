#pragma once

#include <functional>
#include <string>

#include "mpi/store.h"
#include "schedule/plan.h"

namespace brinkmap::mpi {

// Computes the variables without shard axis of every row from what the units stored, and writes them. `beat`
// is called now and then, because this can take longer than the other ranks bear silence.
void reduce_rows(Store& store, const schedule::Plan& plan, const std::function<void()>& beat);

}  // namespace brinkmap::mpi
