#pragma once

#include <ctime>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "kernels/isa.h"
#include "kernels/thread_pool.h"

// What this machine can do at most, measured: the ceiling that benchmarks compare with. Two operations a
// multiply-add.
namespace brinkmap::bench {

// Seconds on the wall, or of processor time of all threads: the second is steadier on a busy machine.
inline double seconds(bool cpu_time) {
  timespec now{};
  clock_gettime(cpu_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Independent chains of one instruction, enough to hide its latency. Written in assembly so that no compiler
// can shorten them and no flag is needed; call only with an instruction set that the CPU has.
#if defined(__x86_64__)
#define BRINKMAP_CHAIN4(op, reg, a, b, c, d)                                                           \
  op " %%" reg "15,%%" reg "14,%%" reg a "\n" op " %%" reg "15,%%" reg "14,%%" reg b "\n" op " %%" reg \
     "15,%%" reg "14,%%" reg c "\n" op " %%" reg "15,%%" reg "14,%%" reg d "\n"
#define BRINKMAP_CHAINS(op, reg)               \
  BRINKMAP_CHAIN4(op, reg, "0", "1", "2", "3") \
  BRINKMAP_CHAIN4(op, reg, "4", "5", "6", "7") BRINKMAP_CHAIN4(op, reg, "8", "9", "10", "11")
#define BRINKMAP_CLOBBERS                                                                                    \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", \
      "xmm13", "xmm14", "xmm15"

inline constexpr int kChains = 12;

inline void vnni_chains(std::int64_t rounds) {
  asm volatile("vpxord %%zmm14,%%zmm14,%%zmm14\nvpxord %%zmm15,%%zmm15,%%zmm15\n" ::: BRINKMAP_CLOBBERS);
  for (std::int64_t i = 0; i < rounds; ++i)
    asm volatile(BRINKMAP_CHAINS("vpdpbusd", "zmm")::: BRINKMAP_CLOBBERS);
}
inline void fma512_chains(std::int64_t rounds) {
  asm volatile("vpxord %%zmm14,%%zmm14,%%zmm14\nvpxord %%zmm15,%%zmm15,%%zmm15\n" ::: BRINKMAP_CLOBBERS);
  for (std::int64_t i = 0; i < rounds; ++i)
    asm volatile(BRINKMAP_CHAINS("vfmadd231ps", "zmm")::: BRINKMAP_CLOBBERS);
}
inline void fma256_chains(std::int64_t rounds) {
  asm volatile("vxorps %%ymm14,%%ymm14,%%ymm14\nvxorps %%ymm15,%%ymm15,%%ymm15\n" ::: BRINKMAP_CLOBBERS);
  for (std::int64_t i = 0; i < rounds; ++i)
    asm volatile(BRINKMAP_CHAINS("vfmadd231ps", "ymm")::: BRINKMAP_CLOBBERS);
}
// vpmaddubsw alone: the widening to 32 bits that follows it is overhead that the format decides.
inline void maddubs_chains(std::int64_t rounds) {
  asm volatile("vxorps %%ymm14,%%ymm14,%%ymm14\nvxorps %%ymm15,%%ymm15,%%ymm15\n" ::: BRINKMAP_CLOBBERS);
  for (std::int64_t i = 0; i < rounds; ++i)
    asm volatile(BRINKMAP_CHAINS("vpmaddubsw", "ymm")::: BRINKMAP_CLOBBERS);
}
#undef BRINKMAP_CHAIN4
#undef BRINKMAP_CHAINS
#undef BRINKMAP_CLOBBERS
#endif

enum class Unit { kInt8, kF32 };

// Operations a second of all threads over one burst of about a millisecond; 0 for the scalar version, which
// has no stated peak. Clocks change and neighbours come and go: take a burst beside what is compared with it.
inline double peak_burst(kernels::Isa isa, Unit unit, kernels::ThreadPool& pool, bool cpu_time) {
#if defined(__x86_64__)
  if (isa == kernels::Isa::kScalar) return 0;
  const bool wide = isa == kernels::Isa::kAvx512Vnni;
  void (*chains)(std::int64_t) =
      unit == Unit::kInt8 ? (wide ? vnni_chains : maddubs_chains) : (wide ? fma512_chains : fma256_chains);
  const double ops = (unit == Unit::kInt8 ? 64.0 : 16.0) * (wide ? 2 : 1);
  const std::int64_t rounds = 200000;
  const double start = seconds(cpu_time);
  pool.parallel_for(pool.threads(), [&](std::int64_t, int) { chains(rounds); });
  const double time = (seconds(cpu_time) - start) / (cpu_time ? pool.threads() : 1);
  return ops * kChains * static_cast<double>(rounds) * pool.threads() / time;
#else
  (void)isa, (void)unit, (void)pool, (void)cpu_time;
  return 0;
#endif
}

}  // namespace brinkmap::bench
