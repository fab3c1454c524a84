#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "mpi/check_results.h"
#include "mpi/commands.h"
#include "mpi/file_lock.h"

namespace brinkmap::mpi {
namespace {

using nlohmann::json;
using schedule::UnitState;

struct RowCounts {
  std::size_t units = 0, done = 0, failed = 0;
};

json count(const FileHead& head, const schedule::Results& r, bool running) {
  std::vector<RowCounts> rows(r.plan.rows.size());
  double seconds = 0, cost_done = 0, cost_left = 0;
  std::size_t done = 0, failed = 0;
  json failures = json::array();
  for (const schedule::Unit& u : r.plan.units) {
    RowCounts& row = rows[u.row];
    ++row.units;
    const bool ended = r.unit_state[u.id] != UnitState::kTodo;
    (ended ? cost_done : cost_left) += u.cost;
    if (ended && std::isfinite(r.unit_seconds[u.id])) seconds += r.unit_seconds[u.id];
    if (r.unit_state[u.id] == UnitState::kDone) ++row.done, ++done;
    if (r.unit_state[u.id] == UnitState::kFailed) {
      ++row.failed, ++failed;
      failures.push_back(
          {{"unit", u.id}, {"row", r.plan.rows[u.row].label}, {"reason", r.unit_reason[u.id]}});
    }
  }
  json j{{"file_version", kSchemaVersion},
         {"job", r.plan.job.name},
         {"job_hash", head.job_hash},
         {"complete", head.complete},
         {"running", running},
         {"units", r.plan.units.size()},
         {"done", done},
         {"failed", failed},
         {"compute_seconds", seconds},
         {"created", head.provenance.created},
         {"machine", head.provenance.machine},
         {"isa", head.provenance.isa},
         {"blas_core", head.provenance.blas_core},
         {"failures", failures},
         {"rows", json::array()}};
  // Seconds of one rank at the pace so far; how many ranks go on is not known here.
  j["seconds_left_on_one_rank"] = cost_done > 0 ? json(seconds * cost_left / cost_done) : json();
  for (std::size_t i = 0; i < rows.size(); ++i)
    j["rows"].push_back({{"row", r.plan.rows[i].label},
                         {"units", rows[i].units},
                         {"done", rows[i].done},
                         {"failed", rows[i].failed}});
  return j;
}

void print(const std::string& path, const json& j) {
  const char* state = j["complete"].get<bool>()  ? "complete"
                      : j["running"].get<bool>() ? "running"
                                                 : "incomplete";
  fmt::print("{}: job {}, {}\n", path, j["job"].get<std::string>(), state);
  fmt::print("{} of {} units done, {} failed; {:.1f} s of compute", j["done"].get<std::size_t>(),
             j["units"].get<std::size_t>(), j["failed"].get<std::size_t>(),
             j["compute_seconds"].get<double>());
  if (!j["complete"].get<bool>() && !j["seconds_left_on_one_rank"].is_null())
    fmt::print(", about {:.0f} s left on one rank", j["seconds_left_on_one_rank"].get<double>());
  fmt::print("\n");
  for (const json& row : j["rows"])
    fmt::print("  {:<40} {:>5} of {:>5} done{}\n", row["row"].get<std::string>(),
               row["done"].get<std::size_t>(), row["units"].get<std::size_t>(),
               row["failed"].get<std::size_t>() > 0
                   ? fmt::format(", {} failed", row["failed"].get<std::size_t>())
                   : "");
  for (const json& f : j["failures"])
    fmt::print("  unit {} of {}: {}\n", f["unit"].get<std::size_t>(), f["row"].get<std::string>(),
               f["reason"].get<std::string>());
}

}  // namespace

void add_status(CLI::App& root, Invocation& invocation) {
  struct Options {
    std::string file;
    bool digest = false, json = false;
  };
  auto o = std::make_shared<Options>();
  CLI::App* command = root.add_subcommand("status", "What is done, failed and running in a result file");
  command->add_option("OUT", o->file, "result file (HDF5)")->required();
  command->add_flag("--digest", o->digest,
                    "only a SHA-256 over all result data, for any ranks, threads and resumes");
  command->add_flag("--json", o->json, "as JSON");
  command->footer(
      "Examples:\n  brinkmap status first.h5\n  brinkmap status first.h5 --digest\n"
      "Exit codes: 0 complete; 4 incomplete; 2 damaged, or marked complete with units left.");
  command->callback([o, &invocation] {
    invocation.action = [o] {
      const FileHead head = read_head(o->file);
      const schedule::Results results = read_results(o->file);
      check_complete(o->file, head, results);
      const int code = head.complete ? kExitDone : kExitIncomplete;
      if (o->digest && !o->json) {
        fmt::print("{}\n", digest(o->file));
        return code;
      }
      json j = count(head, results, FileLock::running(o->file));
      if (o->digest) j["digest"] = digest(o->file);
      if (o->json) {
        fmt::print("{}\n", j.dump(2, ' ', false, json::error_handler_t::replace));
      } else {
        print(o->file, j);
      }
      return code;
    };
  });
}

}  // namespace brinkmap::mpi
