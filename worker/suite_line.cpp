#include "worker/suite_line.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>

#include "schedule/error.h"
#include "worker/suite.h"
#include "worker/text_words.h"

namespace brinkmap::worker {

namespace {

using nlohmann::json;

std::string joined(std::span<const std::string_view> words) {
  std::string all;
  for (std::string_view word : words) all += fmt::format("{}\"{}\"", all.empty() ? "" : ", ", word);
  return all;
}

}  // namespace

SuiteLine::SuiteLine(const std::string& file, std::size_t number, std::string_view text)
    : file_(file), number_(number) {
  if (text.size() > kMaxSuiteLine)
    fail(fmt::format("expected at most {} bytes, found {}", kMaxSuiteLine, text.size()));
  if (const std::size_t at = valid_utf8(text); at < text.size())
    fail(fmt::format("expected UTF-8, found byte 0x{:02x} at column {}", static_cast<unsigned char>(text[at]),
                     at + 1));
  std::map<std::string, int> keys;
  std::string twice;
  const auto watch = [&](int depth, json::parse_event_t event, json& value) {
    if (event == json::parse_event_t::key && depth == 1 && ++keys[value.get_ref<const std::string&>()] > 1)
      twice = value.get<std::string>();
    return true;
  };
  try {
    object_ = json::parse(text, watch);
  } catch (const json::exception& e) {
    fail(fmt::format("expected one JSON object: {}", e.what()));
  }
  if (!object_.is_object()) fail(fmt::format("expected a JSON object, found {}", object_.type_name()));
  if (!twice.empty()) fail(fmt::format("field \"{}\" stands twice", twice));
}

void SuiteLine::fail(const std::string& what) const {
  throw InputError(file_, fmt::format("line {}", number_), what);
}

const json& SuiteLine::field(const char* name) const {
  const auto it = object_.find(name);
  if (it == object_.end()) fail(fmt::format("field \"{}\" is missing", name));
  return *it;
}

std::string SuiteLine::text_or_empty(const char* name) const {
  if (!object_.contains(name)) return {};
  const json& value = field(name);
  if (!value.is_string())
    fail(fmt::format("field \"{}\": expected a string, found {}", name, value.type_name()));
  return value.get<std::string>();
}

std::string SuiteLine::text(const char* name) const {
  field(name);
  std::string text = text_or_empty(name);
  if (text.empty()) fail(fmt::format("field \"{}\" is empty", name));
  return text;
}

std::size_t SuiteLine::one_of(const char* name, std::span<const std::string_view> allowed) const {
  const std::string value = text(name);
  for (std::size_t i = 0; i < allowed.size(); ++i)
    if (allowed[i] == value) return i;
  fail(fmt::format("field \"{}\": expected one of {}, found \"{}\"", name, joined(allowed), value));
}

std::vector<std::string> SuiteLine::texts(const char* name, std::size_t low, std::size_t high) const {
  const json& value = field(name);
  if (!value.is_array())
    fail(fmt::format("field \"{}\": expected a list of strings, found {}", name, value.type_name()));
  if (value.size() < low || value.size() > high)
    fail(fmt::format("field \"{}\": expected {} strings, found {}", name,
                     low == high ? std::to_string(low) : fmt::format("{} to {}", low, high), value.size()));
  std::vector<std::string> out;
  for (const json& item : value) {
    if (!item.is_string())
      fail(fmt::format("field \"{}\": expected strings, found {}", name, item.type_name()));
    out.push_back(item.get<std::string>());
    if (out.back().empty()) fail(fmt::format("field \"{}\": entry {} is empty", name, out.size()));
  }
  return out;
}

std::vector<EvidenceLine> SuiteLine::evidence(const char* name, std::size_t most) const {
  std::vector<EvidenceLine> out;
  if (!object_.contains(name)) return out;
  const json& list = field(name);
  if (!list.is_array() || list.empty() || list.size() > most)
    fail(fmt::format("field \"{}\": expected a list of 1 to {} objects, found {}", name, most,
                     list.is_array() ? std::to_string(list.size()) : list.type_name()));
  for (const json& entry : list) {
    const auto wrong = [&](const char* what) {
      fail(fmt::format("field \"{}\": entry {}: expected {}", name, out.size() + 1, what));
    };
    const auto text = [&](const char* key) {
      const auto at = entry.find(key);
      if (at == entry.end() || !at->is_string() || at->get_ref<const std::string&>().empty())
        wrong("texts \"label\" and \"statement\"");
      return at->get<std::string>();
    };
    if (!entry.is_object()) wrong("an object");
    EvidenceLine line;
    line.statement = text("statement");
    if (line.statement.find_first_of("\r\n") != std::string::npos) wrong("a statement of one line");
    const auto label =
        std::find(std::begin(schedule::kEvidenceLabels), std::end(schedule::kEvidenceLabels), text("label"));
    if (label == std::end(schedule::kEvidenceLabels))
      wrong("\"label\" to be harm, mitigation, hard_rule or other");
    const auto cited = entry.find("cited");
    if (cited == entry.end() || !cited->is_boolean()) wrong("\"cited\" to be true or false");
    line.kind = {static_cast<std::uint8_t>(label - std::begin(schedule::kEvidenceLabels)),
                 static_cast<std::uint8_t>(cited->get<bool>() ? 1 : 0)};
    out.push_back(std::move(line));
  }
  return out;
}

double SuiteLine::positive_or(const char* name, double fallback) const {
  if (!object_.contains(name)) return fallback;
  const json& value = field(name);
  const double number = value.is_number() ? value.get<double>() : 0;
  if (!(number > 0 && std::isfinite(number)))
    fail(fmt::format("field \"{}\": expected a number above 0, found {}", name,
                     value.dump(-1, ' ', false, json::error_handler_t::replace)));
  return number;
}

std::size_t SuiteLine::index(const char* name, std::size_t count) const {
  const json& value = field(name);
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() >= count)
    fail(fmt::format("field \"{}\": expected a whole number 0..{}, found {}", name, count - 1,
                     value.dump(-1, ' ', false, json::error_handler_t::replace)));
  return value.get<std::size_t>();
}

}  // namespace brinkmap::worker
