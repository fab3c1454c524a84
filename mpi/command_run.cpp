#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "mpi/commands.h"
#include "mpi/read_text.h"
#include "mpi/sweep.h"
#include "schedule/job_file.h"

namespace brinkmap::mpi {

void add_run(CLI::App& root, Invocation& invocation) {
  auto options = std::make_shared<SweepOptions>();
  CLI::App* command =
      root.add_subcommand("run", "Run a job, or go on with one, and print the table of results");
  command->add_option("JOB", options->job, "job file (YAML)")->required();
  command->add_option("-o,--output", options->out, "result file; default: the job's name with .h5, here");
  command->add_flag("--fresh", options->fresh, "start over: replace the result file");
  command
      ->add_option("--threads", options->threads, "threads of each rank; default: cores / ranks on the host")
      ->check(CLI::Range(1, 4096));
  command->add_option("--limit", options->limit, "stop after so many units (exit code 4)")
      ->check(CLI::Range(1, 1'000'000'000));
  command->add_option("--rows", options->rows, "only rows whose label matches, e.g. '*/q4_k_m'");
  auto exit_code_file = std::make_shared<std::string>();
  command->add_option("--exit-code-file", *exit_code_file,
                      "write the exit code here too: mpirun may hide it");
  command
      ->add_option("--dead-after", options->timing.dead_after,
                   "seconds of silence after which a rank is lost")
      ->check(CLI::Range(1.0, 86400.0))
      ->capture_default_str();
  command->footer(
      "Resumes the result file when it exists and belongs to the job.\n"
      "Examples:\n"
      "  brinkmap run jobs/first.yaml\n"
      "  mpirun -n 4 brinkmap run jobs/first.yaml -o first.h5 --threads 2\n"
      "  brinkmap run jobs/first.yaml --rows '*/q2_k'\n"
      "Exit codes: 0 done; 2 bad input; 3 internal error; 4 incomplete, the same command goes on.\n\n"
      "Keys of a job file:\n" +
      schedule::describe_job_keys());
  command->callback([options, exit_code_file, &invocation] {
    if (options->out.empty()) options->out = std::filesystem::path(options->job).stem().string() + ".h5";
    options->command_line = invocation.command_line;
    invocation.action = [options, exit_code_file, &invocation] {
      Stop stop;
      {
        MpiSession session(&invocation.argc, &invocation.argv);
        stop = sweep(*options, session);
        // With recovery on, mpirun ends with 0 whatever its ranks return (measured: Open MPI 4.1.4).
        if (!exit_code_file->empty() && session.communicator().rank() == 0)
          write_text(*exit_code_file, std::to_string(stop.exit_code) + "\n");
        if (!stop.finalize) MpiSession::leave(stop.exit_code);
      }
      return static_cast<int>(stop.exit_code);
    };
  });
}

}  // namespace brinkmap::mpi
