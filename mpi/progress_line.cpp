#include "mpi/progress_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>

namespace brinkmap::mpi {
namespace {

constexpr double kLiveInterval = 0.2;
constexpr double kPlainInterval = 5;

std::string duration(double seconds) {
  const auto s = static_cast<long long>(std::ceil(seconds));
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

}  // namespace

std::string describe(const Progress& p) {
  const std::size_t ended = p.work.done + p.work.failed;
  std::string text =
      fmt::format("{}/{} units, {}/{} rows", ended, p.work.units, p.work.rows_done, p.work.rows);
  if (p.work.failed > 0) text += fmt::format(", {} failed", p.work.failed);
  if (p.ranks_lost > 0) text += fmt::format(", {} of {} ranks lost", p.ranks_lost, p.ranks);
  if (p.tokens > 0 && p.seconds > 0)
    text += fmt::format(", {:.0f} tokens/s", static_cast<double>(p.tokens) / p.seconds);
  if (ended == p.work.units) {
    text += ", " + duration(p.seconds) + " taken";
  } else if (p.eta) {
    text += ", " + duration(*p.eta) + " left";
  }
  return text;
}

ProgressLine::ProgressLine() : terminal_(isatty(STDERR_FILENO) == 1), shown_(terminal_ ? 0 : now_seconds()) {}

void ProgressLine::show(const Progress& progress) {
  last_ = describe(progress);
  const double now = now_seconds();
  if (now - shown_ < (terminal_ ? kLiveInterval : kPlainInterval)) return;
  shown_ = now;
  print(terminal_ ? "" : "\n");
}

void ProgressLine::print(const char* end) {
  fmt::print(stderr, "{}{}{}", terminal_ ? "\r\033[K" : "", last_, end);
  std::fflush(stderr);
}

void ProgressLine::end() {
  if (!last_.empty()) print("\n");
  last_.clear();
}

}  // namespace brinkmap::mpi
