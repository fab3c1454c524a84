#include "mpi/spectra_farm.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <numeric>
#include <optional>

#include "kernels/blas.h"
#include "schedule/error.h"
#include "worker/matrices.h"

namespace brinkmap::mpi {
namespace {

constexpr int kNobody = -1, kRoot = 0;  // owners of a matrix; others are ranks
constexpr double kLeastPatience = 1;    // seconds before the root takes over what a rank has

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

struct SpectraFarm::Work {
  std::string path;
  std::vector<const worker::GgufTensor*> matrices;
  std::vector<std::size_t> order;  // the largest first
  std::size_t next = 0;            // in order
  std::vector<int> owner;
  std::vector<char> done;
  std::size_t left = 0;
  double longest = 0;  // seconds the root took for a matrix
  std::vector<worker::MatrixSpectrum> spectra;
  std::function<void(std::size_t)> progress;
  std::exception_ptr problem;

  std::optional<std::size_t> take(int who) {
    while (next < order.size() && owner[order[next]] != kNobody) ++next;
    if (next == order.size()) return std::nullopt;
    owner[order[next]] = who;
    return order[next++];
  }

  std::optional<std::size_t> take_over() {
    for (const std::size_t i : order)
      if (done[i] == 0 && owner[i] != kRoot) {
        owner[i] = kRoot;
        return i;
      }
    return std::nullopt;
  }

