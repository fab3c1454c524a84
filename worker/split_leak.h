#pragma once

#include "worker/suite.h"

namespace brinkmap::worker {

// Throws InputError naming two items, their lines and splits, when they stand on different sides of a
// decision suite's split and have the same action group, or the same prompt but for case, white space,
// punctuation and the order of its lines: what trains the heads would judge them.
void check_split(const Suite& suite);

}  // namespace brinkmap::worker
