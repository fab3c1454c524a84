#include "worker/decision_parser.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace brinkmap::worker {

namespace {

using nlohmann::json;
using schedule::Decision;

// Also digits, "_", "-" and "'": NON-APPROVE and APPROVE_LATER are words of their own, no labels.
bool in_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || (c & 0x80) != 0 || c == '_' || c == '-' ||
         c == '\'';
}

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return result;
}

std::optional<Decision> label(std::string_view word) {
  for (std::size_t i = 0; i < kDecisionLabels.size(); ++i)
    if (kDecisionLabels[i] == word) return static_cast<Decision>(i);
  return std::nullopt;
}

// Position after the brace that closes the one at `begin`, or npos. Braces inside strings do not count.
std::size_t balanced_end(std::string_view text, std::size_t begin) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = begin; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && --depth == 0) {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

// The object's decision; nothing when it is no JSON or has no string field of that name.
std::optional<Decision> object_decision(std::string_view text) {
  std::vector<std::string> values;  // of every top-level field "decision" that is a string
  bool is_decision = false;
  const auto watch = [&](int depth, json::parse_event_t event, json& value) {
    if (depth != 1) return true;
    if (event == json::parse_event_t::key) {
      is_decision = value == "decision";
    } else if (event == json::parse_event_t::value && is_decision && value.is_string()) {
      values.push_back(value.get<std::string>());
    }
    return true;
  };
  const json object = json::parse(text, watch, false);
  if (object.is_discarded() || values.empty()) return std::nullopt;
  std::optional<Decision> decision;
  for (const std::string& value : values) {
    const std::size_t begin = value.find_first_not_of(" \t\r\n");
    const std::size_t end = value.find_last_not_of(" \t\r\n");
    const auto found =
        begin == std::string::npos ? std::nullopt : label(upper(value.substr(begin, end - begin + 1)));
    if (!found || (decision && *decision != *found)) return Decision::kInvalid;
    decision = found;
  }
  return decision;
}

struct Word {
  std::string_view text;
  bool negated = false;
};

// Words outside of all braces, without quotes or dashes around them.
std::vector<Word> words_outside_braces(std::string_view text) {
  std::vector<Word> words;
  bool negated = false;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '{') {
      const std::size_t end = balanced_end(text, i);
      if (end == std::string_view::npos) break;
      i = end;
    } else if (in_word(text[i])) {
      std::size_t end = i;
      while (end < text.size() && in_word(text[end])) ++end;
      const std::size_t first = text.substr(0, end).find_first_not_of("'_-", i);
      std::string_view word;
      if (first != std::string_view::npos)
        word = text.substr(first, text.find_last_not_of("'_-", end - 1) - first + 1);
      i = end;
      if (word.empty()) continue;
      words.push_back({word, negated});
      const std::string spelled = upper(word);
      negated = spelled == "NOT" || spelled == "NO" || spelled == "NEVER" || spelled == "CANNOT" ||
                spelled.ends_with("N'T") || spelled.ends_with("N\xe2\x80\x99T");
    } else {
      ++i;
    }
  }
  return words;
}

}  // namespace

Decision parse_decision(std::string_view answer) {
  for (std::size_t at = answer.find('{'); at != std::string_view::npos; at = answer.find('{', at + 1)) {
    const std::size_t end = balanced_end(answer, at);
    if (end == std::string_view::npos) continue;
    if (const auto decision = object_decision(answer.substr(at, end - at))) return *decision;
  }
  const std::vector<Word> words = words_outside_braces(answer);
  const bool any_case = words.size() <= 3;
  std::optional<Decision> found;
  for (const Word& word : words) {
    const auto decision = any_case ? label(upper(word.text)) : label(word.text);
    if (!decision) continue;
    if (word.negated || (found && *found != *decision)) return Decision::kInvalid;
    found = decision;
  }
  return found.value_or(Decision::kInvalid);
}

}  // namespace brinkmap::worker
