#include "mpi/commands.h"

int main(int argc, char** argv) { return brinkmap::mpi::run_command_line(argc, argv); }
