#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mpi/communicator.h"
#include "mpi/messages.h"
#include "mpi/rank_loop.h"
#include "schedule/lease_table.h"
#include "schedule/plan.h"

namespace brinkmap::mpi {

// What the sweep stands at, for the progress line.
struct Progress {
  schedule::LeaseProgress work;
  std::size_t ranks = 0, ranks_lost = 0;
  std::uint64_t tokens = 0;   // computed since the start of this run
  double seconds = 0;         // since the start of this run
  std::optional<double> eta;  // seconds; nothing before the first result
};

struct CoordinatorOptions {
  std::size_t limit = 0;           // stop after so many units; 0: no limit
  int ahead = 2;                   // units a rank holds: one under way, one waiting
  std::vector<std::uint8_t> rows;  // as in schedule::LeaseOptions
  Timing timing;
};

// Hands units to ranks and notices lost ones. Runs in the root's main thread beside the root's own UnitQueue;
// the root is fed through `feed_root`. Knows nothing of stores and models.
class Coordinator {
 public:
  using FeedRoot = std::function<void(const std::vector<std::uint32_t>& units)>;

  // `initial`: state of every unit in the file.
  Coordinator(Communicator communicator, const schedule::Plan& plan,
              std::span<const schedule::UnitState> initial, CoordinatorOptions options, FeedRoot feed_root);

  void handle(const Message& message, double now);
  void done(int rank, const Done& done);
  // Heartbeats, lost ranks, overdue leases, new leases. Returns units that can never run because a unit they
  // need failed: the caller stores them as failed.
  std::vector<schedule::UnitResult> step(double now);
  void fault(const Fault& fault);

  bool finished() const;
  // All units of the chosen rows are done or failed.
  bool all_done() const { return table_.done(); }
  bool lost_somebody() const { return lost_ > 0; }
  const Fault* first_fault() const { return faulty_ ? &fault_ : nullptr; }
  Progress progress(double now) const;
  // Tells the other ranks that the root lives, when it is time to.
  void heartbeat(double now);

 private:
  struct Rank {
    double heard = 0;
    bool alive = true;
    bool overdue = false;  // its leases expired: no new ones until it delivers something
  };
  void lose(int rank);
  void assign(double now);

  Communicator communicator_;
  const schedule::Plan& plan_;
  CoordinatorOptions options_;
  FeedRoot feed_root_;
  schedule::LeaseTable table_;
  std::vector<Rank> ranks_;
  double started_ = 0, said_ = 0;
  std::uint64_t tokens_ = 0;
  std::size_t new_units_ = 0;  // finished in this run
  int lost_ = 0;
  bool faulty_ = false;
  Fault fault_;
};

// Runs the root until every unit is done, the limit is reached or somebody reports a fault. `report` is
// called about ten times a second. Does not stop the other ranks: the caller does, with Coordinator::stop
// through `coordinator`.
void run_root(const Communicator& communicator, Coordinator& coordinator, UnitQueue& queue,
              const std::function<void(const schedule::UnitResult&)>& write,
              const std::function<void(const Progress&)>& report);

}  // namespace brinkmap::mpi
