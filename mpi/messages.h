#pragma once

#include <cstdint>
#include <string>
#include <vector>

// Every message between ranks: tags and contents in one place. Bytes are cereal's portable binary form.
namespace brinkmap::mpi {

// Changes whenever a tag or a structure below changes; ranks of different programs refuse each other.
inline constexpr std::uint32_t kProtocolVersion = 3;

enum Tag : int {
  kSetupTag = 1,    // root -> rank, once: what the sweep is
  kHelloTag,        // rank -> root, once: who the rank is, or why it cannot take part
  kLeaseTag,        // root -> rank: units to compute, in this order
  kDoneTag,         // rank -> root: a unit is on disk
  kHeartbeatTag,    // both ways: nothing but a sign of life
  kFaultTag,        // rank -> root: the rank cannot go on (the store does not take writes, an internal error)
  kStopTag,         // root -> rank: leave
  kSpectraTag,      // root -> rank, before kSetupTag: matrices whose spectra are wanted
  kSpectraDoneTag,  // rank -> root: these spectra
};

// Everything a rank needs to build the same plan as the root.
struct Setup {
  std::uint32_t version = kProtocolVersion;
  bool stop = false;  // nothing to do: leave with exit_code
  std::int32_t exit_code = 0;
  std::string job_path;
  std::string job_text;
  std::string facts;  // facts_to_text()
  std::string job_hash;
  std::string store_path;
  std::int32_t threads = 0;  // 0: the cores of the host shared among its ranks

  template <class Archive>
  void serialize(Archive& a) {
    a(version, stop, exit_code, job_path, job_text, facts, job_hash, store_path, threads);
  }
};

struct Hello {
  std::uint32_t version = kProtocolVersion;
  std::string error;  // not empty: the rank cannot take part
  std::string host;
  std::string isa;
  std::string blas_core;
  std::string job_hash;  // of the plan the rank built
  std::int32_t threads = 0;

  template <class Archive>
  void serialize(Archive& a) {
    a(version, error, host, isa, blas_core, job_hash, threads);
  }
};

struct Lease {
  std::vector<std::uint32_t> units;

  template <class Archive>
  void serialize(Archive& a) {
    a(units);
  }
};

struct Done {
  std::uint32_t unit = 0;
  bool failed = false;
  double seconds = 0;
  std::uint64_t tokens = 0;

  template <class Archive>
  void serialize(Archive& a) {
    a(unit, failed, seconds, tokens);
  }
};

struct Fault {
  std::int32_t exit_code = 3;
  std::string text;

  template <class Archive>
  void serialize(Archive& a) {
    a(exit_code, text);
  }
};

struct Stop {
  std::int32_t exit_code = 0;
  bool finalize = true;  // false: a rank was lost, MPI_Finalize would wait for it
  bool over = false;     // no other sweep of the same session follows, as one may in a search

  template <class Archive>
  void serialize(Archive& a) {
    a(exit_code, finalize, over);
  }
};

struct SpectraTask {
  std::string path;                     // of the model
  std::vector<std::uint32_t> matrices;  // in the order of block_matrices()

  template <class Archive>
  void serialize(Archive& a) {
    a(path, matrices);
  }
};

struct SpectraDone {
  std::string path;
  std::vector<std::uint32_t> matrices;       // as they were asked for
  std::vector<std::vector<double>> figures;  // of each, in the order of spectrum_fields()
  std::string error;                         // not empty: there are none
  std::string blas_core;
  std::uint32_t threads = 1;  // matrices that the rank computes at a time

  template <class Archive>
  void serialize(Archive& a) {
    a(path, matrices, figures, error, blas_core, threads);
  }
};

// Structure to bytes and back. unpack throws Error for bytes that do not hold the structure.
template <class T>
std::string pack(const T& message);
template <class T>
T unpack(const std::string& bytes);

}  // namespace brinkmap::mpi
