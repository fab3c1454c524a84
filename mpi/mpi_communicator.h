#pragma once

#include "mpi/communicator.h"

namespace brinkmap::mpi {

// MPI for the life of the object. Only Isend and Improbe/Imrecv are used and no collective, so a dead rank
// blocks nobody; SIGPIPE is ignored because a TCP send to a dead rank raises it. One per process, main thread
// only.
class MpiSession {
 public:
  MpiSession(int* argc, char*** argv);
  // Finalizes MPI, which waits for every rank: use leave() when a rank was lost.
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  Communicator communicator() const;
  int ranks_on_this_host() const noexcept { return ranks_on_this_host_; }

  // Ends the process at once without finalizing; MPI_Finalize hangs when a rank is gone.
  [[noreturn]] static void leave(int exit_code);

 private:
  int ranks_on_this_host_ = 1;
  Communicator communicator_;
};

}  // namespace brinkmap::mpi
