#include "worker/jinja_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "worker/tokenizer_vocab.h"

namespace brinkmap::worker::jinja {

namespace {

constexpr int kDeepest = 64;

int depth_of(const Value& value) {
  if (const List* list = value.sequence()) return list->depth;
  if (const Dict* dict = value.dict()) return dict->depth;
  return 0;
}

int checked_depth(int deepest_item, int line) {
  if (deepest_item >= kDeepest) throw TemplateError(line, "nests lists more than 64 deep");
  return deepest_item + 1;
}

// Python prints whole floats with ".0".
std::string float_text(double value, int line) {
  if (!std::isfinite(value)) throw TemplateError(line, "a number that is not finite is outside the subset");
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

void append_quoted(std::string& out, const std::string& text) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20)
          out += fmt::format("\\u{:04x}", static_cast<int>(c));
        else
          out += c;
    }
  }
  out += '"';
}

struct JsonWriter {
  std::string out;
  int indent;
  Budget& budget;
  int line;

  void new_line(int level) {
    if (indent < 0) return;
    out += '\n';
    const std::size_t n = static_cast<std::size_t>(indent) * static_cast<std::size_t>(level);
    budget.bytes(line, n);
    out.append(n, ' ');
  }

  void write(const Value& value, int level) {
    budget.step(line);
    std::int64_t i = 0;
    if (const std::string* text = value.text()) {
      budget.bytes(line, text->size() + 2);
      append_quoted(out, *text);
    } else if (value.none()) {
      out += "null";
    } else if (const bool* b = std::get_if<bool>(&value.data)) {
      out += *b ? "true" : "false";
    } else if (value.integer(i)) {
      out += std::to_string(i);
    } else if (const double* d = std::get_if<double>(&value.data)) {
      out += float_text(*d, line);
    } else if (const List* list = value.list()) {
      write_items(list->items, '[', ']', level, [&](const Value& item) { write(item, level + 1); });
    } else if (const Dict* dict = value.dict()) {
      write_items(dict->entries, '{', '}', level, [&](const auto& entry) {
        budget.bytes(line, entry.first.size() + 4);
        append_quoted(out, entry.first);
        out += ": ";
        write(entry.second, level + 1);
      });
    } else {
      throw TemplateError(line, "tojson of " + kind_of(value));
    }
  }

  template <class Items, class Write>
  void write_items(const Items& items, char open, char close, int level, const Write& write_one) {
    out += open;
    bool first = true;
    for (const auto& item : items) {
      if (!first) out += indent < 0 ? ", " : ",";
      first = false;
      new_line(level + 1);
      write_one(item);
    }
    if (!first) new_line(level);
    out += close;
  }
};

// str.isspace() of one character (Python 3: bidirectional type WS, B or S, or category Zs).
bool is_space(std::string_view c) {
  if (c.size() == 1) return c[0] == ' ' || (c[0] >= '\t' && c[0] <= '\r') || (c[0] >= 0x1c && c[0] <= 0x1f);
  if (c.size() == 2) return c == "\xc2\x85" || c == "\xc2\xa0";
  if (c.size() != 3) return false;
  if (c == "\xe1\x9a\x80" || c == "\xe2\x81\x9f" || c == "\xe3\x80\x80") return true;
  if (!c.starts_with("\xe2\x80")) return false;
  const auto last = static_cast<unsigned char>(c[2]);
  return last <= 0x8a || last == 0xa8 || last == 0xa9 || last == 0xaf;
}

}  // namespace

const Value* Dict::find(std::string_view key) const {
  for (const auto& [name, value] : entries)
    if (name == key) return &value;
  return nullptr;
}

bool Value::integer(std::int64_t& out) const {
  if (const auto* i = std::get_if<std::int64_t>(&data))
    out = *i;
  else if (const auto* b = std::get_if<bool>(&data))
    out = *b ? 1 : 0;
  else
    return false;
  return true;
}

bool Value::number(double& out) const {
  std::int64_t i = 0;
  if (const auto* d = std::get_if<double>(&data))
    out = *d;
  else if (integer(i))
    out = static_cast<double>(i);
  else
    return false;
  return true;
}

Value make_list(std::vector<Value> items, int line, bool lazy) {
  auto list = std::make_shared<List>();
  int deepest = 0;
  for (const Value& item : items) deepest = std::max(deepest, depth_of(item));
  list->depth = checked_depth(deepest, line);
  list->items = std::move(items);
  list->lazy = lazy;
  Value value;
  value.data = std::shared_ptr<const List>(std::move(list));
  return value;
}

