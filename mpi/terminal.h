#pragma once

namespace brinkmap::mpi {

// Whether stdout is a terminal that may show colours: neither NO_COLOR (no-color.org) nor TERM=dumb says no.
bool colours_wanted();

}  // namespace brinkmap::mpi
