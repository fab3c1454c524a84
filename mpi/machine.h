#pragma once

#include <string>

#include "mpi/store.h"

namespace brinkmap::mpi {

// This program on this machine: version, CPU, instruction set and BLAS core in use, now. Throws InputError
// when BRINKMAP_ISA asks for what the CPU lacks.
Provenance this_machine(const std::string& command_line);

std::string host_name();
std::string program_version();

// Threads for one of `ranks` ranks on this host: the cores it may use, shared; at least 1.
int default_threads(int ranks_on_this_host);

// Whether `text` matches a shell pattern (* ? [abc]).
bool matches(const std::string& pattern, const std::string& text);

}  // namespace brinkmap::mpi
