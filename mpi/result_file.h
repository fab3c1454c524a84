#pragma once

#include <string>
#include <vector>

#include "mpi/h5.h"
#include "mpi/schema.h"
#include "mpi/store.h"
#include "schedule/results.h"

// Reading a result file: needs neither MPI nor the models and suites, and works while a sweep writes.
namespace brinkmap::mpi {

// What a file says about itself before any array is read.
struct FileHead {
  std::string job_hash;
  std::string job_path;
  std::string job_text;
  std::string facts;
  Provenance provenance;
  bool complete = false;
};

// Throws InputError when the file is missing, is no result file, or was written with another schema.
FileHead read_head(const std::string& path);

// Everything but bulk fields. The plan's units are the file's own. Throws InputError for a broken file:
// variables missing, of another shape or type, codes without a meaning.
schedule::Results read_results(const std::string& path);

// The numeric arrays and the unit table of an open file, for a plan that is known.
schedule::Results read_arrays(const h5::File& file, schedule::Plan plan);

// Compares what every finished unit has in the file with its checksum, hidden states included: reads the
// whole file. Throws InputError naming the first unit that was changed after it was written.
void check_units(const std::string& path, const schedule::Results& results);

// SHA-256 over all result data except timing, host, rank and paths: schema, job hash, then for every measured
// variable in order of name its name, type, shape, axes with labels and bytes, then status and reason of
// every unit. Equal for any number of ranks, threads and resumes.
std::string digest(const std::string& path);

}  // namespace brinkmap::mpi
