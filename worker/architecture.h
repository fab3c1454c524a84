#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kernels/ops.h"

// One description per architecture: what differs between families, as data. The forward pass reads it; there
// is no forward pass per family. A new architecture adds fields here and a row in architecture.cpp.
namespace brinkmap::worker {

struct Architecture {
  std::string name;  // general.architecture; the prefix of its metadata keys
  kernels::RopePairing rope_pairing = kernels::RopePairing::kAdjacent;
};

// Null when this build does not know the name.
const Architecture* find_architecture(std::string_view name) noexcept;
std::vector<std::string> architecture_names();

}  // namespace brinkmap::worker
