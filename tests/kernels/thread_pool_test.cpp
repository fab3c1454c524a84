#include "kernels/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <vector>

namespace brinkmap::kernels {
namespace {

TEST(ThreadPool, CallsEveryIndexOnce) {
  for (int threads : {1, 2, 7}) {
    ThreadPool pool(threads);
    for (std::int64_t n : {0, 1, 2, 6, 7, 8, 1000}) {
      std::vector<std::atomic<int>> calls(static_cast<std::size_t>(n));
      pool.parallel_for(n, [&](std::int64_t i, int) { ++calls[static_cast<std::size_t>(i)]; });
      for (std::int64_t i = 0; i < n; ++i)
        ASSERT_EQ(calls[static_cast<std::size_t>(i)], 1)
            << "index " << i << " of " << n << ", threads " << threads;
    }
  }
}

TEST(ThreadPool, LosesNothingOverManyShortRounds) {
  for (int threads : {1, 7}) {
    ThreadPool pool(threads);
    std::vector<std::int64_t> sums(
        static_cast<std::size_t>(pool.threads()));  // one a thread: no atomics needed
    for (int round = 0; round < 1000; ++round)
      pool.parallel_for(
          13, [&](std::int64_t i, int thread) { sums[static_cast<std::size_t>(thread)] += i + round; });
    // 1000 rounds of 0 + ... + 12, plus each round's number 13 times.
    EXPECT_EQ(std::accumulate(sums.begin(), sums.end(), std::int64_t{0}), 1000 * 78 + 13 * (999 * 1000 / 2));
  }
}

TEST(ThreadPool, NumbersItsThreadsFromZero) {
  for (int threads : {1, 7}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    std::atomic<int> outside{0};
    pool.parallel_for(500, [&](std::int64_t, int thread) {
      if (thread < 0 || thread >= threads) ++outside;
    });
    EXPECT_EQ(outside, 0);
  }
}

TEST(ThreadPool, OfLessThanOneThreadIsTheCallerAlone) {
  for (int threads : {0, -3}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), 1);
    int calls = 0;
    pool.parallel_for(5, [&](std::int64_t, int) { ++calls; });
    EXPECT_EQ(calls, 5);
  }
}

TEST(ThreadPool, WritesOfATaskAreSeenWhenTheRoundReturns) {
  ThreadPool pool(7);
  std::vector<std::int64_t> values(64);
  for (std::int64_t round = 1; round <= 200; ++round) {
    pool.parallel_for(64, [&](std::int64_t i, int) { values[static_cast<std::size_t>(i)] += i; });
    for (std::int64_t i = 0; i < 64; ++i) ASSERT_EQ(values[static_cast<std::size_t>(i)], i * round);
  }
}

}  // namespace
}  // namespace brinkmap::kernels
