#include <cstdlib>
#include <numeric>
#include <string>

#include "bench/peak.h"

// Question: what can this machine do at most? 8-bit and f32 multiply-adds, and bytes read from memory, with 1
// to all threads. Every other benchmark is read against these.
//
// Run: peak_bench [threads]
//
// Printed: median and best of 200 bursts of a millisecond (10 passes over 512 MB for reading).
//
// Last answer (November 2026, two vCPUs of a Sapphire Rapids, machine shared with builds), best with 1
// thread: AVX-512 VNNI 652 int8 GOP/s and 160 f32 GFLOP/s, AVX2 345 and 89, reading 5.2 GB/s; 2 threads
// reached 982 and 256 in a quieter moment.

namespace brinkmap::bench {
namespace {

std::vector<double> read_rates(kernels::ThreadPool& pool) {
  const std::size_t words = std::size_t{64} << 20;  // 512 MB: beyond any cache
  const std::vector<std::uint64_t> memory(words, 1);
  std::vector<std::uint64_t> sums(static_cast<std::size_t>(pool.threads()));
  const std::int64_t parts = 64;
  const auto read = [&](std::int64_t part, int thread) {
    const std::size_t begin = words / parts * static_cast<std::size_t>(part);
    std::uint64_t a = 0, b = 0, c = 0, d = 0;
    for (std::size_t i = begin; i < begin + words / parts; i += 4) {
      a += memory[i];
      b += memory[i + 1];
      c += memory[i + 2];
      d += memory[i + 3];
    }
    sums[static_cast<std::size_t>(thread)] += a + b + c + d;
  };
  std::vector<double> rates;
  for (int i = 0; i < 10; ++i) {
    const double start = seconds(false);
    pool.parallel_for(parts, read);
    rates.push_back(static_cast<double>(words) * 8 / (seconds(false) - start));
  }
  if (std::accumulate(sums.begin(), sums.end(), std::uint64_t{0}) == 0) std::abort();  // keeps the reads
  return rates;
}

void print(int threads, const char* version, const char* what, const std::vector<double>& rates) {
  std::printf("%-8d %-11s %-12s %9.1f %9.1f\n", threads, version, what, median(rates) / 1e9,
              *std::max_element(rates.begin(), rates.end()) / 1e9);
}

void run(int most) {
  std::printf("%-8s %-11s %-12s %9s %9s\n", "threads", "version", "", "median", "best");
  for (int threads = 1; threads <= most; threads *= 2) {
    kernels::ThreadPool pool(threads);
    for (kernels::Isa isa : kernels::supported_isas()) {
      if (isa == kernels::Isa::kScalar) continue;
      for (Unit unit : {Unit::kInt8, Unit::kF32}) {
        std::vector<double> rates;
        for (int i = 0; i < 200; ++i) rates.push_back(peak_burst(isa, unit, pool, false));
        print(threads, std::string(kernels::isa_name(isa)).c_str(),
              unit == Unit::kInt8 ? "int8 GOP/s" : "f32 GFLOP/s", rates);
      }
    }
    print(threads, "", "read GB/s", read_rates(pool));
  }
}

}  // namespace
}  // namespace brinkmap::bench

int main(int argc, char** argv) {
  brinkmap::bench::run(argc > 1 ? std::atoi(argv[1]) : static_cast<int>(std::thread::hardware_concurrency()));
}
