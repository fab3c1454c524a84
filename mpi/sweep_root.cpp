#include "mpi/sweep.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <future>
#include <memory>
#include <optional>

#include "audit/report.h"
#include "mpi/coordinator.h"
#include "mpi/facts_text.h"
#include "mpi/file_lock.h"
#include "mpi/machine.h"
#include "mpi/prepare.h"
#include "mpi/progress_line.h"
#include "mpi/reduce_rows.h"
#include "mpi/resume.h"
#include "mpi/schema.h"
#include "mpi/spectra_farm.h"
#include "mpi/store.h"
#include "mpi/terminal.h"
#include "mpi/workplace.h"
#include "schedule/job_file.h"

namespace brinkmap::mpi {
namespace {

using schedule::Plan;
using schedule::UnitState;

// Ranks of a killed run live up to 3 s more (measured: Open MPI 4.1.4) and keep the lock that long.
constexpr double kOrphanPatience = 6;
// From the end of preparing to the last rank's Hello; ranks read the suites and map the models in that time.
constexpr double kHelloPatience = 300;

// Prepares the job on another thread, while the other ranks and whoever watches the lock are told that the
// root lives, and the ranks help with spectra.
Prepared prepare_with_ranks(const SweepOptions& options, const Communicator& communicator, int threads,
                            const FileLock& lock) {
  constexpr std::chrono::milliseconds kStep{5};
  SpectraFarm farm;
  SpectraMeans means;
  means.compute = [&farm](const auto& model, auto& pool, const auto& progress) {
    return farm.compute(model, pool, progress);
  };
  means.threads = threads;
  auto future = std::async(std::launch::async, [&] {
    return prepare(options.job_text.empty() ? schedule::read_job(options.job)
                                            : schedule::parse_job(options.job_text, options.job),
                   means);
  });
  double said = now_seconds();
  while (future.wait_for(kStep) != std::future_status::ready) {
    farm.step(communicator);
    if (now_seconds() - said < options.timing.heartbeat) continue;
    for (int r = 1; r < communicator.size(); ++r) communicator.send(r, kHeartbeatTag, {});
    lock.touch();
    said = now_seconds();
  }
  return future.get();
}

std::string unlike(const Hello& hello, const Provenance& machine, const std::string& hash) {
  if (!hello.error.empty()) return hello.error;
  if (hello.version != kProtocolVersion) return "runs another version of the program";
  if (hello.job_hash != hash) return "builds another plan from the job than the root";
  if (hello.blas_core != machine.blas_core)
    return "uses BLAS core " + hello.blas_core + ", the root " + machine.blas_core +
           ": set OPENBLAS_CORETYPE to what all hosts have, and use hosts of one kind";
  return {};
}

// Throws InputError when a rank cannot take part or does not answer.
void await_hellos(const Communicator& communicator, const Provenance& machine, const std::string& hash,
                  const Timing& timing, const FileLock& lock) {
  std::vector<bool> here(static_cast<std::size_t>(communicator.size()), false);
  int missing = communicator.size() - 1;
  const double start = now_seconds();
  double said = 0;
  Pause pause;
  while (missing > 0) {
    const std::optional<Message> message = communicator.try_receive();
    if (message && message->tag == kHelloTag && !here[static_cast<std::size_t>(message->source)]) {
      const Hello hello = unpack<Hello>(message->bytes);
      const std::string why = unlike(hello, machine, hash);
      if (!why.empty()) throw InputError("rank " + std::to_string(message->source), hello.host, why);
      here[static_cast<std::size_t>(message->source)] = true;
      --missing;
    }
    const double now = now_seconds();
    if (now - start > kHelloPatience)
      throw InputError("mpirun", "", std::to_string(missing) + " ranks do not answer");
    if (now - said > timing.heartbeat) {
      for (int r = 1; r < communicator.size(); ++r) communicator.send(r, kHeartbeatTag, {});
      lock.touch();
      said = now;
    }
    pause.step(message.has_value());
  }
}

std::vector<std::uint8_t> chosen_rows(const Plan& plan, const std::string& pattern) {
  std::vector<std::uint8_t> chosen;
  bool any = false;
  for (const schedule::Row& row : plan.rows) {
    chosen.push_back(matches(pattern, row.label) ? 1 : 0);
    any = any || chosen.back() == 1;
  }
  if (any) return chosen;
  std::string labels;
  for (const schedule::Row& row : plan.rows) labels += (labels.empty() ? "" : ", ") + row.label;
  throw InputError("--rows", pattern, "matches no row; the rows are " + labels);
}

// What a resume finds: units that are done and intact stay, everything else is computed.
std::vector<UnitState> state_in_file(Store& store, const Plan& plan, const FileLock& lock) {
  std::vector<UnitState> states;
  std::size_t done = 0, failed = 0;
  for (const schedule::Unit& unit : plan.units) {
    lock.touch();
    const UnitStatus status = store.verified_status(unit.id);
    done += status == UnitStatus::kDone ? 1 : 0;
    failed += status == UnitStatus::kFailed ? 1 : 0;
    states.push_back(status == UnitStatus::kDone ? UnitState::kDone : UnitState::kTodo);
  }
  if (done + failed > 0)
    spdlog::info("resuming: {} of {} units are done{}", done, plan.units.size(),
                 failed > 0 ? fmt::format(", {} failed ones are tried again", failed) : "");
  return states;
}

struct Opened {
  Prepared prepared;
  std::optional<FileLock> lock;
  Provenance machine;
};

// Everything before the first message: may throw, and then no rank has begun.
Opened open_sweep(const SweepOptions& options, const Communicator& communicator, int threads) {
  Opened o;
  o.machine = this_machine(options.command_line);
  const std::filesystem::path folder = std::filesystem::path(options.out).parent_path();
  if (!folder.empty() && !std::filesystem::is_directory(folder))
    throw InputError(options.out, "", "cannot be created: there is no folder " + folder.string());
  o.lock.emplace(FileLock::coordinator(options.out, kOrphanPatience));
  o.prepared = prepare_with_ranks(options, communicator, threads, *o.lock);
  chosen_rows(o.prepared.plan, options.rows);
  std::error_code ignored;
  std::filesystem::remove(options.out + ".tmp", ignored);
  if (!options.fresh && std::filesystem::exists(options.out)) {
    check_resumable(options.out, read_head(options.out), o.prepared.plan, o.machine);
  } else {
    const PlannedBytes planned = planned_bytes(o.prepared.plan);
    std::string parts;
    for (const auto& [owner, bytes] : planned.owners())
      parts +=
          fmt::format("{}{} {:.1f} MB", parts.empty() ? ": " : ", ", owner, static_cast<double>(bytes) / 1e6);
    spdlog::info("{}: {:.1f} MB of results, {:.1f} MB of them states, logits and head weights{}", options.out,
                 static_cast<double>(planned.all) / 1e6, static_cast<double>(planned.bulk) / 1e6, parts);
    create_store(options.out, o.prepared.plan, o.machine);
  }
  return o;
}

void drain(const Communicator& communicator, double seconds) {
  Pause pause;
  const double end = now_seconds() + seconds;
  while (!communicator.drained() && now_seconds() < end) pause.step(false);
}

// Reduces what is done, sets the marker when nothing is left, prints the table. Returns the exit code.
int conclude(const SweepOptions& options, const Plan& plan, Store& store, bool all_done,
             const std::function<void()>& beat) {
  reduce_rows(store, plan, beat);
  // The file decides, not the table of leases: whatever is not intact on disk is left for a resume.
  std::size_t left = 0;
  for (const schedule::Unit& unit : plan.units) {
    beat();
    left += store.verified_status(unit.id) == UnitStatus::kTodo ? 1 : 0;
  }
  if (left == 0) store.mark_complete(true);
  if (!options.quiet)
    fmt::print("{}", audit::to_short_text(audit::make_report(store.results()), colours_wanted()));
  if (left == 0) return 0;
  fmt::print("{} of {} units are left: the same command without --limit and --rows goes on\n", left,
             plan.units.size());
  if (all_done && options.rows == "*") spdlog::error("{} units are not intact on disk", left);
  return 4;
}

// Sends the ranks to work and reduces what they did. `stop` is right at any moment, also when this throws.
void conduct(const SweepOptions& options, const Communicator& communicator, const Opened& o, Workplace& place,
             Stop& stop) {
  const Plan& plan = o.prepared.plan;
  UnitQueue queue(plan, place.tools);
  await_hellos(communicator, o.machine, plan.job_hash, options.timing, *o.lock);
  CoordinatorOptions co;
  co.limit = options.limit;
  co.rows = chosen_rows(plan, options.rows);
  co.timing = options.timing;
  const std::vector<UnitState> states = state_in_file(*place.store, plan, *o.lock);
  Coordinator coordinator(communicator, plan, states, co,
                          [&queue](const std::vector<std::uint32_t>& units) { queue.lease(units); });
  spdlog::info("{} units of {} rows on {} ranks", plan.units.size(), plan.rows.size(), communicator.size());
  if (!coordinator.finished()) place.store->mark_complete(false);
  ProgressLine line;
  double touched = 0;
  run_root(communicator, coordinator, queue, place.tools.write, [&](const Progress& progress) {
    line.show(progress);
    stop.finalize = progress.ranks_lost == 0;
    if (now_seconds() - touched < 1) return;
    o.lock->touch();
    touched = now_seconds();
  });
  line.end();
  stop.finalize = !coordinator.lost_somebody();
  if (const Fault* fault = coordinator.first_fault()) {
    spdlog::error("{}", fault->text);
    stop.exit_code = fault->exit_code;
    return;
  }
  stop.exit_code = conclude(options, plan, *place.store, coordinator.all_done(), [&] {
    coordinator.heartbeat(now_seconds());
    o.lock->touch();
  });
}

// Runs a step and turns what it throws into a message and an exit code; 0 when it throws nothing.
template <class Work>
int guarded(Work work) {
  try {
    work();
    return 0;
  } catch (const InputError& e) {
    spdlog::error("{}", e.what());
    return 2;
  } catch (const std::exception& e) {
    spdlog::error("internal error: {}", e.what());
    return 3;
  }
}

}  // namespace

Stop lead(const SweepOptions& options, const MpiSession& session) {
  const Communicator communicator = session.communicator();
  Opened o;
  Workplace place;
  Setup setup;
  setup.exit_code = guarded([&] {
    const int threads = options.threads > 0 ? options.threads : default_threads(session.ranks_on_this_host());
    o = open_sweep(options, communicator, threads);
    place = open_workplace(options.out, o.prepared.plan, o.prepared.suites, threads, communicator.rank());
    setup.job_path = o.prepared.plan.job.path;
    setup.job_text = o.prepared.plan.job.text;
    setup.facts = facts_to_text(o.prepared.plan.facts);
    setup.job_hash = o.prepared.plan.job_hash;
    setup.store_path = options.out;
    setup.threads = options.threads;
  });
  setup.stop = setup.exit_code != 0;
  for (int r = 1; r < communicator.size(); ++r) communicator.send(r, kSetupTag, pack(setup));
  Stop stop{setup.exit_code, true};
  if (!setup.stop) {
    const int code = guarded([&] { conduct(options, communicator, o, place, stop); });
    if (code != 0) stop.exit_code = code;
    for (int r = 1; r < communicator.size(); ++r) communicator.send(r, kStopTag, pack(stop));
  }
  drain(communicator, 2);
  return stop;
}

void end_session(const Communicator& communicator, std::int32_t exit_code) {
  Setup setup;
  setup.stop = true;
  setup.exit_code = exit_code;
  for (int r = 1; r < communicator.size(); ++r) communicator.send(r, kSetupTag, pack(setup));
  drain(communicator, 2);
}

Stop sweep(const SweepOptions& options, const MpiSession& session) {
  return session.communicator().rank() == 0 ? lead(options, session) : follow(options, session);
}

}  // namespace brinkmap::mpi
