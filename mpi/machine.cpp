#include "mpi/machine.h"

#include <fnmatch.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <fstream>

#include "kernels/blas.h"
#include "kernels/isa.h"

namespace brinkmap::mpi {
namespace {

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) {
      const std::size_t colon = line.find(": ");
      if (colon != std::string::npos) return line.substr(colon + 2);
    }
  return "unknown CPU";
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

}  // namespace

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown host";
}

std::string program_version() { return BRINKMAP_VERSION; }

Provenance this_machine(const std::string& command_line) {
  Provenance p;
  p.program_version = program_version();
  p.command_line = command_line;
  p.machine =
      host_name() + ": " + cpu_name() + ", " + std::to_string(sysconf(_SC_NPROCESSORS_ONLN)) + " cores";
  try {
    p.isa = kernels::isa_name(kernels::active_isa());
  } catch (const std::exception& e) {
    throw InputError("BRINKMAP_ISA", "", e.what());
  }
  kernels::pin_blas();
  p.blas_core = kernels::blas_core();
  p.created = utc_now();
  return p;
}

int default_threads(int ranks_on_this_host) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  const int online = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  const int mine = sched_getaffinity(0, sizeof(allowed), &allowed) == 0 ? CPU_COUNT(&allowed) : online;
  // A launcher that bound this rank has already shared the cores out.
  if (mine < online) return std::max(1, mine);
  return std::max(1, online / std::max(1, ranks_on_this_host));
}

bool matches(const std::string& pattern, const std::string& text) {
  return fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
}

}  // namespace brinkmap::mpi