Value make_dict(std::vector<std::pair<std::string, Value>> entries, int line) {
  auto dict = std::make_shared<Dict>();
  int deepest = 0;
  for (const auto& entry : entries) deepest = std::max(deepest, depth_of(entry.second));
  dict->depth = checked_depth(deepest, line);
  dict->entries = std::move(entries);
  Value value;
  value.data = std::shared_ptr<const Dict>(std::move(dict));
  return value;
}

bool truthy(const Value& value) {
  double number = 0;
  if (value.undefined() || value.none()) return false;
  if (value.number(number)) return number != 0;
  if (const std::string* text = value.text()) return !text->empty();
  if (const List* list = value.list()) return !list->items.empty();
  if (const Dict* dict = value.dict()) return !dict->entries.empty();
  return true;
}

std::string kind_of(const Value& value) {
  if (const auto* u = std::get_if<Undefined>(&value.data))
    return u->name.empty() ? "an undefined value" : "undefined '" + u->name + "'";
  if (value.sequence() != nullptr && value.list() == nullptr) return "a generator";
  static constexpr const char* kKinds[] = {"",       "none",   "a flag", "an integer",  "a float",
                                           "a text", "a list", "a dict", "a namespace", "a function"};
  return kKinds[value.data.index()];
}

bool equal(const Value& a, const Value& b, Budget& budget, int line) {
  budget.step(line);
  double x = 0, y = 0;
  std::int64_t i = 0, j = 0;
  if (a.integer(i) && b.integer(j)) return i == j;
  if (a.number(x) && b.number(y)) return x == y;
  if (a.data.index() != b.data.index()) return false;
  if (a.undefined() || a.none()) return true;
  if (a.text() != nullptr) return *a.text() == *b.text();
  if (a.list() != nullptr) {
    const auto &u = a.list()->items, &v = b.list()->items;
    if (u.size() != v.size()) return false;
    for (std::size_t k = 0; k < u.size(); ++k)
      if (!equal(u[k], v[k], budget, line)) return false;
    return true;
  }
  if (a.dict() != nullptr) {
    if (a.dict()->entries.size() != b.dict()->entries.size()) return false;
    for (const auto& [key, value] : a.dict()->entries) {
      const Value* other = b.dict()->find(key);
      if (other == nullptr || !equal(value, *other, budget, line)) return false;
    }
    return true;
  }
  throw TemplateError(line, "comparing " + kind_of(a) + " is outside the subset");
}

std::string printed(const Value& value, int line) {
  if (const std::string* text = value.text()) return *text;
  if (value.undefined()) return "";
  if (value.none()) return "None";
  if (const bool* b = std::get_if<bool>(&value.data)) return *b ? "True" : "False";
  if (const auto* i = std::get_if<std::int64_t>(&value.data)) return std::to_string(*i);
  if (const auto* d = std::get_if<double>(&value.data)) return float_text(*d, line);
  throw TemplateError(line, "the text of " + kind_of(value) + " is outside the subset");
}

std::string to_json(const Value& value, int indent, Budget& budget, int line) {
  JsonWriter writer{{}, indent, budget, line};
  writer.write(value, 0);
  return std::move(writer.out);
}

std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t n = std::max<std::size_t>(1, utf8_length(text, at));
    out.push_back(text.substr(at, n));
    at += n;
  }
  return out;
}

std::string_view strip(std::string_view text, bool left, bool right, const std::string* set) {
  std::vector<std::string_view> wanted;
  if (set != nullptr) wanted = characters(*set);
  const auto goes = [&](std::string_view c) {
    return set == nullptr ? is_space(c) : std::find(wanted.begin(), wanted.end(), c) != wanted.end();
  };
  while (left && !text.empty()) {
    const std::string_view c = text.substr(0, std::max<std::size_t>(1, utf8_length(text, 0)));
    if (!goes(c)) break;
    text.remove_prefix(c.size());
  }
  while (right && !text.empty()) {
    std::size_t begin = text.size() - 1;
    while (begin > 0 && text.size() - begin < 4 && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80)
      --begin;
    if (utf8_length(text, begin) != text.size() - begin) begin = text.size() - 1;
    if (!goes(text.substr(begin))) break;
    text.remove_suffix(text.size() - begin);
  }
  return text;
}

}  // namespace brinkmap::worker::jinja
