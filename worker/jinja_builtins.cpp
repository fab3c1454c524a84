#include "worker/jinja_builtins.h"

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <limits>

#include "worker/jinja_operators.h"

namespace brinkmap::worker::jinja {

namespace {

[[noreturn]] void fail(const Site& site, const std::string& what) { throw TemplateError(site.line, what); }

// The arguments of one call, by position or name.
class Reader {
 public:
  Reader(std::string what, const Arguments& arguments, std::initializer_list<const char*> names,
         const Site& site)
      : values_(names.size()), what_(std::move(what)), site_(site) {
    if (arguments.positional.size() > names.size())
      fail(site, what_ + " takes fewer arguments in the subset");
    for (std::size_t i = 0; i < arguments.positional.size(); ++i) values_[i] = &arguments.positional[i];
    for (const auto& [name, value] : arguments.named) {
      const auto at = std::find(names.begin(), names.end(), name);
      if (at == names.end()) fail(site, what_ + ": argument '" + name + "' is outside the subset");
      values_[static_cast<std::size_t>(at - names.begin())] = &value;
    }
  }

  const Value* get(std::size_t i) const { return values_[i]; }
  const std::string& text(std::size_t i) const {
    if (values_[i] == nullptr || values_[i]->text() == nullptr)
      fail(site_, what_ + ": expected a text as argument");
    return *values_[i]->text();
  }
  const std::string* text_or_null(std::size_t i) const {
    return values_[i] == nullptr || values_[i]->none() ? nullptr : &text(i);
  }
  std::int64_t integer(std::size_t i, std::int64_t fallback) const {
    std::int64_t value = fallback;
    if (values_[i] != nullptr && !values_[i]->integer(value))
      fail(site_, what_ + ": expected an integer as argument");
    return value;
  }

