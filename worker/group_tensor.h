#pragma once

#include "worker/group_codes.h"
#include "worker/recipe.h"

namespace brinkmap::worker {

// The codes as a tensor the engine multiplies with (kAffine*), without loss: columns sorted by group where
// the groups are not in column order, and a scale that covers a whole row repeated for the longest groups
// that divide it. Groups must be whole, of 32, 64 or 128 columns, or one a row of a multiple of 32 columns.
RowTensor affine_tensor(const GroupCodes& codes);

}  // namespace brinkmap::worker
