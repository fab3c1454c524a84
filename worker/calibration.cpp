#include "worker/calibration.h"

#include <fmt/core.h>

#include <algorithm>

#include "schedule/error.h"
#include "worker/prompt.h"
#include "worker/read_file.h"

namespace brinkmap::worker {

namespace {

constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 28;

}  // namespace

Calibration make_calibration(const schedule::CalibrationSpec& spec, std::string_view text,
                             const Tokenizer& tokenizer) {
  Calibration out;
  out.length = spec.length;
  const auto wanted = static_cast<std::size_t>(spec.sequences);
  const auto length = static_cast<std::size_t>(spec.length);
  std::vector<std::int32_t> tokens;  // of the piece under way, and what follows it
  while (!text.empty() && out.sequences.size() < wanted) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const auto ids = text_tokens(tokenizer, std::string(line));
    tokens.insert(tokens.end(), ids.begin(), ids.end());
    std::size_t at = 0;
    for (; tokens.size() - at >= length && out.sequences.size() < wanted; at += length)
      out.sequences.emplace_back(tokens.begin() + static_cast<std::ptrdiff_t>(at),
                                 tokens.begin() + static_cast<std::ptrdiff_t>(at + length));
    tokens.erase(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(at));
  }
  if (out.sequences.size() < wanted)
    throw InputError(spec.file, "",
                     fmt::format("expected text for {} sequences of {} tokens, found {} whole ones", wanted,
                                 length, out.sequences.size()));
  return out;
}

Calibration read_calibration(const schedule::CalibrationSpec& spec, const Tokenizer& tokenizer) {
  return make_calibration(spec, read_file(spec.file, kMostBytes), tokenizer);
}

}  // namespace brinkmap::worker
