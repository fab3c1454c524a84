#include "worker/scored_lines.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>
#include <optional>

namespace brinkmap::worker {

namespace {

// Bytes [begin, end).
struct Range {
  std::size_t begin = 0, end = 0;
};

bool is_space(char c) { return c == ' ' || c == '\t'; }

// Past the string that begins at `at`. The text is known to be valid JSON.
std::size_t past_string(std::string_view text, std::size_t at) {
  for (++at; text[at] != '"'; ++at)
    if (text[at] == '\\') ++at;
  return at + 1;
}

// From the key's quote to the end of the number, of a member of the outermost object.
std::optional<Range> member(std::string_view object, std::string_view quoted_key) {
  int depth = 0;
  for (std::size_t at = 0; at < object.size();) {
    const char c = object[at];
    if (c != '"') {
      depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
      ++at;
      continue;
    }
    const std::size_t end = past_string(object, at);
    std::size_t next = end;
    while (is_space(object[next])) ++next;
    if (depth == 1 && object[next] == ':' && object.substr(at, end - at) == quoted_key) {
      ++next;
      while (is_space(object[next])) ++next;
      while (object[next] != ',' && object[next] != '}' && !is_space(object[next])) ++next;
      return Range{at, next};
    }
    at = end;
  }
  return std::nullopt;
}

}  // namespace

std::string scored_line(std::string_view line, double score, bool always) {
  const nlohmann::json value = nlohmann::json::parse(line, nullptr, false);
  std::string out(line);
  if (value.is_object()) {
    const std::string shown = fmt::format("\"evidence_score\": {:.4f}", score);
    const auto relevance = value.find("cosine");
    if (relevance != value.end() && relevance->is_number()) {
      if (const std::optional<Range> at = member(line, "\"cosine\""))
        return out.replace(at->begin, at->end - at->begin, shown);
    }
    if (always) out.insert(line.rfind('}'), (value.empty() ? "" : ", ") + shown);
    return out;
  }
  return always ? out + fmt::format(" (evidence_score {:.4f})", score) : out;
}

}  // namespace brinkmap::worker
