#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "schedule/plan.h"

// Names, shapes and meanings of everything in a result file. Writer and reader share this header; the
// variables that units and the reduction fill come from the plan (schedule/fields.cpp).
namespace brinkmap::mpi {

inline constexpr std::uint64_t kSchemaVersion = 5;

// Root attributes. The hashes and kProgram..kBlasCore are text, kSchema is a number.
namespace attribute {
inline constexpr const char* kSchema = "schema_version";
inline constexpr const char* kProgram = "program_version";
inline constexpr const char* kJobHash = "job_hash";
inline constexpr const char* kJobPath = "job_path";
inline constexpr const char* kWeights = "weights_sha256";  // one a model, in job order, separated by spaces
inline constexpr const char* kTokenizers = "tokenizer_sha256";
inline constexpr const char* kSuites = "suite_sha256";  // one a suite
inline constexpr const char* kEncoder = "encoder";  // of the job, when it has one: hash, block and pooling
inline constexpr const char* kCommand = "command_line";
inline constexpr const char* kMachine = "machine";
inline constexpr const char* kIsa = "isa";
inline constexpr const char* kBlasCore = "blas_core";
inline constexpr const char* kCreated = "created";  // UTC, ISO 8601
}  // namespace attribute

// Scalar texts.
inline constexpr const char* kJobText = "job_text";
inline constexpr const char* kJobFacts = "job_facts";

// The unit table, one entry a unit, and the marker of a finished sweep.
inline constexpr const char* kUnitAxis = "unit";
inline constexpr const char* kUnitStatus = "unit_status";
inline constexpr const char* kUnitCrc = "unit_crc";
inline constexpr const char* kUnitSeconds = "unit_seconds";
inline constexpr const char* kUnitRank = "unit_rank";
inline constexpr const char* kUnitReason = "unit_reason";
inline constexpr const char* kComplete = "complete";
inline constexpr std::uint64_t kReasonBytes = 256;

enum class UnitStatus : std::uint8_t { kTodo = 0, kDone = 1, kFailed = 2 };

// One variable with all its axes. `initial` stands in the file before anything is written; it is the fill
// value except where "nothing yet" is a code of its own.
struct StoredVariable {
  schedule::Field field;  // field.inner is not used
  std::vector<schedule::Dimension> axes;
  double initial = 0;
  bool measured = false;  // part of the digest: filled by units or by the reduction

  std::uint64_t bytes() const;
};

// Every variable of a plan's file, in creation order. Throws Error when two share a name or an axis has two
// sizes.
std::vector<StoredVariable> stored_variables(const schedule::Plan& plan);

// Bytes of all variables, and of those among them that are not loaded whole (Field::bulk): hidden states,
// logits, head weights.
struct PlannedBytes {
  struct Part {
    std::string owner;  // suite or experiment
    std::string variable;
    std::string shape;  // "15 x 450 x 6 x 128 f16"
    std::uint64_t bytes = 0;
  };
  std::uint64_t all = 0, bulk = 0;
  std::vector<Part> parts;  // of `bulk`, in the order of the file

  // Bytes of each owner, in order.
  std::vector<std::pair<std::string, std::uint64_t>> owners() const;
};
PlannedBytes planned_bytes(const schedule::Plan& plan);

// The distinct axes of the variables, labels included.
std::vector<schedule::Dimension> distinct_axes(const std::vector<StoredVariable>& variables);

}  // namespace brinkmap::mpi
