#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "schedule/error.h"

// Values of the Jinja subset (worker/chat_template.h): what Python's are to Jinja, as far as chat templates
// go.
namespace brinkmap::worker::jinja {

// A template that is wrong, outside the subset or over its budget. `line` counts from 1.
class TemplateError : public Error {
 public:
  TemplateError(int line, const std::string& what) : Error(what), line_(line) {}
  int line() const noexcept { return line_; }

 private:
  int line_;
};

// What one rendering may use, so that no template can hang or eat memory. Bytes are counted when they are
// made and never given back.
class Budget {
 public:
  void step(int line) {
    if (++steps_ > kMostSteps) throw TemplateError(line, "takes more than 2^18 steps");
  }
  void bytes(int line, std::size_t n) {
    if (n > kMostBytes || (bytes_ += n) > kMostBytes)
      throw TemplateError(line, "makes more than 16 MiB of text");
  }

 private:
  static constexpr std::uint64_t kMostSteps = std::uint64_t{1} << 18;
  static constexpr std::size_t kMostBytes = std::size_t{16} << 20;
  std::uint64_t steps_ = 0;
  std::size_t bytes_ = 0;
};

struct Node;
struct Value;

struct List {
  std::vector<Value> items;
  int depth = 1;  // of nesting
  // Python's generator, which some filters give: it can be read once, and nothing else can be done with it.
  bool lazy = false;
  mutable bool used = false;
};

// Keys are texts; order is that of insertion.
struct Dict {
  std::vector<std::pair<std::string, Value>> entries;
  int depth = 1;

  const Value* find(std::string_view key) const;
};

struct Undefined {
  std::string name;  // for messages
};
struct None {};
// Attributes that a template may set. The evaluator owns it, so that one may hold itself.
struct Namespace {
  std::map<std::string, Value, std::less<>>* attributes;
};
// A macro (its node), or a function that the evaluator knows by name (null).
struct Callable {
  std::string name;
  const Node* macro = nullptr;
};

struct Value {
  std::variant<Undefined, None, bool, std::int64_t, double, std::shared_ptr<const std::string>,
               std::shared_ptr<const List>, std::shared_ptr<const Dict>, Namespace, Callable>
      data;

  Value() = default;
  Value(None n) : data(n) {}
  Value(bool b) : data(b) {}
  Value(std::int64_t i) : data(i) {}
  Value(double d) : data(d) {}
  Value(std::string text) : data(std::make_shared<const std::string>(std::move(text))) {}
  Value(const char* text) : Value(std::string(text)) {}
  Value(Namespace n) : data(n) {}
  Value(Callable c) : data(std::move(c)) {}
  Value(Undefined u) : data(std::move(u)) {}

  const std::string* text() const {
    const auto* p = std::get_if<std::shared_ptr<const std::string>>(&data);
    return p == nullptr ? nullptr : p->get();
  }
  const List* list() const {  // null for a lazy one
    const List* any = sequence();
    return any == nullptr || any->lazy ? nullptr : any;
  }
  const List* sequence() const {
    const auto* p = std::get_if<std::shared_ptr<const List>>(&data);
    return p == nullptr ? nullptr : p->get();
  }
  const Dict* dict() const {
    const auto* p = std::get_if<std::shared_ptr<const Dict>>(&data);
    return p == nullptr ? nullptr : p->get();
  }
  bool undefined() const { return std::holds_alternative<Undefined>(data); }
  bool none() const { return std::holds_alternative<None>(data); }
  // Python's int, of which bool is one.
  bool integer(std::int64_t& out) const;
  bool number(double& out) const;
};

// Throw TemplateError when the nesting gets deeper than 64.
Value make_list(std::vector<Value> items, int line, bool lazy = false);
Value make_dict(std::vector<std::pair<std::string, Value>> entries, int line);

bool truthy(const Value& value);
// "a text", "undefined 'x'", ...: for messages.
std::string kind_of(const Value& value);
// Python's ==.
bool equal(const Value& a, const Value& b, Budget& budget, int line);
// What {{ value }} prints. Throws TemplateError for lists, dicts and the like: nobody prints them on purpose.
std::string printed(const Value& value, int line);
// json.dumps(value, ensure_ascii=False, indent=indent); indent < 0: on one line.
std::string to_json(const Value& value, int indent, Budget& budget, int line);

// Code points of UTF-8, each as its bytes (a broken byte is one of its own).
std::vector<std::string_view> characters(std::string_view text);
// Python's str.strip: the characters of `set`, or white space when it is null.
std::string_view strip(std::string_view text, bool left, bool right, const std::string* set = nullptr);

}  // namespace brinkmap::worker::jinja
