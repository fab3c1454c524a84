#pragma once

#include <memory>
#include <vector>

#include "mpi/communicator.h"

namespace brinkmap::mpi {

// Ranks as threads of one process, to test scheduling, loss and resume without mpirun. A killed rank neither
// sends nor receives any more; the others notice nothing but its silence.
class LocalNetwork {
 public:
  explicit LocalNetwork(int ranks);
  Communicator communicator(int rank) const;
  void kill(int rank);
  bool killed(int rank) const;

 private:
  struct Shared;
  struct Endpoint;
  std::shared_ptr<Shared> shared_;
};

}  // namespace brinkmap::mpi
