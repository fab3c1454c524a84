#include "worker/jinja_eval.h"

#include <algorithm>
#include <deque>
#include <optional>

#include "worker/jinja_builtins.h"
#include "worker/jinja_operators.h"

namespace brinkmap::worker::jinja {

namespace {

enum class Flow : std::uint8_t { kNext, kBreak, kContinue };

struct Scope {
  const Scope* outer = nullptr;
  std::map<std::string, Value, std::less<>> names;

  const Value* find(const std::string& name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->outer)
      if (const auto it = scope->names.find(name); it != scope->names.end()) return &it->second;
    return nullptr;
  }
};

bool is_function(const std::string& name) {
  return name == "raise_exception" || name == "namespace" || name == "range" || name == "dict";
}

class Evaluator {
 public:
  explicit Evaluator(const Dict& variables) {
    for (const auto& [name, value] : variables.entries) top_.names[name] = value;
  }

  std::string run(const Node& body) {
    execute(body, top_);
    return std::move(out_);
  }

 private:
  // Recursion of both walks; a macro may call itself.
  struct Deeper {
    Deeper(int& d, int line) : depth(d) {
      if (++depth > 600) throw TemplateError(line, "calls too deeply");
    }
    ~Deeper() { --depth; }
    int& depth;
  };

  Site site(const Node& node) { return {budget_, node.line}; }
  [[noreturn]] static void fail(const Node& node, const std::string& what) {
    throw TemplateError(node.line, what);
  }

  void print(const Node& node, const std::string& text) {
    budget_.bytes(node.line, text.size());
    out_ += text;
  }

  // What a body prints, without printing it.
  std::string printed_by(const Node& body, Scope& scope) {
    std::string outer = std::exchange(out_, {});
    execute(body, scope);
    return std::exchange(out_, std::move(outer));
  }

  Flow execute(const Node& node, Scope& scope) {
    const Deeper deeper(depth_, node.line);
    budget_.step(node.line);
    switch (node.kind) {
      case NodeKind::kBody:
        for (const NodePtr& kid : node.kids)
          if (const Flow flow = execute(*kid, scope); flow != Flow::kNext) return flow;
        return Flow::kNext;
      case NodeKind::kData:
        print(node, *node.value.text());
        return Flow::kNext;
      case NodeKind::kPrint:
        print(node, printed(evaluate(*node.kids[0], scope), node.line));
        return Flow::kNext;
      case NodeKind::kIf:
        for (std::size_t i = 0; i + 1 < node.kids.size(); i += 2)
          if (truthy(evaluate(*node.kids[i], scope))) return execute(*node.kids[i + 1], scope);
        return node.kids.size() % 2 == 1 ? execute(*node.kids.back(), scope) : Flow::kNext;
      case NodeKind::kFor:
        loop(node, scope);
        return Flow::kNext;
      case NodeKind::kSet:
        set(node, scope);
        return Flow::kNext;
      case NodeKind::kSetBlock: {
        Scope inner{&scope, {}};
        scope.names[node.names[0]] = Value(printed_by(*node.kids[0], inner));
        return Flow::kNext;
      }
      case NodeKind::kMacro:
        if (&scope != &top_) fail(node, "a macro inside a loop or macro is outside the subset");
        scope.names[node.text] = Value(Callable{node.text, &node});
        return Flow::kNext;
      case NodeKind::kBreak:
        return Flow::kBreak;
      case NodeKind::kContinue:
        return Flow::kContinue;
      default:
        fail(node, "an expression where a statement belongs");
    }
  }

  void bind(const Node& node, const Value& value, Scope& scope) {
    if (node.names.size() == 1) {
      scope.names[node.names[0]] = value;
      return;
    }
    const std::vector<Value> parts = items_of(value, site(node));
    if (parts.size() != node.names.size())
      fail(node, "expected " + std::to_string(node.names.size()) + " values, found " +
                     std::to_string(parts.size()));
    for (std::size_t i = 0; i < parts.size(); ++i) scope.names[node.names[i]] = parts[i];
  }

  void set(const Node& node, Scope& scope) {
    const Value value = evaluate(*node.kids[0], scope);
    if (node.text != ".") return bind(node, value, scope);
    const Value* target = scope.find(node.names[0]);
    const Namespace* space = target == nullptr ? nullptr : std::get_if<Namespace>(&target->data);
    if (space == nullptr) fail(node, "expected a namespace called '" + node.names[0] + "'");
    (*space->attributes)[node.names[1]] = value;
  }

