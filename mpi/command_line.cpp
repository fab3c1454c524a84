#include <fmt/format.h>
#include <signal.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "mpi/commands.h"
#include "mpi/machine.h"
#include "schedule/error.h"
#include "schedule/nearest.h"

namespace brinkmap::mpi {
namespace {

// Launchers tell a process its rank before MPI starts: Open MPI, PMIx and Slurm.
std::string rank_for_logs() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID"})
    if (const char* rank = std::getenv(name)) return rank;
  return "0";
}

void set_up_logging(const std::string& level) {
  auto logger = spdlog::stderr_color_mt("brinkmap");
  logger->set_pattern("[%H:%M:%S] [rank " + rank_for_logs() + "] [%^%l%$] %v");
  logger->set_level(spdlog::level::from_str(level));
  spdlog::set_default_logger(logger);
}

std::string quoted_command_line(int argc, char** argv) {
  std::string line;
  for (int i = 0; i < argc; ++i) {
    const std::string word = argv[i];
    const bool plain = !word.empty() && word.find_first_of(" \t\n\"'\\*?[]{}()$&;|<>") == std::string::npos;
    line += (i == 0 ? "" : " ") + (plain ? word : "'" + word + "'");
  }
  return line;
}

// What is wrong with words that no command and no option took; empty when there are none.
std::string complaint(const CLI::App& app) {
  const std::vector<std::string> extras = app.remaining(true);
  if (extras.empty()) return {};
  const std::vector<CLI::App*> chosen = app.get_subcommands();
  if (chosen.empty() && !extras[0].starts_with("-")) {
    std::vector<std::string> names;
    for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
    return schedule::unknown_name("command", extras[0], names);
  }
  for (const std::string& word : extras) {
    if (!word.starts_with("-")) continue;
    std::vector<std::string> names;
    const auto add = [&names](const CLI::App& a) {
      for (const CLI::Option* o : a.get_options({})) {
        for (const std::string& l : o->get_lnames()) names.push_back("--" + l);
        for (const std::string& s : o->get_snames()) names.push_back("-" + s);
      }
    };
    if (!chosen.empty()) add(*chosen[0]);
    add(app);
    return schedule::unknown_name("option", word.substr(0, word.find('=')), names);
  }
  return "unexpected argument '" + extras[0] + "'";
}

int usage_error(const CLI::App& app, const std::string& text) {
  const std::vector<CLI::App*> chosen = app.get_subcommands();
  const std::string name = chosen.empty() ? "brinkmap" : "brinkmap " + chosen[0]->get_name();
  fmt::print(stderr, "{}: {}\nsee {} --help\n", name, text, name);
  return kExitBadInput;
}

int act(const Invocation& invocation) {
  try {
    return invocation.action();
  } catch (const InputError& e) {
    fmt::print(stderr, "brinkmap: {}\n", e.what());
    return kExitBadInput;
  } catch (const std::exception& e) {
    fmt::print(stderr, "brinkmap: internal error: {}\n", e.what());
    return kExitInternal;
  }
}

}  // namespace

int run_command_line(int argc, char** argv) {
  // A file that would pass the limit of the shell (ulimit -f) is a write error, not the end of the process.
  signal(SIGXFSZ, SIG_IGN);
  Invocation invocation;
  invocation.argc = argc;
  invocation.argv = argv;
  invocation.command_line = quoted_command_line(argc, argv);

  CLI::App app("Finds the brink where quantization breaks a model's safety.", "brinkmap");
  app.set_version_flag("--version", program_version());
  std::string level = "info";
  app.add_option("--log-level", level, "trace, debug, info, warn, error or off")
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "off"}))
      ->capture_default_str();
  app.footer(
      "Exit codes: 0 done; 1 a row fails the gate; 2 usage or bad input; 3 internal error; 4 incomplete.");
  app.require_subcommand(0, 1);
  app.allow_extras();
  app.fallthrough();
  for (const auto add :
       {add_run, add_search, add_plan, add_status, add_report, add_gate, add_quantize, add_inspect,
        add_generate, add_tokenize, add_logits, add_import, add_analyze, add_sample, add_agree})
    add(app, invocation);
  for (CLI::App* command : app.get_subcommands({})) {
    command->allow_extras();
    command->fallthrough();
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help, --version
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    const std::string extra = complaint(app);
    return usage_error(app, extra.empty() ? e.what() : extra);
  }
  if (const std::string extra = complaint(app); !extra.empty()) return usage_error(app, extra);
  if (!invocation.action) return usage_error(app, "which command?");
  set_up_logging(level);
  return act(invocation);
}

}  // namespace brinkmap::mpi
