#include "mpi/terminal.h"

#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace brinkmap::mpi {
namespace {

std::string_view variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Set by Open MPI, and by launchers that speak PMIx or PMI.
bool under_launcher() {
  return !variable("OMPI_COMM_WORLD_RANK").empty() || !variable("PMIX_RANK").empty() ||
         !variable("PMI_RANK").empty();
}

}  // namespace

bool colours_wanted() {
  if (!variable("NO_COLOR").empty() || variable("TERM") == "dumb") return false;
  if (const std::string_view force = variable("CLICOLOR_FORCE"); !force.empty() && force != "0") return true;
  return isatty(STDOUT_FILENO) == 1 && !under_launcher();
}

}  // namespace brinkmap::mpi
