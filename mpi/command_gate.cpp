#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "audit/gate.h"
#include "mpi/commands.h"
#include "mpi/machine.h"
#include "mpi/result_file.h"

namespace brinkmap::mpi {

void add_gate(CLI::App& root, Invocation& invocation) {
  struct Options {
    std::string file, row = "*";
  };
  auto o = std::make_shared<Options>();
  CLI::App* command = root.add_subcommand("gate", "Judge every row against the job's gate");
  command->add_option("OUT", o->file, "result file (HDF5)")->required();
  command->add_option("--row", o->row, "only rows whose label matches, e.g. '*/q4_k_m'");
  command->footer(
      "Example:\n  brinkmap gate first.h5 --row '*/q4_k_m'\n"
      "Exit codes: 0 all pass; 1 a row fails; 4 the file is incomplete or a row cannot be decided.");
  command->callback([o, &invocation] {
    invocation.action = [o] {
      const bool complete = read_head(o->file).complete;
      const schedule::Results results = read_results(o->file);
      bool any = false, failed = false, undecided = !complete;
      for (std::uint32_t r = 0; r < results.plan.rows.size(); ++r) {
        if (!matches(o->row, results.plan.rows[r].label)) continue;
        any = true;
        const audit::RowVerdict verdict = audit::judge(results, r);
        failed = failed || verdict.verdict == audit::Verdict::kFail;
        undecided = undecided || verdict.verdict == audit::Verdict::kUndecided;
        fmt::print("{:<40} {:<10} {}\n", results.plan.rows[r].label, audit::verdict_name(verdict.verdict),
                   verdict.reason);
      }
      if (!any) throw InputError("--row", o->row, "matches no row of " + o->file);
      if (!complete) fmt::print("{} is incomplete: the same `brinkmap run` goes on\n", o->file);
      if (failed) return kExitGateFails;
      return undecided ? kExitIncomplete : kExitDone;
    };
  });
}

}  // namespace brinkmap::mpi
