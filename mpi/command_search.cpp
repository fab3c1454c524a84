#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>

#include "mpi/commands.h"
#include "mpi/read_text.h"
#include "mpi/search.h"

namespace brinkmap::mpi {

void add_search(CLI::App& root, Invocation& invocation) {
  auto options = std::make_shared<SearchOptions>();
  SweepOptions& sweep = options->sweep;
  CLI::App* command =
      root.add_subcommand("search", "Find the smallest mixture of formats that passes the job's gate");
  command->add_option("JOB", sweep.job, "job file (YAML) with a key 'search'")->required();
  command->add_option(
      "-o,--output", options->recipe,
      "recipe file for `quantize --to`; default: the job's name with -recipe.yaml, here. With "
      "several models the id goes before .yaml. Replaced, and removed when nothing passes");
  command
      ->add_option("--budget", options->budget,
                   "most bytes of the model; up to 1: share of its baseline's bytes; default: the job's")
      ->check(CLI::Range(1e-6, 0x1p50));
  command->add_option("--json", options->json, "write everything that was tried as JSON");
  command->add_flag("--fresh", sweep.fresh, "start over: remove the result files of every stage first");
  command->add_option("--threads", sweep.threads, "threads of each rank; default: cores / ranks on the host")
      ->check(CLI::Range(1, 4096));
  command->add_option("--limit", sweep.limit, "stop after so many units of a stage (exit code 4)")
      ->check(CLI::Range(1, 1'000'000'000));
  auto exit_code_file = std::make_shared<std::string>();
  command->add_option("--exit-code-file", *exit_code_file,
                      "write the exit code here too, 'undecided' behind a 4 that going on does not change: "
                      "mpirun may hide it");
  command
      ->add_option("--dead-after", sweep.timing.dead_after, "seconds of silence after which a rank is lost")
      ->check(CLI::Range(1.0, 86400.0))
      ->capture_default_str();
  command->footer(
      "Measures what each piece of a model costs in each format, allocates formats within byte budgets, "
      "judges\n"
      "the mixtures by the job's gate on one half of the items, narrows down, and lets the other half judge "
      "the\n"
      "smallest that pass. The job's own recipes are judged beside them. Result files beside the recipe "
      "keep\n"
      "every stage: the same command goes on after any stop.\n"
      "Example:\n"
      "  mpirun -n 4 brinkmap search jobs/search.yaml -o recipe.yaml --budget 0.25\n"
      "  brinkmap quantize model.gguf --to recipe.yaml -o model-small.gguf\n"
      "Exit codes: 0 found for every model; 1 nothing passes for one; 2 bad input; 3 internal error;\n"
      "4 incomplete, the same command goes on; or no verdict could be decided.");
  command->callback([options, exit_code_file, &invocation] {
    if (options->recipe.empty())
      options->recipe = std::filesystem::path(options->sweep.job).stem().string() + "-recipe.yaml";
    options->sweep.command_line = invocation.command_line;
    invocation.action = [options, exit_code_file, &invocation] {
      SearchEnd end;
      {
        MpiSession session(&invocation.argc, &invocation.argv);
        end = search(*options, session);
        // With recovery on, mpirun ends with 0 whatever its ranks return (measured: Open MPI 4.1.4).
        if (!exit_code_file->empty() && session.communicator().rank() == 0)
          write_text(*exit_code_file,
                     std::to_string(end.stop.exit_code) + (end.undecided ? " undecided\n" : "\n"));
        if (!end.stop.finalize) MpiSession::leave(end.stop.exit_code);
      }
      return static_cast<int>(end.stop.exit_code);
    };
  });
}

}  // namespace brinkmap::mpi
