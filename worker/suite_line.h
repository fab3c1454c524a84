#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "worker/suite.h"

// One line of a suite file as a checked JSON object.
namespace brinkmap::worker {

// Every function throws InputError with file and line when the line or the field is not as asked.
class SuiteLine {
 public:
  // `text` must be UTF-8 and one JSON object of at most kMaxSuiteLine bytes without repeated fields. `file`
  // must outlive the line.
  SuiteLine(const std::string& file, std::size_t number, std::string_view text);

  [[noreturn]] void fail(const std::string& what) const;

  bool has(const char* name) const { return object_.contains(name); }
  std::string text_or_empty(const char* name) const;
  std::string text(const char* name) const;  // not empty
  // Index of the field's value among the allowed ones.
  std::size_t one_of(const char* name, std::span<const std::string_view> allowed) const;
  // A list of low..high texts, none empty.
  std::vector<std::string> texts(const char* name, std::size_t low, std::size_t high) const;
  // A list of 1..most evidence lines (worker/suite.h); empty when there is no such field.
  std::vector<EvidenceLine> evidence(const char* name, std::size_t most) const;
  // A finite number above 0; `fallback` when there is no such field.
  double positive_or(const char* name, double fallback) const;
  // A whole number in [0, count).
  std::size_t index(const char* name, std::size_t count) const;

 private:
  const nlohmann::json& field(const char* name) const;

  const std::string& file_;
  std::size_t number_;
  nlohmann::json object_;
};

}  // namespace brinkmap::worker
