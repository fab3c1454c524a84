#include "mpi/local_communicator.h"

#include <deque>
#include <mutex>

#include "schedule/error.h"

namespace brinkmap::mpi {

struct LocalNetwork::Shared {
  std::mutex mutex;
  std::vector<std::deque<Message>> inbox;
  std::vector<bool> dead;
};

struct LocalNetwork::Endpoint {
  std::shared_ptr<Shared> shared;
  int me;

  int rank() const { return me; }
  int size() const { return static_cast<int>(shared->inbox.size()); }

  void send(int to, int tag, std::string bytes) {
    const std::lock_guard lock(shared->mutex);
    const auto target = static_cast<std::size_t>(to);
    if (to < 0 || target >= shared->inbox.size()) throw Error("no rank " + std::to_string(to));
    if (shared->dead[target] || shared->dead[static_cast<std::size_t>(me)]) return;
    shared->inbox[target].push_back({me, tag, std::move(bytes)});
  }

  std::optional<Message> try_receive() {
    const std::lock_guard lock(shared->mutex);
    auto& inbox = shared->inbox[static_cast<std::size_t>(me)];
    if (inbox.empty() || shared->dead[static_cast<std::size_t>(me)]) return std::nullopt;
    Message message = std::move(inbox.front());
    inbox.pop_front();
    return message;
  }

  bool drained() const { return true; }
};

LocalNetwork::LocalNetwork(int ranks) : shared_(std::make_shared<Shared>()) {
  shared_->inbox.resize(static_cast<std::size_t>(ranks));
  shared_->dead.resize(static_cast<std::size_t>(ranks), false);
}

Communicator LocalNetwork::communicator(int rank) const {
  return Communicator(std::make_shared<Endpoint>(Endpoint{shared_, rank}));
}

void LocalNetwork::kill(int rank) {
  const std::lock_guard lock(shared_->mutex);
  shared_->dead.at(static_cast<std::size_t>(rank)) = true;
}

bool LocalNetwork::killed(int rank) const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->dead.at(static_cast<std::size_t>(rank));
}

}  // namespace brinkmap::mpi
