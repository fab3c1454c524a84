#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kernels/thread_pool.h"
#include "mpi/communicator.h"
#include "mpi/messages.h"
#include "worker/spectrum.h"

// Spectra that hybrid recipes ask for before there is a plan, shared over the ranks of a run: a matrix has
// the same bits wherever it is computed with the same BLAS core.
namespace brinkmap::mpi {

// The root's side. compute() blocks the thread that prepares the job, while the main thread calls step().
class SpectraFarm {
 public:
  SpectraFarm();
  ~SpectraFarm();

  // As worker::compute_spectra. The pool's threads take the largest matrices first, beside the other ranks;
  // what a rank does not send back in time is computed here, so that a lost one costs only time.
  std::vector<worker::MatrixSpectrum> compute(const worker::Checkpoint& model, kernels::ThreadPool& pool,
                                              const std::function<void(std::size_t done)>& progress);

  // Hands matrices to ranks that have none and takes what they send. Other messages are dropped.
  void step(const Communicator& communicator);

 private:
  struct Work;
  struct Rank {
    bool usable = true;
    bool busy = false;
    std::size_t threads = 1;
  };

  void work_here();
  void receive(const SpectraDone& done, Rank& rank, int source);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::unique_ptr<Work> work_;
  std::vector<Rank> ranks_;
};

// Another rank's side: computes what the root asks for.
class SpectraHelper {
 public:
  explicit SpectraHelper(int threads);
  // Never throws: a problem becomes the answer's error.
  SpectraDone compute(const SpectraTask& task);

 private:
  kernels::ThreadPool pool_;
  std::string path_;
  std::shared_ptr<const worker::Checkpoint> model_;  // the last one
};

}  // namespace brinkmap::mpi
