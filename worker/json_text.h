#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

// JSON from files that nobody vouches for.
namespace brinkmap::worker {

// Parses one JSON value. `file` and `where` stand in errors. Refuses with InputError: bad syntax, broken
// UTF-8, an object that has a key twice, nesting deeper than 32.
nlohmann::json parse_json(std::string_view text, const std::string& file, const std::string& where = "");

// A file that holds one JSON object, at most `most_bytes` long.
nlohmann::json read_json_object(const std::string& path, std::size_t most_bytes);

// An object whose members are read by name. Every error names the file and the key; a member that is null
// counts as absent, as in configuration files that list all their keys. The object must outlive the view.
class JsonView {
 public:
  // `where` is the path of the object inside the file, "" at the top.
  JsonView(const nlohmann::json& object, const std::string& file, std::string where = "");

  bool has(const std::string& key) const;
  const nlohmann::json& operator[](const std::string& key) const;  // throws when absent
  std::int64_t integer(const std::string& key, std::int64_t low, std::int64_t high) const;
  std::int64_t integer_or(const std::string& key, std::int64_t fallback, std::int64_t low,
                          std::int64_t high) const;
  double number(const std::string& key) const;  // finite
  double number_or(const std::string& key, double fallback) const;
  bool flag_or(const std::string& key, bool fallback) const;
  std::string text(const std::string& key) const;
  std::string text_or(const std::string& key, const std::string& fallback) const;
  std::vector<double> numbers(const std::string& key) const;
  std::vector<std::string> texts(const std::string& key) const;
  JsonView object(const std::string& key) const;

  const std::string& file() const noexcept { return file_; }
  const nlohmann::json& value() const noexcept { return object_; }
  std::string place(const std::string& key) const;  // "key 'text_config.rope_scaling.type'"
  [[noreturn]] void fail(const std::string& key, const std::string& what) const;

 private:
  const nlohmann::json& object_;
  const std::string& file_;
  std::string where_;
};

// A value as an error shows it: short, on one line, control characters escaped.
std::string printable_json(const nlohmann::json& value);

}  // namespace brinkmap::worker
