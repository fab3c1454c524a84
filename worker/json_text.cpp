#include "worker/json_text.h"

#include <cmath>
#include <set>

#include "schedule/error.h"
#include "worker/gguf_parse.h"
#include "worker/mapped_file.h"

namespace brinkmap::worker {

namespace {

using nlohmann::json;
constexpr int kMaxDepth = 32;

}  // namespace

json parse_json(std::string_view text, const std::string& file, const std::string& where) {
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto watch = [&](int depth, json::parse_event_t event, const json& parsed) {
    if (depth > kMaxDepth)
      throw InputError(file, where, "JSON nested deeper than " + std::to_string(kMaxDepth));
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(parsed.get_ref<const std::string&>()).second)
      throw InputError(file, where,
                       "the key '" + printable(parsed.get_ref<const std::string&>()) + "' stands twice");
    return true;
  };
  try {
    return json::parse(text.begin(), text.end(), watch);
  } catch (const json::exception& error) {
    throw InputError(file, where, "is no valid JSON: " + printable(error.what()));
  }
}

json read_json_object(const std::string& path, std::size_t most_bytes) {
  const auto file = MappedFile::open(path, "a JSON object");
  if (file->bytes().size() > most_bytes)
    throw InputError(path, "",
                     "expected at most " + std::to_string(most_bytes) + " bytes, found " +
                         std::to_string(file->bytes().size()));
  json value = parse_json({reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()}, path);
  if (!value.is_object())
    throw InputError(path, "", "expected a JSON object, found " + printable_json(value));
  return value;
}

std::string printable_json(const json& value) {
  return printable(value.is_structured() && value.size() > 8
                       ? std::string(value.type_name()) + " of " + std::to_string(value.size())
                       : value.dump(-1, ' ', false, json::error_handler_t::replace));
}

JsonView::JsonView(const json& object, const std::string& file, std::string where)
    : object_(object), file_(file), where_(std::move(where)) {
  if (!object_.is_object())
    throw InputError(file_, where_.empty() ? "" : "key '" + where_ + "'",
                     "expected an object, found " + printable_json(object_));
}

std::string JsonView::place(const std::string& key) const {
  return "key '" + printable(where_.empty() ? key : where_ + "." + key) + "'";
}

void JsonView::fail(const std::string& key, const std::string& what) const {
  throw InputError(file_, place(key), what);
}

bool JsonView::has(const std::string& key) const {
  const auto it = object_.find(key);
  return it != object_.end() && !it->is_null();
}

const json& JsonView::operator[](const std::string& key) const {
  if (!has(key)) fail(key, "is missing");
  return *object_.find(key);
}

std::int64_t JsonView::integer(const std::string& key, std::int64_t low, std::int64_t high) const {
  const json& value = (*this)[key];
  const bool fits = value.is_number_unsigned() ? value.get<std::uint64_t>() <= std::uint64_t{INT64_MAX}
                                               : value.is_number_integer();
  if (!fits || value.get<std::int64_t>() < low || value.get<std::int64_t>() > high)
    fail(key, "expected an integer from " + std::to_string(low) + " to " + std::to_string(high) + ", found " +
                  printable_json(value));
  return value.get<std::int64_t>();
}

std::int64_t JsonView::integer_or(const std::string& key, std::int64_t fallback, std::int64_t low,
                                  std::int64_t high) const {
  return has(key) ? integer(key, low, high) : fallback;
}

double JsonView::number(const std::string& key) const {
  const json& value = (*this)[key];
  if (!value.is_number() || !std::isfinite(value.get<double>()))
    fail(key, "expected a finite number, found " + printable_json(value));
  return value.get<double>();
}

double JsonView::number_or(const std::string& key, double fallback) const {
  return has(key) ? number(key) : fallback;
}

bool JsonView::flag_or(const std::string& key, bool fallback) const {
  if (!has(key)) return fallback;
  const json& value = (*this)[key];
  if (!value.is_boolean()) fail(key, "expected true or false, found " + printable_json(value));
  return value.get<bool>();
}

std::string JsonView::text(const std::string& key) const {
  const json& value = (*this)[key];
  if (!value.is_string()) fail(key, "expected text, found " + printable_json(value));
  return value.get<std::string>();
}

std::string JsonView::text_or(const std::string& key, const std::string& fallback) const {
  return has(key) ? text(key) : fallback;
}

std::vector<double> JsonView::numbers(const std::string& key) const {
  const json& list = (*this)[key];
  if (!list.is_array()) fail(key, "expected a list of numbers, found " + printable_json(list));
  std::vector<double> out;
  for (const json& value : list) {
    if (!value.is_number() || !std::isfinite(value.get<double>()))
      fail(key, "expected finite numbers, found " + printable_json(value));
    out.push_back(value.get<double>());
  }
  return out;
}

std::vector<std::string> JsonView::texts(const std::string& key) const {
  const json& list = (*this)[key];
  if (!list.is_array()) fail(key, "expected a list of texts, found " + printable_json(list));
  std::vector<std::string> out;
  for (const json& value : list) {
    if (!value.is_string()) fail(key, "expected texts, found " + printable_json(value));
    out.push_back(value.get<std::string>());
  }
  return out;
}

JsonView JsonView::object(const std::string& key) const {
  return {(*this)[key], file_, where_.empty() ? key : where_ + "." + key};
}

}  // namespace brinkmap::worker
