#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "schedule/error.h"
#include "worker/chat_template.h"

// For test_chat_templates.py: reads a JSON array of {"template", "variables"} and prints an array of {"text"}
// or
// {"error"}.

namespace {

using brinkmap::worker::jinja::Value;
using nlohmann::ordered_json;

Value value_of(const ordered_json& j) {
  if (j.is_boolean()) return Value(j.get<bool>());
  if (j.is_number_integer()) return Value(j.get<std::int64_t>());
  if (j.is_number_float()) return Value(j.get<double>());
  if (j.is_string()) return Value(j.get<std::string>());
  if (j.is_array()) {
    std::vector<Value> items;
    for (const auto& item : j) items.push_back(value_of(item));
    return brinkmap::worker::jinja::make_list(std::move(items), 1);
  }
  if (j.is_object()) {
    std::vector<std::pair<std::string, Value>> entries;
    for (const auto& [key, item] : j.items()) entries.emplace_back(key, value_of(item));
    return brinkmap::worker::jinja::make_dict(std::move(entries), 1);
  }
  return Value(brinkmap::worker::jinja::None{});
}

}  // namespace

int main() {
  const std::string input{std::istreambuf_iterator<char>(std::cin), {}};
  ordered_json answers = ordered_json::array();
  for (const auto& job : ordered_json::parse(input)) {
    try {
      answers.push_back(
          {{"text", brinkmap::worker::render_chat_template("", job.at("template").get<std::string>(),
                                                           *value_of(job.at("variables")).dict())}});
    } catch (const brinkmap::Error& e) {
      answers.push_back({{"error", e.what()}});
    }
  }
  std::cout << answers.dump() << '\n';
}
