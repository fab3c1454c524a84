#include "mpi/coordinator.h"

#include <algorithm>

namespace brinkmap::mpi {

Coordinator::Coordinator(Communicator communicator, const schedule::Plan& plan,
                         std::span<const schedule::UnitState> initial, CoordinatorOptions options,
                         FeedRoot feed_root)
    : communicator_(std::move(communicator)),
      plan_(plan),
      options_(options),
      feed_root_(std::move(feed_root)),
      table_(plan, initial,
             [this] {
               schedule::LeaseOptions o;
               o.rows = options_.rows;
               return o;
             }()),
      ranks_(static_cast<std::size_t>(communicator_.size())),
      started_(now_seconds()) {
  for (Rank& r : ranks_) r.heard = started_;
}

void Coordinator::handle(const Message& message, double now) {
  Rank& rank = ranks_.at(static_cast<std::size_t>(message.source));
  rank.heard = now;
  if (message.tag == kDoneTag) done(message.source, unpack<Done>(message.bytes));
  if (message.tag == kFaultTag) fault(unpack<Fault>(message.bytes));
}

void Coordinator::done(int rank, const Done& d) {
  if (d.unit >= plan_.units.size())
    throw Error("rank " + std::to_string(rank) + " did a unit that does not exist");
  ranks_.at(static_cast<std::size_t>(rank)).overdue = false;
  // A rank counted as lost may still deliver: units are pure functions, so its result is as good as the
  // second one.
  const bool fresh = d.failed ? table_.fail(d.unit, rank) : table_.complete(d.unit, rank);
  if (fresh) ++new_units_;
  tokens_ += d.tokens;
}

void Coordinator::fault(const Fault& f) {
  if (!faulty_) fault_ = f;
  faulty_ = true;
}

void Coordinator::lose(int rank) {
  Rank& r = ranks_[static_cast<std::size_t>(rank)];
  r.alive = false;
  ++lost_;
  table_.lose_rank(rank);
}

void Coordinator::assign(double now) {
  std::vector<std::vector<std::uint32_t>> leases(ranks_.size());
  // Every rank gets its first unit before any gets one to hold in waiting.
  for (std::size_t depth = 1; depth <= static_cast<std::size_t>(options_.ahead); ++depth)
    for (std::size_t r = 0; r < ranks_.size(); ++r) {
      const int rank = static_cast<int>(r);
      if (!ranks_[r].alive || ranks_[r].overdue || table_.held_by(rank).size() >= depth) continue;
      if (options_.limit > 0 && new_units_ + table_.progress().leased >= options_.limit) break;
      if (const auto unit = table_.next(rank, now)) leases[r].push_back(*unit);
    }
  for (std::size_t r = 0; r < ranks_.size(); ++r) {
    if (leases[r].empty()) continue;
    if (static_cast<int>(r) == communicator_.rank()) {
      feed_root_(leases[r]);
    } else {
      communicator_.send(static_cast<int>(r), kLeaseTag, pack(Lease{leases[r]}));
    }
  }
}

void Coordinator::heartbeat(double now) {
  if (now - said_ < options_.timing.heartbeat) return;
  for (int r = 0; r < communicator_.size(); ++r)
    if (r != communicator_.rank() && ranks_[static_cast<std::size_t>(r)].alive)
      communicator_.send(r, kHeartbeatTag, {});
  said_ = now;
}

std::vector<schedule::UnitResult> Coordinator::step(double now) {
  heartbeat(now);
  const int me = communicator_.rank();
  for (int r = 0; r < communicator_.size(); ++r) {
    const Rank& rank = ranks_[static_cast<std::size_t>(r)];
    if (r != me && rank.alive && now - rank.heard > options_.timing.dead_after) lose(r);
  }
  for (const auto& expired : table_.expire(now))
    ranks_.at(static_cast<std::size_t>(expired.rank)).overdue = true;
  std::vector<schedule::UnitResult> blocked;
  for (const schedule::BlockedUnit& b : table_.take_blocked()) {
    schedule::UnitResult result;
    result.unit = b.unit;
    result.failed = true;
    result.reason = b.reason;
    blocked.push_back(std::move(result));
  }
  if (!faulty_) assign(now);
  return blocked;
}

bool Coordinator::finished() const {
  if (faulty_ || table_.done()) return true;
  return options_.limit > 0 && new_units_ >= options_.limit && table_.progress().leased == 0;
}

Progress Coordinator::progress(double now) const {
  Progress p;
  p.work = table_.progress();
  p.ranks = ranks_.size();
  p.ranks_lost = static_cast<std::size_t>(lost_);
  p.tokens = tokens_;
  p.seconds = now - started_;
  p.eta = table_.eta(now);
  return p;
}

void run_root(const Communicator& communicator, Coordinator& coordinator, UnitQueue& queue,
              const std::function<void(const schedule::UnitResult&)>& write,
              const std::function<void(const Progress&)>& report) {
  Pause pause;
  double reported = 0;
  while (!coordinator.finished()) {
    bool busy = false;
    while (const std::optional<Message> message = communicator.try_receive()) {
      coordinator.handle(*message, now_seconds());
      busy = true;
    }
    try {
      for (const Done& done : queue.step()) {
        coordinator.done(communicator.rank(), done);
        busy = true;
      }
      for (const schedule::UnitResult& blocked : coordinator.step(now_seconds())) write(blocked);
    } catch (const InputError& e) {
      coordinator.fault({2, e.what()});
    } catch (const std::exception& e) {
      coordinator.fault({3, e.what()});
    }
    const double now = now_seconds();
    if (now - reported >= 0.1) {
      report(coordinator.progress(now));
      reported = now;
    }
    pause.step(busy);
  }
  report(coordinator.progress(now_seconds()));
  queue.drop_waiting();
}

}  // namespace brinkmap::mpi
