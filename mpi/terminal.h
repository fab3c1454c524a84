#pragma once

namespace brinkmap::mpi {

// Whether stdout is to have colours: on a terminal, or where CLICOLOR_FORCE asks for them
// (bixense.com/clicolors), unless NO_COLOR (no-color.org) or TERM=dumb says no. Under mpirun only
// CLICOLOR_FORCE counts: it gives every rank a terminal of its own, whatever its own stdout is.
bool colours_wanted();

}  // namespace brinkmap::mpi
