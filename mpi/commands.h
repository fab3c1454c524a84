#pragma once

#include <functional>
#include <string>

namespace CLI {
class App;
}

// The commands of the program, one file each. A command declares its options on the root and, when the
// command line names it, leaves what to do in Invocation::action.
namespace brinkmap::mpi {

// Exit codes that scripts rely on.
inline constexpr int kExitDone = 0;
inline constexpr int kExitGateFails = 1;
inline constexpr int kExitBadInput = 2;
inline constexpr int kExitInternal = 3;
inline constexpr int kExitIncomplete = 4;

struct Invocation {
  int argc = 0;
  char** argv = nullptr;
  std::string command_line;
  std::function<int()> action;  // returns the exit code
};

void add_run(CLI::App& root, Invocation& invocation);
void add_search(CLI::App& root, Invocation& invocation);
void add_plan(CLI::App& root, Invocation& invocation);
void add_status(CLI::App& root, Invocation& invocation);
void add_report(CLI::App& root, Invocation& invocation);
void add_gate(CLI::App& root, Invocation& invocation);
void add_quantize(CLI::App& root, Invocation& invocation);
void add_inspect(CLI::App& root, Invocation& invocation);
void add_generate(CLI::App& root, Invocation& invocation);
void add_tokenize(CLI::App& root, Invocation& invocation);
void add_logits(CLI::App& root, Invocation& invocation);
void add_import(CLI::App& root, Invocation& invocation);
void add_analyze(CLI::App& root, Invocation& invocation);
void add_sample(CLI::App& root, Invocation& invocation);
void add_agree(CLI::App& root, Invocation& invocation);

// Parses the command line, runs the command, turns exceptions into messages and exit codes.
int run_command_line(int argc, char** argv);

}  // namespace brinkmap::mpi
