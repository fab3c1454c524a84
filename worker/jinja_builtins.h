#pragma once

#include <string>
#include <utility>
#include <vector>

#include "worker/jinja_operators.h"

// Filters, tests and methods of the Jinja subset: those that chat templates use.
namespace brinkmap::worker::jinja {

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;
};

// All throw TemplateError for unknown names and for arguments outside the subset.
Value apply_filter(const std::string& name, const Value& value, const Arguments& arguments, const Site& site);
bool apply_test(const std::string& name, const Value& value, const Arguments& arguments, const Site& site);
Value call_method(const Value& object, const std::string& name, const Arguments& arguments, const Site& site);

}  // namespace brinkmap::worker::jinja
