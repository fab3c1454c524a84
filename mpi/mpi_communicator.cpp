#include "mpi/mpi_communicator.h"

#include <mpi.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <list>
#include <vector>

#include "schedule/error.h"

namespace brinkmap::mpi {
namespace {

struct Pending {
  MPI_Request request = MPI_REQUEST_NULL;
  Message message;
};

struct Endpoint {
  int me = 0;
  int ranks = 1;
  std::list<Pending> sends;     // buffers of sends under way; those to a dead rank stay until the end
  std::list<Pending> receives;  // in order of arrival

  int rank() const { return me; }
  int size() const { return ranks; }

  void send(int to, int tag, std::string bytes) {
    Pending& p = sends.emplace_back();
    p.message.bytes = std::move(bytes);
    MPI_Isend(p.message.bytes.data(), static_cast<int>(p.message.bytes.size()), MPI_BYTE, to, tag,
              MPI_COMM_WORLD, &p.request);
  }

  bool drained() {
    for (auto p = sends.begin(); p != sends.end();) {
      int done = 0;
      MPI_Test(&p->request, &done, MPI_STATUS_IGNORE);
      p = done ? sends.erase(p) : std::next(p);
    }
    return sends.empty();
  }

  std::optional<Message> try_receive() {
    drained();
    for (;;) {
      int found = 0;
      MPI_Message handle = MPI_MESSAGE_NULL;
      MPI_Status status;
      MPI_Improbe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &found, &handle, &status);
      if (!found) break;
      int size = 0;
      MPI_Get_count(&status, MPI_BYTE, &size);
      Pending& p = receives.emplace_back();
      p.message.source = status.MPI_SOURCE;
      p.message.tag = status.MPI_TAG;
      p.message.bytes.resize(static_cast<std::size_t>(size));
      MPI_Imrecv(p.message.bytes.data(), size, MPI_BYTE, &handle, &p.request);
    }
    // A transfer whose sender died never completes: it holds back its own sender's later messages and nobody
    // else's.
    std::vector<int> held;
    for (auto p = receives.begin(); p != receives.end(); ++p) {
      bool earlier = false;
      for (const int source : held) earlier |= source == p->message.source;
      if (earlier) continue;
      int done = 0;
      MPI_Test(&p->request, &done, MPI_STATUS_IGNORE);
      if (done) {
        Message message = std::move(p->message);
        receives.erase(p);
        return message;
      }
      held.push_back(p->message.source);
    }
    return std::nullopt;
  }
};

Communicator start(int* argc, char*** argv, int& on_this_host) {
  std::signal(SIGPIPE, SIG_IGN);
  // Without mpirun, Open MPI starts a daemon for processes that are spawned later. None ever is, and on a
  // busy machine its start was seen to take from 3 to over 120 seconds.
  setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
  int provided = 0;
  if (MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS ||
      provided < MPI_THREAD_FUNNELED)
    throw Error("MPI does not start with MPI_THREAD_FUNNELED");
  MPI_Comm host = MPI_COMM_NULL;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host);
  MPI_Comm_size(host, &on_this_host);
  MPI_Comm_free(&host);
  auto endpoint = std::make_shared<Endpoint>();
  MPI_Comm_rank(MPI_COMM_WORLD, &endpoint->me);
  MPI_Comm_size(MPI_COMM_WORLD, &endpoint->ranks);
  return Communicator(std::move(endpoint));
}

}  // namespace

MpiSession::MpiSession(int* argc, char*** argv) : communicator_(start(argc, argv, ranks_on_this_host_)) {}

MpiSession::~MpiSession() { MPI_Finalize(); }

Communicator MpiSession::communicator() const { return communicator_; }

void MpiSession::leave(int exit_code) {
  std::fflush(nullptr);
  _exit(exit_code);
}

}  // namespace brinkmap::mpi
