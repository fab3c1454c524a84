#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "mpi/h5.h"
#include "mpi/schema.h"
#include "schedule/plan.h"
#include "schedule/results.h"

// Writing the result file. One process creates it; then every rank opens it on its own and writes disjoint
// slabs.
namespace brinkmap::mpi {

// Where and with what a file was made. Never part of a digest, except that results need one isa and one BLAS
// core.
struct Provenance {
  std::string program_version;
  std::string command_line;
  std::string machine;
  std::string isa;
  std::string blas_core;
  std::string created;
};

// Creates the file under a temporary name, with every variable allocated and at its initial value, syncs it,
// renames it, syncs the folder: under `path` there is the old file or a whole new one. Throws InputError when
// the folder cannot be written or the disk has no room for all of it; nothing is left behind then.
void create_store(const std::string& path, const schedule::Plan& plan, const Provenance& provenance);

// One rank's handle. Every process has its own; the thread that opened it uses it. MPI must be initialized.
class Store {
 public:
  // Throws InputError when the file cannot be opened for writing or does not fit the plan.
  Store(std::string path, const schedule::Plan& plan);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // Writes payload, CRC and status and syncs them: on return the unit survives a crash and a power cut. A
  // failed unit gets fill values and its reason. Throws InputError when the disk does not take it; the unit
  // then counts as not done.
  void write_unit(const schedule::UnitResult& result, int rank);

  // Status of every unit as a resume sees it: done only when the CRC is right.
  UnitStatus verified_status(std::uint32_t unit);

  // What a unit reads before it runs (schedule::unit_readings).
  schedule::Slab read(const schedule::Reading& reading);

  // Everything but bulk fields, as it is in the file now.
  schedule::Results results();

  // A variable without shard axis, for one row.
  void write_row_variable(const std::string& name, std::uint32_t row, std::span<const std::byte> bytes);
  // The marker that the sweep is finished; synced.
  void mark_complete(bool complete);
  void sync();

 private:
  const h5::Array& array(const std::string& name);
  void write_at(const std::string& name, std::uint64_t unit, std::span<const std::byte> bytes);

  std::string path_;
  const schedule::Plan& plan_;
  int descriptor_ = -1;  // for fdatasync
  h5::File file_;
  std::map<std::string, h5::Array, std::less<>> arrays_;
};

}  // namespace brinkmap::mpi
