#include <optional>

#include "mpi/facts_text.h"
#include "mpi/file_lock.h"
#include "mpi/machine.h"
#include "mpi/prepare.h"
#include "mpi/spectra_farm.h"
#include "mpi/sweep.h"
#include "mpi/workplace.h"

namespace brinkmap::mpi {
namespace {

Hello hello_of(const Provenance& machine, const std::string& hash, int threads) {
  Hello h;
  h.host = host_name();
  h.isa = machine.isa;
  h.blas_core = machine.blas_core;
  h.job_hash = hash;
  h.threads = threads;
  return h;
}

// Waits for the root's first word; the root sends signs of life while it prepares, and may want help.
std::optional<Setup> await_setup(const Communicator& communicator, const Timing& timing, int threads) {
  Pause pause;
  std::optional<SpectraHelper> helper;
  double heard = now_seconds();
  for (;;) {
    const std::optional<Message> message = communicator.try_receive();
    if (message && message->tag == kSetupTag) return unpack<Setup>(message->bytes);
    if (message && message->tag == kSpectraTag) {
      if (!helper) {
        this_machine("");  // pins BLAS
        helper.emplace(threads);
      }
      communicator.send(0, kSpectraDoneTag, pack(helper->compute(unpack<SpectraTask>(message->bytes))));
    }
    if (message) heard = now_seconds();
    if (now_seconds() - heard > 3 * timing.dead_after) return std::nullopt;
    pause.step(message.has_value());
  }
}

}  // namespace

Stop follow(const SweepOptions& options, const MpiSession& session) {
  const Communicator communicator = session.communicator();
  const int helping = options.threads > 0 ? options.threads : default_threads(session.ranks_on_this_host());
  const std::optional<Setup> setup = await_setup(communicator, options.timing, helping);
  if (!setup) return {4, false, true};
  if (setup->stop) return {setup->exit_code, true, true};
  schedule::Plan plan;
  std::optional<FileLock> lock;
  Workplace place;
  Hello hello;
  try {
    if (setup->version != kProtocolVersion)
      throw Error("this rank runs another version of the program than the root");
    const Provenance machine = this_machine(options.command_line);
    plan = plan_from(setup->job_text, setup->job_path, setup->facts, setup->job_path);
    const int threads = setup->threads > 0 ? setup->threads : default_threads(session.ranks_on_this_host());
    lock.emplace(FileLock::rank(setup->store_path));
    place = open_workplace(setup->store_path, plan, read_suites(plan), threads, communicator.rank());
    hello = hello_of(machine, plan.job_hash, threads);
  } catch (const std::exception& e) {
    hello.error = e.what();
    place.tools.compute = [](const schedule::Unit&, const ComputeThread::Inputs&) {
      return schedule::UnitResult();
    };
  }
  communicator.send(0, kHelloTag, pack(hello));
  return run_rank(communicator, plan, place.tools, options.timing);
}

}  // namespace brinkmap::mpi