 private:
  std::vector<const Value*> values_;
  std::string what_;
  const Site& site_;
};

Value text_value(const Site& site, std::string text) {
  site.budget.bytes(site.line, text.size());
  return Value(std::move(text));
}

Value list_value(const Site& site, std::vector<Value> items, bool lazy = false) {
  site.budget.bytes(site.line, items.size() * sizeof(Value));
  return make_list(std::move(items), site.line, lazy);
}

// What select, map and their like read: nothing from a value that counts as false.
std::vector<Value> items_if_any(const Value& value, const Site& site) {
  return truthy(value) ? items_of(value, site) : std::vector<Value>{};
}

const std::string& needs_text(const Value& value, const std::string& what, const Site& site) {
  if (value.text() == nullptr) fail(site, what + " of " + kind_of(value));
  return *value.text();
}

// mode: 'u' upper, 'l' lower, 'c' capitalize, 't' title.
std::string recased(const std::string& text, char mode, const Site& site) {
  std::string out = text;
  bool first = true;
  for (char& c : out) {
    if (static_cast<unsigned char>(c) >= 0x80)
      fail(site, "changing the case of letters beyond ASCII is outside the subset");
    const bool upper = mode == 'u' || ((mode == 'c' || mode == 't') && first);
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (letter) c = static_cast<char>(upper ? c & ~0x20 : c | 0x20);
    first = mode == 't' && !letter;
  }
  return out;
}

std::string replaced(const std::string& text, const std::string& from, const std::string& to,
                     std::int64_t most, const Site& site) {
  if (from.empty()) fail(site, "replacing an empty text is outside the subset");
  std::string out;
  std::size_t at = 0;
  for (std::size_t hit; most != 0 && (hit = text.find(from, at)) != std::string::npos; --most) {
    site.budget.bytes(site.line, hit - at + to.size());
    out.append(text, at, hit - at).append(to);
    at = hit + from.size();
  }
  return out.append(text, at);
}

Value split(const std::string& text, const std::string* by, std::int64_t most, const Site& site) {
  site.budget.bytes(site.line, text.size());
  std::vector<Value> parts;
  if (by == nullptr) {
    for (std::string_view rest = strip(text, true, false); !rest.empty();) {
      std::string_view word;
      if (most-- == 0) {
        word = rest;
      } else {
        std::size_t n = 0;
        for (std::string_view c : characters(rest)) {
          if (strip(c, true, false).empty()) break;
          n += c.size();
        }
        word = rest.substr(0, n);
      }
      parts.emplace_back(std::string(word));
      site.budget.step(site.line);
      rest = strip(rest.substr(word.size()), true, false);
    }
    return list_value(site, std::move(parts));
  }
  if (by->empty()) fail(site, "split: the separator is empty");
  std::size_t at = 0;
  for (std::size_t hit; most != 0 && (hit = text.find(*by, at)) != std::string::npos; --most) {
    parts.emplace_back(text.substr(at, hit - at));
    at = hit + by->size();
  }
  parts.emplace_back(text.substr(at));
  return list_value(site, std::move(parts));
}

std::int64_t length_of(const Value& value, const Site& site) {
  if (value.text() == nullptr && value.list() == nullptr && value.dict() == nullptr && !value.undefined())
    fail(site, "length of " + kind_of(value));
  if (const std::string* text = value.text()) {
    site.budget.bytes(site.line, text->size());
    return static_cast<std::int64_t>(characters(*text).size());
  }
  if (const List* list = value.list()) return static_cast<std::int64_t>(list->items.size());
  return value.dict() == nullptr ? 0 : static_cast<std::int64_t>(value.dict()->entries.size());
}

// select, reject, selectattr, rejectattr: (attribute), test name, test arguments.
Value selected(const Value& value, const Arguments& arguments, bool by_attribute, bool keep,
               const Site& site) {
  if (!arguments.named.empty()) fail(site, "an argument with a name is outside the subset here");
  std::size_t next = 0;
  const auto take_text = [&]() -> const std::string& {
    if (next >= arguments.positional.size()) fail(site, "expected an argument");
    return needs_text(arguments.positional[next++], "a filter", site);
  };
  const std::string of = by_attribute ? take_text() : "";
  const std::string test = next < arguments.positional.size() ? take_text() : "";
  const Arguments rest{
      {arguments.positional.begin() + static_cast<std::ptrdiff_t>(next), arguments.positional.end()}, {}};
  std::vector<Value> out;
  for (Value& item : items_if_any(value, site)) {
    const Value seen = by_attribute ? attribute(item, of, site) : item;
    if ((test.empty() ? truthy(seen) : apply_test(test, seen, rest, site)) == keep)
      out.push_back(std::move(item));
  }
  return list_value(site, std::move(out), true);
}

Value mapped(const Value& value, const Arguments& arguments, const Site& site) {
  std::vector<Value> out;
  if (arguments.positional.empty()) {
    const Reader read("map", arguments, {"attribute"}, site);
    for (const Value& item : items_if_any(value, site)) out.push_back(attribute(item, read.text(0), site));
  } else {
    const std::string name = needs_text(arguments.positional[0], "map", site);
    const Arguments rest{{arguments.positional.begin() + 1, arguments.positional.end()}, arguments.named};
    for (const Value& item : items_if_any(value, site)) out.push_back(apply_filter(name, item, rest, site));
  }
  return list_value(site, std::move(out), true);
}

Value pairs_of(const Value& value, bool lazy, const Site& site) {
  if (value.undefined()) return make_list({}, site.line, lazy);
  if (value.dict() == nullptr) fail(site, "items of " + kind_of(value));
  std::vector<Value> out;
  for (const auto& [key, item] : value.dict()->entries)
    out.push_back(make_list({Value(key), item}, site.line));
  return list_value(site, std::move(out), lazy);
}

Value text_method(const std::string& text, const std::string& name, const Arguments& arguments,
                  const Site& site) {
  const auto read = [&](std::initializer_list<const char*> names) {
    return Reader(name, arguments, names, site);
  };
  if (name == "strip" || name == "lstrip" || name == "rstrip")
    return text_value(
        site, std::string(strip(text, name != "rstrip", name != "lstrip", read({"chars"}).text_or_null(0))));
  if (name == "startswith") return Value(text.starts_with(read({"prefix"}).text(0)));
  if (name == "endswith") return Value(text.ends_with(read({"suffix"}).text(0)));
  if (name == "upper" || name == "lower" || name == "capitalize" || name == "title") {
    read({});
    return text_value(site, recased(text, name[0], site));
  }
  if (name == "split") {
    const Reader r = read({"sep", "maxsplit"});
    return split(text, r.text_or_null(0), r.integer(1, -1), site);
  }
  if (name == "replace") {
    const Reader r = read({"old", "new", "count"});
    return text_value(site, replaced(text, r.text(0), r.text(1), r.integer(2, -1), site));
  }
  fail(site, "method '" + name + "' of a text is outside the subset");
}

Value dict_method(const Value& object, const std::string& name, const Arguments& arguments,
                  const Site& site) {
  if (name == "get") {
    const Reader r("get", arguments, {"key", "default"}, site);
    if (const Value* value = object.dict()->find(r.text(0))) return *value;
    return r.get(1) == nullptr ? Value(None{}) : *r.get(1);
  }
  const Reader nothing(name, arguments, {}, site);
  if (name == "items") return pairs_of(object, false, site);
  if (name == "keys") return list_value(site, items_of(object, site));
  if (name == "values") {
    std::vector<Value> out;
    for (const auto& entry : object.dict()->entries) out.push_back(entry.second);
    return list_value(site, std::move(out));
  }
  fail(site, "method '" + name + "' of a dict is outside the subset");
}

int compared(const Value& a, const Value& b, const Site& site) {
  double x = 0, y = 0;
  if (a.number(x) && b.number(y)) return x < y ? -1 : x > y ? 1 : 0;
  if (a.text() != nullptr && b.text() != nullptr) return a.text()->compare(*b.text());
  fail(site, "comparing " + kind_of(a) + " with " + kind_of(b));
}

}  // namespace

Value apply_filter(const std::string& name, const Value& value, const Arguments& arguments,
                   const Site& site) {
  site.budget.step(site.line);
  const auto read = [&](std::initializer_list<const char*> names) {
    return Reader(name, arguments, names, site);
  };
  if (name == "trim") {
    const std::string text = printed(value, site.line);
    return text_value(site, std::string(strip(text, true, true, read({"chars"}).text_or_null(0))));
  }
  if (name == "default" || name == "d") {
    const Reader r = read({"default_value", "boolean"});
    const bool replace = value.undefined() || (r.get(1) != nullptr && truthy(*r.get(1)) && !truthy(value));
    return replace ? (r.get(0) == nullptr ? Value("") : *r.get(0)) : value;
  }
  if (name == "tojson") {
    const Reader r = read({"ensure_ascii", "indent"});
    if (r.get(0) != nullptr && truthy(*r.get(0)))
      fail(site, "tojson with ensure_ascii is outside the subset");
    const bool flat = r.get(1) == nullptr || r.get(1)->none();
    const std::int64_t indent = flat ? -1 : r.integer(1, 0);
    if (!flat && (indent < 0 || indent > 16)) fail(site, "tojson: expected an indent from 0 to 16");
    return text_value(site, to_json(value, static_cast<int>(indent), site.budget, site.line));
  }
  if (name == "join") {
    const Reader r = read({"d"});
    const std::string between = r.get(0) == nullptr ? "" : printed(*r.get(0), site.line);
    std::string out;
    bool first = true;
    for (const Value& item : items_of(value, site)) {
      const std::string text = printed(item, site.line);
      site.budget.bytes(site.line, text.size() + between.size());
      out += (first ? "" : between) + text;
      first = false;
    }
    return text_value(site, std::move(out));
  }
  if (name == "replace") {
    const Reader r = read({"old", "new", "count"});
    return text_value(site,
                      replaced(printed(value, site.line), r.text(0), r.text(1), r.integer(2, -1), site));
  }
  if (name == "select" || name == "reject") return selected(value, arguments, false, name == "select", site);
  if (name == "selectattr" || name == "rejectattr")
    return selected(value, arguments, true, name == "selectattr", site);
  if (name == "map") return mapped(value, arguments, site);

  static constexpr std::string_view kPlain[] = {"length", "count", "list",  "string",     "first", "last",
                                                "items",  "upper", "lower", "capitalize", "int"};
  if (std::find(std::begin(kPlain), std::end(kPlain), name) == std::end(kPlain))
    fail(site, "filter '" + name + "' is outside the subset");
  read({});
  if (name == "length" || name == "count") return Value(length_of(value, site));
  if (name == "list") return list_value(site, items_of(value, site));
  if (name == "string") return value.text() != nullptr ? value : text_value(site, printed(value, site.line));
  if (name == "items") return pairs_of(value, true, site);
  if (name == "first" || name == "last") {
    std::vector<Value> all = items_of(value, site);
    if (all.empty()) return Value(Undefined{name + " of nothing"});
    return name == "first" ? all.front() : all.back();
  }
  if (name == "int") {
    std::int64_t number = 0;
    if (!value.integer(number)) fail(site, "int of " + kind_of(value) + " is outside the subset");
    return Value(number);
  }
  return text_value(site, recased(needs_text(value, name, site), name[0], site));
}

bool apply_test(const std::string& name, const Value& value, const Arguments& arguments, const Site& site) {
  site.budget.step(site.line);
  const auto argument = [&]() -> const Value& {
    if (arguments.positional.size() != 1) fail(site, "test '" + name + "' takes one argument");
    return arguments.positional[0];
  };
  const auto whole = [&] {
    std::int64_t number = 0;
    if (!value.integer(number)) fail(site, "test '" + name + "' of " + kind_of(value));
    return number;
  };
  if (name == "equalto" || name == "eq" || name == "==")
    return equal(value, argument(), site.budget, site.line);
  if (name == "ne" || name == "!=") return !equal(value, argument(), site.budget, site.line);
  if (name == "lt" || name == "lessthan" || name == "<") return compared(value, argument(), site) < 0;
  if (name == "gt" || name == "greaterthan" || name == ">") return compared(value, argument(), site) > 0;
  if (name == "le" || name == "<=") return compared(value, argument(), site) <= 0;
  if (name == "ge" || name == ">=") return compared(value, argument(), site) >= 0;
  if (name == "in") return contains(argument(), value, site);
  if (name == "divisibleby") {
    std::int64_t by = 0;
    if (!argument().integer(by) || by == 0) fail(site, "test 'divisibleby' takes an integer other than 0");
    return by == -1 || whole() % by == 0;
  }
  if (name == "sameas") {
    const Value& other = argument();
    const bool simple = other.none() || std::holds_alternative<bool>(other.data);
    if (!simple) fail(site, "test 'sameas' of other values than true, false and none is outside the subset");
    return value.data.index() == other.data.index() && truthy(value) == truthy(other);
  }
  if (!arguments.positional.empty()) fail(site, "test '" + name + "' with an argument is outside the subset");
  const bool* flag = std::get_if<bool>(&value.data);
  double number = 0;
  if (name == "defined") return !value.undefined();
  if (name == "undefined") return value.undefined();
  if (name == "none") return value.none();
  if (name == "string") return value.text() != nullptr;
  if (name == "mapping") return value.dict() != nullptr;
  if (name == "boolean") return flag != nullptr;
  if (name == "true") return flag != nullptr && *flag;
  if (name == "false") return flag != nullptr && !*flag;
  if (name == "number") return value.number(number);
  if (name == "integer") return std::holds_alternative<std::int64_t>(value.data);
  if (name == "float") return std::holds_alternative<double>(value.data);
  if (name == "odd") return whole() % 2 != 0;
  if (name == "even") return whole() % 2 == 0;
  if (name == "iterable" && value.sequence() != nullptr) return true;
  if (name == "iterable" || name == "sequence")
    return value.undefined() || value.text() != nullptr || value.list() != nullptr || value.dict() != nullptr;
  fail(site, "test '" + name + "' is outside the subset");
}

Value call_method(const Value& object, const std::string& name, const Arguments& arguments,
                  const Site& site) {
  site.budget.step(site.line);
  if (object.text() != nullptr) return text_method(*object.text(), name, arguments, site);
  if (object.dict() != nullptr) return dict_method(object, name, arguments, site);
  fail(site, "method '" + name + "' of " + kind_of(object) + " is outside the subset");
}

}  // namespace brinkmap::worker::jinja
