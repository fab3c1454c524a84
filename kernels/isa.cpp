#include "kernels/isa.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

namespace brinkmap::kernels {

namespace {

#if defined(__x86_64__)
// Clang 14 does not take "f16c" in __builtin_cpu_supports. CPUID leaf 1, ECX bit 29 (Intel SDM, volume 2,
// CPUID).
bool has_f16c() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx >> 29 & 1u) != 0;
}
#endif

std::vector<Isa> detect() {
  std::vector<Isa> found{Isa::kScalar};
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  if (avx2) found.push_back(Isa::kAvx2);
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vnni"))
    found.push_back(Isa::kAvx512Vnni);
#endif
  return found;
}

}  // namespace

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return "scalar";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512Vnni:
      return "avx512vnni";
  }
  return "?";
}

std::span<const Isa> supported_isas() {
  static const std::vector<Isa> found = detect();
  return found;
}

Isa choose_isa(const char* forced, std::span<const Isa> supported) {
  if (forced == nullptr || *forced == '\0') return supported.back();
  for (Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512Vnni}) {
    if (isa_name(isa) != forced) continue;
    for (Isa have : supported)
      if (have == isa) return isa;
    throw std::runtime_error("BRINKMAP_ISA=" + std::string(forced) +
                             ": this CPU lacks it; the best it has is " +
                             std::string(isa_name(supported.back())));
  }
  throw std::runtime_error("BRINKMAP_ISA=" + std::string(forced) + ": expected scalar, avx2 or avx512vnni");
}

Isa active_isa() {
  static const Isa chosen = choose_isa(std::getenv("BRINKMAP_ISA"), supported_isas());
  return chosen;
}

}  // namespace brinkmap::kernels
