#include "mpi/terminal.h"

#include <unistd.h>

#include <cstdlib>
#include <string_view>

namespace brinkmap::mpi {

bool colours_wanted() {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return isatty(STDOUT_FILENO) == 1 && (no_color == nullptr || *no_color == '\0') &&
         (term == nullptr || std::string_view(term) != "dumb");
}

}  // namespace brinkmap::mpi
