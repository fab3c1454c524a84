#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace brinkmap {

// Base of every exception the program throws on purpose. Anything else that reaches the top is an internal
// error.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Bad input from outside: a model file, job file, suite, result file or command line. Exit code 2.
// `file` is the path, `where` the line, field or tensor inside it (may be empty), `what_is_wrong` says what
// was expected and what was found.
class InputError : public Error {
 public:
  InputError(std::string file, std::string where, const std::string& what_is_wrong)
      : Error(file + (where.empty() ? "" : ": " + where) + ": " + what_is_wrong),
        file_(std::move(file)),
        where_(std::move(where)) {}

  const std::string& file() const noexcept { return file_; }
  const std::string& where() const noexcept { return where_; }

 private:
  std::string file_;
  std::string where_;
};

}  // namespace brinkmap
