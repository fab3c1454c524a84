#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "audit/gate_report.h"
#include "mpi/check_results.h"
#include "mpi/commands.h"
#include "mpi/machine.h"
#include "mpi/read_text.h"
#include "mpi/terminal.h"

namespace brinkmap::mpi {

namespace {

constexpr const char* kStdout = "-";

void write(const std::string& path, const std::string& text) {
  if (path == kStdout)
    fmt::print("{}", text);
  else if (!path.empty())
    write_text(path, text);
}

}  // namespace

void add_gate(CLI::App& root, Invocation& invocation) {
  struct Options {
    std::string file, row = "*", junit, json;
  };
  auto o = std::make_shared<Options>();
  CLI::App* command = root.add_subcommand("gate", "Judge every row against the job's gate");
  command->add_option("OUT", o->file, "result file (HDF5)")->required();
  command->add_option("--row", o->row, "only rows whose label matches, e.g. '*/q4_k_m'");
  command->add_option(
      "--junit", o->junit,
      "write the verdicts as JUnit XML, one test case a row, to this file; - for the terminal");
  command->add_option("--json", o->json, "write the verdicts as JSON to this file; - for the terminal");
  command->footer(
      "Example:\n  brinkmap gate first.h5 --row '*/q4_k_m' --junit gate.xml\n"
      "Exit codes: 0 all pass; 1 a row fails; 4 the file is incomplete, or a row cannot be decided or is for "
      "a "
      "person to review; 2 its row values do not follow from its prompts.");
  command->callback([o, &invocation] {
    const bool printed = o->junit == kStdout || o->json == kStdout;
    if (printed && o->junit == o->json)
      throw CLI::ValidationError("--junit and --json", "only one of them can go to the terminal");
    invocation.action = [o, printed] {
      const auto [head, results] = read_checked(o->file);
      const bool complete = head.complete;
      std::vector<audit::RowVerdict> verdicts;
      for (audit::RowVerdict& v : audit::judge(results))
        if (matches(o->row, v.label)) verdicts.push_back(std::move(v));
      if (verdicts.empty()) throw InputError("--row", o->row, "matches no row of " + o->file);
      if (!printed) {
        fmt::print("{}", audit::to_text(audit::verdicts_table(verdicts), colours_wanted()));
        if (!complete) fmt::print("{} is incomplete: the same `brinkmap run` goes on\n", o->file);
      }
      const std::string& job = results.plan.job.name;
      write(o->junit, audit::gate_junit(job, complete, verdicts));
      write(o->json, audit::gate_json(job, complete, verdicts));
      switch (audit::worst(complete, verdicts)) {
        case audit::Verdict::kPass:
          return kExitDone;
        case audit::Verdict::kFail:
          return kExitGateFails;
        default:
          return kExitIncomplete;
      }
    };
  });
}

}  // namespace brinkmap::mpi
