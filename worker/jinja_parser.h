#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "worker/jinja_value.h"

namespace brinkmap::worker::jinja {

struct Node;
using NodePtr = std::unique_ptr<Node>;

// One kind of node per construct; which of the fields below it uses stands beside it.
enum class NodeKind : std::uint8_t {
  // Statements.
  kBody,      // kids
  kData,      // value
  kPrint,     // kids[0]
  kIf,        // kids: condition, body, condition, body, ..., body of else (when their number is odd)
  kFor,       // names: targets; kids: what, condition or null, body, body of else or null
  kSet,       // names: targets, or a namespace and its attribute (text "."); kids[0]: value
  kSetBlock,  // names[0]; kids[0]: body
  kMacro,     // text: name; names: parameters; named: defaults; kids[0]: body
  kBreak,
  kContinue,
  // Expressions.
  kLiteral,  // value
  kName,     // text
  kList,     // kids (tuples too)
  kDict,     // kids: key, value, key, value, ...
  kUnary,    // text: "-", "+" or "not"; kids[0]
  kBinary,   // text: operator, "and" or "or"; kids[0], kids[1]
  kCompare,  // kids[0], then for each of names (the operators) one more
  kChoice,   // kids: condition, value, other value or null
  kAttr,     // kids[0], text
  kItem,     // kids[0], kids[1]
  kSlice,    // kids[0], begin, end, step (each may be null)
  kFilter,   // text; kids[0], then arguments; named
  kTest,     // text; kids[0], then arguments
  kCall,     // kids[0], then arguments; named
};

struct Node {
  NodeKind kind{};
  int line = 1;
  int height = 1;  // of the tree below, at most kMostHeight
  std::string text;
  Value value;
  std::vector<NodePtr> kids;
  std::vector<std::string> names;
  std::vector<std::pair<std::string, NodePtr>> named;
};

// Bounds the recursion of everything that walks a tree.
inline constexpr int kMostHeight = 200;

// The tree of a template (a kBody). Throws TemplateError, naming the construct, for wrong syntax and for
// statements outside the subset; filters, tests and methods are looked up when they are met.
NodePtr parse(std::string_view source);

}  // namespace brinkmap::worker::jinja
