#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "worker/jinja_value.h"

// Operators of the Jinja subset, as Python has them. All throw TemplateError for operands outside the subset.
namespace brinkmap::worker::jinja {

// Where something is called from, and at whose expense.
struct Site {
  Budget& budget;
  int line;
};

// "not", "-" and "+" in front of a value.
Value unary(const std::string& op, const Value& value, const Site& site);
// Arithmetic, and "~".
Value binary(const std::string& op, const Value& a, const Value& b, const Site& site);
// object[key]: undefined when there is none.
Value item_of(const Value& object, const Value& key, const Site& site);
// object[from:to:by] of a list or text.
Value slice_of(const Value& object, std::optional<std::int64_t> from, std::optional<std::int64_t> to,
               std::optional<std::int64_t> by, const Site& site);

// What a loop over the value meets: items, keys, characters. Throws TemplateError for what is no sequence.
std::vector<Value> items_of(const Value& value, const Site& site);
// object.name or object["name"]: undefined when there is none. Throws TemplateError when the object itself is
// undefined.
Value attribute(const Value& object, const std::string& name, const Site& site);
// Python's `in`.
bool contains(const Value& in, const Value& what, const Site& site);

}  // namespace brinkmap::worker::jinja
