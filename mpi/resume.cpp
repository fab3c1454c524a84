#include "mpi/resume.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <vector>

#include "mpi/facts_text.h"

namespace brinkmap::mpi {
namespace {

// Without the hash of kernels::blas_core().
std::string core_type(const std::string& core) { return core.substr(0, core.find('-')); }

using Keys = std::map<std::string, std::string>;

// Without the units: they follow from the other keys.
Keys keys_of(const std::string& text) {
  Keys keys;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    const std::size_t equals = line.find('=');
    if (line.substr(0, equals) == "unit") continue;
    keys[line.substr(0, equals)] = equals == std::string::npos ? "" : line.substr(equals + 1);
  }
  return keys;
}

// A list of recipes or a template can be thousands of bytes long.
std::string shortened(const std::string& value) {
  constexpr std::size_t kShown = 60;
  if (value.size() <= kShown) return value;
  std::size_t end = kShown;
  while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0) == 0x80) --end;  // inside a character
  return value.substr(0, end) + "...";
}

// What became of each key that differs, those that both have first.
std::vector<std::string> changes(const Keys& before, const Keys& now) {
  std::vector<std::string> changed, others;
  for (const auto& [key, value] : before) {
    const auto at = now.find(key);
    if (at == now.end())
      others.push_back(key + " was " + shortened(value) + ", is gone");
    else if (at->second != value)
      changed.push_back(key + " was " + shortened(value) + ", is " + shortened(at->second));
  }
  for (const auto& [key, value] : now)
    if (before.find(key) == before.end()) others.push_back(key + " is new: " + shortened(value));
  changed.insert(changed.end(), others.begin(), others.end());
  return changed;
}

bool mostly_differ(const std::string& before, const std::string& now) {
  const Keys a = keys_of(before), b = keys_of(now);
  return 2 * changes(a, b).size() > std::max(a.size(), b.size());
}

}  // namespace

std::string difference(const std::string& before, const std::string& now, int most) {
  std::string text;
  for (const std::string& change : changes(keys_of(before), keys_of(now))) {
    if (most-- == 0) return text + "; ...";
    text += (text.empty() ? "" : "; ") + change;
  }
  return text;
}

void check_resumable(const std::string& path, const FileHead& head, const schedule::Plan& plan,
                     const Provenance& machine) {
  constexpr const char* kWaysOut = "; use --fresh to start over or -o to write another file";
  if (head.job_hash != plan.job_hash) {
    std::string what = std::string("holds results of another job") + kWaysOut;
    try {
      const schedule::Plan before = plan_from(head.job_text, head.job_path, head.facts, path);
      const std::string then = canonical_job(before), now = canonical_job(plan);
      const std::string changed = difference(then, now, 3);
      if (before.job.name != plan.job.name || mostly_differ(then, now))
        what = "holds the results of job '" + before.job.name + "' (" + head.job_path + "), not of job '" +
               plan.job.name + "' (" + plan.job.path + ")" + kWaysOut + ". Among the differences: " + changed;
      else if (!changed.empty())
        what = "holds results of another job (" + changed + ")" + kWaysOut;
    } catch (const Error&) {  // written by a program that read jobs differently: the hash alone says so
    }
    throw InputError(path, "", what);
  }
  // The instruction set may differ: kernels give the same bits on all of them. OpenBLAS does not.
  if (head.provenance.blas_core != machine.blas_core)
    throw InputError(path, attribute::kBlasCore,
                     "was started with BLAS core " + head.provenance.blas_core + ", this run uses " +
                         machine.blas_core +
                         ": set OPENBLAS_CORETYPE=" + core_type(head.provenance.blas_core) +
                         ", or run on a machine of the same kind" + kWaysOut);
}

}  // namespace brinkmap::mpi
