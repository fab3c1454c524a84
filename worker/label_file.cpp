#include "worker/label_file.h"

#include <algorithm>

#include "worker/hash.h"
#include "worker/read_file.h"
#include "worker/suite.h"
#include "worker/suite_line.h"

namespace brinkmap::worker {
namespace {

constexpr std::size_t kHashDigits = 64;

schedule::OutsideLabel parse_label(const std::string& file, std::size_t number, std::string_view text) {
  const SuiteLine line(file, number, text);
  schedule::OutsideLabel out;
  out.line = number;
  out.suite = line.text_or_empty("suite");
  out.row = line.text("row");
  out.id = line.text("id");
  if (!line.has("label")) line.fail("field \"label\" is missing");
  out.label = line.text_or_empty("label");
  out.text_hash = line.text_or_empty("text_hash");
  const bool hex = std::all_of(out.text_hash.begin(), out.text_hash.end(),
                               [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (!out.text_hash.empty() && (!hex || out.text_hash.size() != kHashDigits))
    line.fail("field \"text_hash\": expected 64 lower-case hex digits");
  out.weight = line.positive_or("weight", 1);
  return out;
}

}  // namespace

std::vector<schedule::OutsideLabel> parse_labels(const std::string& file, std::string_view text) {
  std::vector<schedule::OutsideLabel> out;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.find_first_not_of(" \t\r") != std::string_view::npos)
      out.push_back(parse_label(file, number, line));
  }
  if (out.empty()) throw InputError(file, "", "expected at least one label, found none");
  return out;
}

std::vector<schedule::OutsideLabel> read_labels(const std::string& path) {
  return parse_labels(path, read_file(path, kMaxSuiteFile));
}

std::vector<schedule::OutsideLabel> read_labels(const std::string& path, const std::string& sha256) {
  const std::string text = read_file(path, kMaxSuiteFile);
  if (sha256_hex(text) != sha256)
    throw InputError(path, "", "changed since the job was prepared; run the job again with --fresh");
  return parse_labels(path, text);
}

}  // namespace brinkmap::worker