  void loop(const Node& node, Scope& scope) {
    std::vector<Value> items = items_of(evaluate(*node.kids[0], scope), site(node));
    if (node.kids[1] != nullptr) {
      std::vector<Value> kept;
      for (Value& item : items) {
        Scope inner{&scope, {}};
        bind(node, item, inner);
        if (truthy(evaluate(*node.kids[1], inner))) kept.push_back(std::move(item));
      }
      items = std::move(kept);
    }
    const auto n = static_cast<std::int64_t>(items.size());
    for (std::int64_t i = 0; i < n; ++i) {
      const auto item = [&](std::int64_t k) {
        return k < 0 || k >= n ? Value(Undefined{"loop neighbour"}) : items[static_cast<std::size_t>(k)];
      };
      Scope inner{&scope, {}};
      budget_.bytes(node.line, 1024);  // about what `loop` takes
      inner.names["loop"] = make_dict({{"index", Value(i + 1)},
                                       {"index0", Value(i)},
                                       {"revindex", Value(n - i)},
                                       {"revindex0", Value(n - i - 1)},
                                       {"first", Value(i == 0)},
                                       {"last", Value(i + 1 == n)},
                                       {"length", Value(n)},
                                       {"depth", Value(std::int64_t{1})},
                                       {"depth0", Value(std::int64_t{0})},
                                       {"previtem", item(i - 1)},
                                       {"nextitem", item(i + 1)}},
                                      node.line);
      bind(node, item(i), inner);
      if (execute(*node.kids[2], inner) == Flow::kBreak) break;
    }
    if (n == 0 && node.kids[3] != nullptr) {
      Scope inner{&scope, {}};
      execute(*node.kids[3], inner);
    }
  }

  Value evaluate(const Node& node, Scope& scope) {
    const Deeper deeper(depth_, node.line);
    budget_.step(node.line);
    const auto kid = [&](std::size_t i) { return evaluate(*node.kids[i], scope); };
    switch (node.kind) {
      case NodeKind::kLiteral:
        return node.value;
      case NodeKind::kName:
        return name(node, scope);
      case NodeKind::kList: {
        std::vector<Value> items;
        for (const NodePtr& item : node.kids) items.push_back(evaluate(*item, scope));
        budget_.bytes(node.line, items.size() * sizeof(Value));
        return make_list(std::move(items), node.line);
      }
      case NodeKind::kDict:
        return dict(node, scope);
      case NodeKind::kUnary:
        return unary(node.text, kid(0), site(node));
      case NodeKind::kBinary:
        if (node.text == "and" || node.text == "or") {
          const Value left = kid(0);
          return truthy(left) == (node.text == "and") ? kid(1) : left;
        }
        return binary(node.text, kid(0), kid(1), site(node));
      case NodeKind::kCompare:
        return compare(node, scope);
      case NodeKind::kChoice:
        if (truthy(kid(0))) return kid(1);
        return node.kids[2] == nullptr ? Value(Undefined{}) : kid(2);
      case NodeKind::kAttr:
        return attribute(kid(0), node.text, site(node));
      case NodeKind::kItem:
        return item_of(kid(0), kid(1), site(node));
      case NodeKind::kSlice:
        return slice(node, scope);
      case NodeKind::kFilter:
        return apply_filter(node.text, kid(0), arguments(node, scope), site(node));
      case NodeKind::kTest:
        return Value(apply_test(node.text, kid(0), arguments(node, scope), site(node)));
      case NodeKind::kCall:
        return call(node, scope);
      default:
        fail(node, "a statement where an expression belongs");
    }
  }

  static Value name(const Node& node, const Scope& scope) {
    if (const Value* value = scope.find(node.text)) return *value;
    if (is_function(node.text)) return Value(Callable{node.text, nullptr});
    for (const char* other : {"lipsum", "cycler", "joiner"})
      if (node.text == other) fail(node, "'" + node.text + "' is outside the subset");
    return Value(Undefined{node.text});
  }

  Value dict(const Node& node, Scope& scope) {
    std::vector<std::pair<std::string, Value>> entries;
    for (std::size_t i = 0; i < node.kids.size(); i += 2) {
      const Value key = evaluate(*node.kids[i], scope);
      if (key.text() == nullptr) fail(node, kind_of(key) + " as a key is outside the subset");
      Value value = evaluate(*node.kids[i + 1], scope);
      const auto old = std::find_if(entries.begin(), entries.end(),
                                    [&](const auto& entry) { return entry.first == *key.text(); });
      if (old == entries.end())
        entries.emplace_back(*key.text(), std::move(value));
      else
        old->second = std::move(value);
    }
    return make_dict(std::move(entries), node.line);
  }

  Value compare(const Node& node, Scope& scope) {
    Value left = evaluate(*node.kids[0], scope);
    for (std::size_t i = 0; i < node.names.size(); ++i) {
      const std::string& op = node.names[i];
      Value right = evaluate(*node.kids[i + 1], scope);
      const bool holds = op == "in"       ? contains(right, left, site(node))
                         : op == "not in" ? !contains(right, left, site(node))
                                          : apply_test(op, left, {{right}, {}}, site(node));
      if (!holds) return Value(false);
      left = std::move(right);
    }
    return Value(true);
  }

