#pragma once

#include <string>
#include <vector>

#include "mpi/result_file.h"
#include "schedule/plan.h"

namespace brinkmap::mpi {

// Whether the file at `path` holds results of this very plan, made with kernels that give the same bits.
// Throws InputError that names the differences and the ways out.
void check_resumable(const std::string& path, const FileHead& head, const schedule::Plan& plan,
                     const Provenance& machine);

// Lines of two texts that differ, at most `most`: "was ..., is ...".
std::string difference(const std::string& before, const std::string& now, int most);

}  // namespace brinkmap::mpi
