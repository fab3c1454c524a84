#pragma once

#include <span>
#include <string_view>

// Which instruction set the kernels run with. Chosen once from the CPU; BRINKMAP_ISA=scalar|avx2|avx512vnni
// forces one.
namespace brinkmap::kernels {

enum class Isa { kScalar, kAvx2, kAvx512Vnni };

std::string_view isa_name(Isa isa);

// Every version this CPU can run, slowest first; never empty. Tests run over all of them.
std::span<const Isa> supported_isas();

// What BRINKMAP_ISA (its value, or null when unset) selects among `supported` (not empty, slowest first). An
// unset or empty value selects the last. Throws std::runtime_error on an unknown name or one not in
// `supported`.
Isa choose_isa(const char* forced, std::span<const Isa> supported);

// The version in use: the best supported one, or the one BRINKMAP_ISA names. Throws std::runtime_error when
// the variable names an unknown version or one that the CPU lacks. Read once, on the first call.
Isa active_isa();

}  // namespace brinkmap::kernels
