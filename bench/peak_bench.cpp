#include <cstdlib>
#include <cstring>
#include <numeric>

#include "bench/peak.h"

// Question: what can this machine do at most? 8-bit and f32 multiply-adds, and bytes read from memory, with 1
// to all threads. Every other benchmark is read against these.
//
// Run: peak_bench [threads]

namespace brinkmap::bench {
namespace {

double read_rate(kernels::ThreadPool& pool) {
  const std::size_t words = std::size_t{64} << 20;  // 512 MB: beyond any cache
  const std::vector<std::uint64_t> memory(words, 1);
  std::vector<std::uint64_t> sums(static_cast<std::size_t>(pool.threads()));
  const std::int64_t parts = 64;
  const auto read = [&](std::int64_t part, int thread) {
    const std::size_t begin = words / parts * static_cast<std::size_t>(part);
    std::uint64_t a = 0, b = 0, c = 0, d = 0, *sum = &sums[static_cast<std::size_t>(thread)];
    for (std::size_t i = begin; i < begin + words / parts; i += 4) {
      a += memory[i];
      b += memory[i + 1];
      c += memory[i + 2];
      d += memory[i + 3];
    }
    *sum += a + b + c + d;
  };
  const Timing t = measure([&] { pool.parallel_for(parts, read); }, 0.5, false, pool.threads());
  if (std::accumulate(sums.begin(), sums.end(), std::uint64_t{0}) == 0) std::abort();  // keeps the reads
  return static_cast<double>(words) * 8 / t.best;
}

}  // namespace
}  // namespace brinkmap::bench

int main(int argc, char** argv) {
  using namespace brinkmap;
  const int most = argc > 1 ? std::atoi(argv[1]) : static_cast<int>(std::thread::hardware_concurrency());
  std::printf("%-8s %-11s %14s %14s\n", "threads", "version", "int8 GOP/s", "f32 GFLOP/s");
  for (int threads = 1; threads <= most; threads *= 2) {
    kernels::ThreadPool pool(threads);
    for (kernels::Isa isa : kernels::supported_isas()) {
      if (isa == kernels::Isa::kScalar) continue;
      const bench::Peak peak = bench::measure_peak(isa, pool, false, 0.3);
      std::printf("%-8d %-11s %14.0f %14.0f\n", threads, std::string(kernels::isa_name(isa)).c_str(),
                  peak.int8 / 1e9, peak.f32 / 1e9);
    }
    std::printf("%-8d %-11s %14.1f GB/s\n", threads, "read", bench::read_rate(pool) / 1e9);
  }
}