  Value slice(const Node& node, Scope& scope) {
    const Value object = evaluate(*node.kids[0], scope);
    std::optional<std::int64_t> bounds[3];
    for (std::size_t i = 0; i < 3; ++i) {
      if (node.kids[i + 1] == nullptr) continue;
      const Value value = evaluate(*node.kids[i + 1], scope);
      std::int64_t number = 0;
      if (value.none()) continue;
      if (!value.integer(number)) fail(node, kind_of(value) + " in a slice");
      bounds[i] = number;
    }
    return slice_of(object, bounds[0], bounds[1], bounds[2], site(node));
  }

  Arguments arguments(const Node& node, Scope& scope) {
    Arguments out;
    for (std::size_t i = 1; i < node.kids.size(); ++i)
      out.positional.push_back(evaluate(*node.kids[i], scope));
    for (const auto& [name, value] : node.named) out.named.emplace_back(name, evaluate(*value, scope));
    return out;
  }

  Value call(const Node& node, Scope& scope) {
    const Node& callee = *node.kids[0];
    if (callee.kind == NodeKind::kAttr) {
      const Value object = evaluate(*callee.kids[0], scope);
      if (object.undefined()) fail(node, kind_of(object) + " has no method '" + callee.text + "'");
      return call_method(object, callee.text, arguments(node, scope), site(node));
    }
    const Value function = evaluate(callee, scope);
    const Callable* callable = std::get_if<Callable>(&function.data);
    if (callee.kind == NodeKind::kName && callee.text == "strftime_now" && callable == nullptr)
      fail(node, "strftime_now: a prompt that changes with the day is no function of the job");
    if (callable == nullptr) fail(node, kind_of(function) + " cannot be called");
    const Arguments given = arguments(node, scope);
    return callable->macro != nullptr ? call_macro(*callable->macro, given)
                                      : call_function(node, callable->name, given);
  }

  Value call_macro(const Node& macro, const Arguments& given) {
    if (given.positional.size() > macro.names.size())
      fail(macro, "macro '" + macro.text + "' takes " + std::to_string(macro.names.size()) + " arguments");
    Scope inner{&top_, {}};
    for (std::size_t i = 0; i < given.positional.size(); ++i)
      inner.names[macro.names[i]] = given.positional[i];
    for (const auto& [name, value] : given.named) {
      if (std::find(macro.names.begin(), macro.names.end(), name) == macro.names.end() ||
          inner.names.contains(name))
        fail(macro, "macro '" + macro.text + "' takes no further argument '" + name + "'");
      inner.names[name] = value;
    }
    for (const auto& [name, value] : macro.named)
      if (!inner.names.contains(name)) inner.names[name] = evaluate(*value, inner);
    for (const std::string& name : macro.names)
      if (!inner.names.contains(name)) inner.names[name] = Value(Undefined{name});
    return Value(printed_by(*macro.kids[0], inner));
  }

  Value call_function(const Node& node, const std::string& name, const Arguments& given) {
    if (name == "raise_exception") {
      if (given.positional.size() != 1 || !given.named.empty()) fail(node, "raise_exception takes one text");
      fail(node, "the template refuses: " + printed(given.positional[0], node.line));
    }
    if (name == "range") return range(node, given);
    if (!given.positional.empty()) fail(node, name + " of values without names is outside the subset");
    if (name == "dict") return make_dict(given.named, node.line);
    auto& attributes = namespaces_.emplace_back();
    for (const auto& [key, value] : given.named) attributes[key] = value;
    return Value(Namespace{&attributes});
  }

  Value range(const Node& node, const Arguments& given) {
    std::int64_t bounds[3] = {0, 0, 1};
    const std::size_t n = given.positional.size();
    if (n < 1 || n > 3 || !given.named.empty()) fail(node, "range takes one to three integers");
    for (std::size_t i = 0; i < n; ++i)
      if (!given.positional[i].integer(bounds[n == 1 ? 1 : i])) fail(node, "range takes integers");
    const auto [begin, end, step] = bounds;
    if (step == 0) fail(node, "range: the step is zero");
    std::vector<Value> items;
    for (std::int64_t i = begin; step > 0 ? i < end : i > end;) {
      budget_.step(node.line);
      budget_.bytes(node.line, sizeof(Value));
      items.emplace_back(i);
      if (__builtin_add_overflow(i, step, &i)) break;
    }
    return make_list(std::move(items), node.line);
  }

  Budget budget_;
  Scope top_;
  std::deque<std::map<std::string, Value, std::less<>>> namespaces_;
  std::string out_;
  int depth_ = 0;
};

}  // namespace

std::string render(const Node& body, const Dict& variables) { return Evaluator(variables).run(body); }

}  // namespace brinkmap::worker::jinja
