#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace brinkmap::kernels {

// A fixed set of compute threads. The caller of parallel_for works too, so a pool of 1 starts no thread. Not
// re-entrant: one parallel_for at a time, from one thread. The task must not throw.
class ThreadPool {
 public:
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const noexcept { return static_cast<int>(workers_.size()) + 1; }

  // Calls task(index, thread) for every index in [0, n), each once, in any order, on any thread (0 <= thread
  // < threads()). Returns when all are done. Results must not depend on the assignment.
  void parallel_for(std::int64_t n, const std::function<void(std::int64_t index, int thread)>& task);

 private:
  void work(int thread);
  void drain(int thread);

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable start_;
  std::condition_variable done_;
  const std::function<void(std::int64_t, int)>* task_ = nullptr;
  std::int64_t size_ = 0;
  std::int64_t next_ = 0;  // accessed with std::atomic_ref
  std::uint64_t round_ = 0;
  int busy_ = 0;
  bool stop_ = false;
};

}  // namespace brinkmap::kernels
