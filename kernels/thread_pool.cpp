#include "kernels/thread_pool.h"

#include <algorithm>
#include <atomic>

namespace brinkmap::kernels {

ThreadPool::ThreadPool(int threads) {
  for (int t = 1; t < std::max(1, threads); ++t) workers_.emplace_back([this, t] { work(t); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  start_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::parallel_for(std::int64_t n, const std::function<void(std::int64_t, int)>& task) {
  if (workers_.empty() || n <= 1) {
    for (std::int64_t i = 0; i < n; ++i) task(i, 0);
    return;
  }
  {
    std::lock_guard lock(mutex_);
    task_ = &task;
    size_ = n;
    next_ = 0;
    busy_ = static_cast<int>(workers_.size());
    ++round_;
  }
  start_.notify_all();
  drain(0);
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return busy_ == 0; });
  task_ = nullptr;
}

void ThreadPool::drain(int thread) {
  std::atomic_ref next(next_);
  for (std::int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < size_;) (*task_)(i, thread);
}

void ThreadPool::work(int thread) {
  std::uint64_t seen = 0;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      start_.wait(lock, [&] { return stop_ || round_ != seen; });
      if (stop_) return;
      seen = round_;
    }
    drain(thread);
    std::lock_guard lock(mutex_);
    if (--busy_ == 0) done_.notify_one();
  }
}

}  // namespace brinkmap::kernels
