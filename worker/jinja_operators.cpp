#include "worker/jinja_operators.h"

#include <algorithm>

namespace brinkmap::worker::jinja {

namespace {

[[noreturn]] void fail(const Site& site, const std::string& what) { throw TemplateError(site.line, what); }

}  // namespace

Value unary(const std::string& op, const Value& value, const Site& site) {
  if (op == "not") return Value(!truthy(value));
  std::int64_t i = 0, negative = 0;
  double d = 0;
  if (value.integer(i)) {
    if (op == "+") return Value(i);
    if (__builtin_sub_overflow(std::int64_t{0}, i, &negative)) fail(site, "an integer is too large");
    return Value(negative);
  }
  if (!value.number(d)) fail(site, "'" + op + "' before " + kind_of(value));
  return Value(op == "-" ? -d : d);
}

Value binary(const std::string& op, const Value& a, const Value& b, const Site& site) {
  if (op == "~" || (op == "+" && a.text() != nullptr && b.text() != nullptr)) {
    std::string text = printed(a, site.line) + printed(b, site.line);
    site.budget.bytes(site.line, text.size());
    return Value(std::move(text));
  }
  if (op == "+" && a.list() != nullptr && b.list() != nullptr) {
    std::vector<Value> items = items_of(a, site), more = items_of(b, site);
    items.insert(items.end(), more.begin(), more.end());
    return make_list(std::move(items), site.line);
  }
  std::int64_t i = 0, j = 0, result = 0;
  double x = 0, y = 0;
  if (a.integer(i) && b.integer(j) && op != "/" && op != "**") {
    bool overflow = false;
    if (op == "+") {
      overflow = __builtin_add_overflow(i, j, &result);
    } else if (op == "-") {
      overflow = __builtin_sub_overflow(i, j, &result);
    } else if (op == "*") {
      overflow = __builtin_mul_overflow(i, j, &result);
    } else {  // "//" and "%" round towards minus infinity
      if (j == 0) fail(site, "division by zero");
      if (j == -1) {
        overflow = op == "//" && __builtin_sub_overflow(std::int64_t{0}, i, &result);
      } else {
        const bool down = i % j != 0 && (i % j < 0) != (j < 0);
        result = op == "//" ? i / j - (down ? 1 : 0) : i % j + (down ? j : 0);
      }
    }
    if (overflow) fail(site, "an integer is too large");
    return Value(result);
  }
  if (a.number(x) && b.number(y)) {
    if (op == "+") return Value(x + y);
    if (op == "-") return Value(x - y);
    if (op == "*") return Value(x * y);
    if (op == "/" && y == 0) fail(site, "division by zero");
    if (op == "/") return Value(x / y);
  }
  fail(site, "'" + op + "' between " + kind_of(a) + " and " + kind_of(b) + " is outside the subset");
}

Value item_of(const Value& object, const Value& key, const Site& site) {
  if (key.text() != nullptr) return attribute(object, *key.text(), site);
  if (object.undefined()) fail(site, kind_of(object) + " has no items");
  std::int64_t i = 0;
  if (!key.integer(i)) fail(site, kind_of(key) + " as an index is outside the subset");
  if (object.list() == nullptr && object.text() == nullptr) return Value(Undefined{"item"});
  const auto pick = [&](const auto& items, const auto& made) {
    const auto n = static_cast<std::int64_t>(items.size());
    const std::int64_t at = i < 0 ? i + n : i;
    return at < 0 || at >= n ? Value(Undefined{"item " + std::to_string(i)})
                             : made(items[static_cast<std::size_t>(at)]);
  };
  if (object.list() != nullptr) return pick(object.list()->items, [](const Value& v) { return v; });
  site.budget.bytes(site.line, object.text()->size());
  return pick(characters(*object.text()), [](std::string_view c) { return Value(std::string(c)); });
}

Value slice_of(const Value& object, std::optional<std::int64_t> from, std::optional<std::int64_t> to,
               std::optional<std::int64_t> by, const Site& site) {
  if (object.list() == nullptr && object.text() == nullptr) fail(site, "a slice of " + kind_of(object));
  const std::vector<Value> items = items_of(object, site);
  const auto n = static_cast<std::int64_t>(items.size());
  const std::int64_t step = by.value_or(1);
  if (step == 0) fail(site, "a slice's step is zero");
  const std::int64_t lowest = step > 0 ? 0 : -1, highest = step > 0 ? n : n - 1;
  const auto clamped = [&](std::optional<std::int64_t> i, std::int64_t fallback) {
    return i ? std::clamp(*i < 0 ? *i + n : *i, lowest, highest) : fallback;
  };
  const std::int64_t begin = clamped(from, step > 0 ? lowest : highest);
  const std::int64_t end = clamped(to, step > 0 ? highest : lowest);
  std::vector<Value> out;
  for (std::int64_t i = begin; step > 0 ? i < end : i > end;) {
    out.push_back(items[static_cast<std::size_t>(i)]);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  if (object.list() != nullptr) return make_list(std::move(out), site.line);
  std::string text;
  for (const Value& c : out) text += *c.text();
  return Value(std::move(text));
}

std::vector<Value> items_of(const Value& value, const Site& site) {
  std::vector<Value> out;
  if (value.undefined()) return out;
  if (const List* list = value.sequence()) {
    if (list->used) fail(site, "a generator is read twice");
    list->used = list->lazy;
    site.budget.bytes(site.line, list->items.size() * sizeof(Value));
    return list->items;
  }
  if (const std::string* text = value.text()) {
    site.budget.bytes(site.line, text->size() * sizeof(Value));
    for (std::string_view c : characters(*text)) out.emplace_back(std::string(c));
    return out;
  }
  if (value.dict() == nullptr) fail(site, "expected a list, found " + kind_of(value));
  for (const auto& entry : value.dict()->entries) out.emplace_back(entry.first);
  site.budget.bytes(site.line, out.size() * sizeof(Value));
  return out;
}

Value attribute(const Value& object, const std::string& name, const Site& site) {
  site.budget.step(site.line);
  if (object.undefined()) fail(site, kind_of(object) + " has no attribute '" + name + "'");
  if (const Dict* dict = object.dict()) {
    if (const Value* value = dict->find(name)) return *value;
  } else if (const Namespace* space = std::get_if<Namespace>(&object.data)) {
    if (const auto it = space->attributes->find(name); it != space->attributes->end()) return it->second;
  }
  return Value(Undefined{name});
}

bool contains(const Value& in, const Value& what, const Site& site) {
  if (const std::string* text = in.text()) return text->find(*what.text()) != std::string::npos;
  if (in.dict() != nullptr) return what.text() != nullptr && in.dict()->find(*what.text()) != nullptr;
  if (in.list() == nullptr && !in.undefined()) fail(site, "'in' " + kind_of(in));
  if (in.undefined()) return false;
  const auto& items = in.list()->items;
  return std::any_of(items.begin(), items.end(),
                     [&](const Value& item) { return equal(item, what, site.budget, site.line); });
}

}  // namespace brinkmap::worker::jinja