  void put(std::size_t i, worker::MatrixSpectrum spectrum) {
    if (done[i] != 0) return;
    spectra[i] = std::move(spectrum);
    done[i] = 1;
    --left;
    if (progress) progress(done.size() - left);
  }
};

SpectraFarm::SpectraFarm() = default;
SpectraFarm::~SpectraFarm() = default;

void SpectraFarm::work_here() {
  std::unique_lock lock(mutex_);
  while (work_->left > 0 && !work_->problem) {
    std::optional<std::size_t> i = work_->take(kRoot);
    if (!i) {
      const double patience = kLeastPatience + 2 * work_->longest;
      const bool more = changed_.wait_for(lock, std::chrono::duration<double>(patience), [this] {
        return work_->left == 0 || work_->problem || work_->next < work_->order.size();
      });
      if (more) continue;
      i = work_->take_over();
      if (!i) return;  // the rest is in the hands of the root's other threads
    }
    const worker::GgufTensor* matrix = work_->matrices[*i];
    lock.unlock();
    const auto start = std::chrono::steady_clock::now();
    worker::MatrixSpectrum spectrum;
    std::exception_ptr problem;
    try {
      spectrum = worker::matrix_spectrum(*matrix);
    } catch (...) {
      problem = std::current_exception();
    }
    lock.lock();
    work_->longest = std::max(work_->longest, seconds_since(start));
    if (problem)
      work_->problem = problem;
    else
      work_->put(*i, std::move(spectrum));
    changed_.notify_all();
  }
}

std::vector<worker::MatrixSpectrum> SpectraFarm::compute(const worker::Checkpoint& model,
                                                         kernels::ThreadPool& pool,
                                                         const std::function<void(std::size_t)>& progress) {
  auto work = std::make_unique<Work>();
  work->path = model.path();
  work->matrices = worker::block_matrices(model);
  const std::size_t n = work->matrices.size();
  work->order.resize(n);
  std::iota(work->order.begin(), work->order.end(), std::size_t{0});
  std::stable_sort(work->order.begin(), work->order.end(), [&](std::size_t a, std::size_t b) {
    return work->matrices[a]->elements() > work->matrices[b]->elements();
  });
  work->owner.assign(n, kNobody);
  work->done.assign(n, 0);
  work->left = n;
  work->spectra.resize(n);
  work->progress = progress;
  {
    const std::lock_guard lock(mutex_);
    work_ = std::move(work);
  }
  pool.parallel_for(pool.threads(), [this](std::int64_t, int) { work_here(); });
  const std::lock_guard lock(mutex_);
  const std::unique_ptr<Work> finished = std::move(work_);
  if (finished->problem) std::rethrow_exception(finished->problem);
  return std::move(finished->spectra);
}

void SpectraFarm::receive(const SpectraDone& done, Rank& rank, int source) {
  rank.busy = false;
  rank.threads = std::max<std::size_t>(1, done.threads);
  if (!done.error.empty() || done.blas_core != kernels::blas_core()) {
    rank.usable = false;
    spdlog::warn("rank {} does not help with spectra: {}", source,
                 done.error.empty() ? "its BLAS core is " + done.blas_core : done.error);
  }
  if (!work_ || done.path != work_->path) return;
  const auto fields = worker::spectrum_fields();
  for (std::size_t m = 0; m < done.matrices.size(); ++m) {
    const std::size_t i = done.matrices[m];
    if (i >= work_->owner.size()) continue;
    if (!rank.usable || m >= done.figures.size() || done.figures[m].size() != fields.size()) {
      if (work_->owner[i] == source) work_->owner[i] = kNobody;
      work_->next = 0;
      continue;
    }
    worker::MatrixSpectrum spectrum;
    const worker::GgufTensor& tensor = *work_->matrices[i];
    spectrum.name = tensor.name;
    spectrum.cols = tensor.shape[0];
    spectrum.rows = tensor.elements() / tensor.shape[0];
    for (std::size_t f = 0; f < fields.size(); ++f) spectrum.*fields[f].value = done.figures[m][f];
    work_->put(i, std::move(spectrum));
  }
  changed_.notify_all();
}

void SpectraFarm::step(const Communicator& communicator) {
  const std::lock_guard lock(mutex_);
  ranks_.resize(static_cast<std::size_t>(communicator.size()));
  while (const std::optional<Message> message = communicator.try_receive())
    if (message->tag == kSpectraDoneTag)
      receive(unpack<SpectraDone>(message->bytes), ranks_.at(static_cast<std::size_t>(message->source)),
              message->source);
  if (!work_) return;
  for (int r = 1; r < communicator.size(); ++r) {
    Rank& rank = ranks_[static_cast<std::size_t>(r)];
    if (!rank.usable || rank.busy) continue;
    SpectraTask task;
    task.path = work_->path;
    // Fewer towards the end, so that no rank is left alone with many.
    const std::size_t fair = work_->left / (2 * ranks_.size());
    while (task.matrices.size() < std::clamp<std::size_t>(fair, 1, rank.threads)) {
      const std::optional<std::size_t> i = work_->take(r);
      if (!i) break;
      task.matrices.push_back(static_cast<std::uint32_t>(*i));
    }
    if (task.matrices.empty()) return;
    communicator.send(r, kSpectraTag, pack(task));
    rank.busy = true;
  }
}

SpectraHelper::SpectraHelper(int threads) : pool_(threads) {}

SpectraDone SpectraHelper::compute(const SpectraTask& task) {
  SpectraDone out;
  out.path = task.path;
  out.matrices = task.matrices;
  out.blas_core = kernels::blas_core();
  out.threads = static_cast<std::uint32_t>(pool_.threads());
  try {
    if (!model_ || path_ != task.path) {
      model_ = worker::Checkpoint::open(task.path);
      path_ = task.path;
    }
    const std::vector<const worker::GgufTensor*> matrices = worker::block_matrices(*model_);
    for (const std::uint32_t i : task.matrices)
      if (i >= matrices.size()) throw Error("the model has another number of matrices here");
    out.figures.resize(task.matrices.size());
    std::vector<std::string> problems(task.matrices.size());
    pool_.parallel_for(static_cast<std::int64_t>(task.matrices.size()), [&](std::int64_t t, int) {
      const auto m = static_cast<std::size_t>(t);
      try {
        const worker::MatrixSpectrum spectrum = worker::matrix_spectrum(*matrices[task.matrices[m]]);
        for (const worker::SpectrumField& field : worker::spectrum_fields())
          out.figures[m].push_back(spectrum.*field.value);
      } catch (const std::exception& e) {
        problems[m] = e.what();
      }
    });
    for (const std::string& problem : problems)
      if (!problem.empty()) throw Error(problem);
  } catch (const std::exception& e) {
    out.error = e.what();
    out.figures.clear();
  }
  return out;
}

}  // namespace brinkmap::mpi
