#include "worker/jinja_expression.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>

namespace brinkmap::worker::jinja {

namespace {

// Loosest first (jinja2/parser.py has the same ladder).
class ExpressionParser {
 public:
  explicit ExpressionParser(TokenCursor& cursor) : c_(cursor) {}

  NodePtr tuple(bool choice = true) {
    const int line = c_.now().line;
    NodePtr first = choice ? expression() : either();
    if (!c_.is_op(",")) return first;
    NodePtr node = make(NodeKind::kList, line);
    add(*node, std::move(first));
    while (c_.take_op(",")) {
      if (c_.now().kind == TokenKind::kPrintEnd || c_.now().kind == TokenKind::kTagEnd || c_.is_op(")"))
        break;
      add(*node, choice ? expression() : either());
    }
    return node;
  }

  NodePtr expression() {
    const TokenCursor::Deeper deeper(c_);
    NodePtr node = either();
    while (c_.is_name("if")) {
      const int line = c_.take().line;
      NodePtr condition = either();
      NodePtr other = c_.take_name("else") ? expression() : nullptr;
      node = make(NodeKind::kChoice, line, "", std::move(condition), std::move(node), std::move(other));
    }
    return node;
  }

 private:
  // Left-associative operators of one level.
  template <class Next>
  NodePtr chain(std::initializer_list<std::string_view> operators, const Next& next) {
    NodePtr node = next();
    while (true) {
      const auto op = std::find_if(operators.begin(), operators.end(), [&](std::string_view o) {
        return c_.is_op(o) || ((o == "and" || o == "or") && c_.is_name(o));
      });
      if (op == operators.end()) return node;
      const int line = c_.take().line;
      NodePtr right = next();
      node = make(NodeKind::kBinary, line, std::string(*op), std::move(node), std::move(right));
    }
  }

  NodePtr either() {
    return chain({"or"}, [&] { return chain({"and"}, [&] { return negation(); }); });
  }

  NodePtr negation() {
    if (!c_.is_name("not")) return comparison();
    const TokenCursor::Deeper deeper(c_);
    const int line = c_.take().line;
    return make(NodeKind::kUnary, line, "not", negation());
  }

  NodePtr comparison() {
    NodePtr node = sum();
    NodePtr compare;
    while (true) {
      std::string op;
      if (c_.now().kind == TokenKind::kOperator) {
        static constexpr std::string_view kCompares[] = {"==", "!=", "<", ">", "<=", ">="};
        if (std::find(std::begin(kCompares), std::end(kCompares), c_.now().text) != std::end(kCompares))
          op = c_.now().text;
      } else if (c_.is_name("in")) {
        op = "in";
      } else if (c_.is_name("not") && c_.ahead().kind == TokenKind::kName && c_.ahead().text == "in") {
        c_.take();
        op = "not in";
      }
      if (op.empty()) break;
      const int line = c_.take().line;
      if (!compare) {
        compare = make(NodeKind::kCompare, line);
        add(*compare, std::move(node));
      }
      compare->names.push_back(std::move(op));
      add(*compare, sum());
    }
    return compare ? std::move(compare) : std::move(node);
  }

  NodePtr sum() {
    return chain({"+", "-"}, [&] {
      return chain({"~"}, [&] {
        return chain({"*", "//", "/", "%"}, [&] { return chain({"**"}, [&] { return unary(true); }); });
      });
    });
  }

  NodePtr unary(bool with_filters) {
    const TokenCursor::Deeper deeper(c_);
    NodePtr node;
    if (c_.is_op("-") || c_.is_op("+")) {
      const Token op = c_.take();
      node = make(NodeKind::kUnary, op.line, op.text, unary(false));
    } else {
      node = primary();
    }
    node = postfix(std::move(node));
    return with_filters ? filters(std::move(node)) : std::move(node);
  }

  static NodePtr literal(int line, Value value) {
    NodePtr node = make(NodeKind::kLiteral, line);
    node->value = std::move(value);
    return node;
  }

  NodePtr primary() {
    const Token token = c_.take();
    switch (token.kind) {
      case TokenKind::kName:
        if (token.text == "true" || token.text == "True") return literal(token.line, Value(true));
        if (token.text == "false" || token.text == "False") return literal(token.line, Value(false));
        if (token.text == "none" || token.text == "None") return literal(token.line, Value(None{}));
        return make(NodeKind::kName, token.line, token.text);
      case TokenKind::kText: {
        std::string text = token.text;  // neighbours join
        while (c_.now().kind == TokenKind::kText) text += c_.take().text;
        return literal(token.line, Value(std::move(text)));
      }
      case TokenKind::kInteger: {
        std::int64_t value = 0;
        const char* end = token.text.data() + token.text.size();
        if (std::from_chars(token.text.data(), end, value).ec != std::errc())
          throw TemplateError(token.line, "integer " + token.text + " is too large");
        return literal(token.line, Value(value));
      }
      case TokenKind::kFloat: {
        double value = 0;
        const char* end = token.text.data() + token.text.size();
        if (std::from_chars(token.text.data(), end, value).ec != std::errc())
          throw TemplateError(token.line, "number " + token.text + " is too large");
        return literal(token.line, Value(value));
      }
      case TokenKind::kOperator:
        if (token.text == "(") return bracket(token.line);
        if (token.text == "[") return list(token.line);
        if (token.text == "{") return dict(token.line);
        [[fallthrough]];
      default:
        throw TemplateError(token.line, "expected a value, found " + c_.found(token));
    }
  }

  NodePtr bracket(int line) {
    if (c_.take_op(")")) return make(NodeKind::kList, line);
    NodePtr node = tuple();
    c_.need_op(")");
    return node;
  }

  NodePtr list(int line) {
    NodePtr node = make(NodeKind::kList, line);
    while (!c_.take_op("]")) {
      if (!node->kids.empty()) c_.need_op(",");
      if (c_.take_op("]")) break;
      add(*node, expression());
    }
    return node;
  }

  NodePtr dict(int line) {
    NodePtr node = make(NodeKind::kDict, line);
    while (!c_.take_op("}")) {
      if (!node->kids.empty()) c_.need_op(",");
      if (c_.take_op("}")) break;
      add(*node, expression());
      c_.need_op(":");
      add(*node, expression());
    }
    return node;
  }

  // Attributes, items, slices and calls.
  NodePtr postfix(NodePtr node) {
    while (true) {
      const int line = c_.now().line;
      if (c_.take_op(".")) {
        if (c_.now().kind == TokenKind::kInteger) {
          NodePtr index = primary();
          node = make(NodeKind::kItem, line, "", std::move(node), std::move(index));
          continue;
        }
        if (c_.now().kind != TokenKind::kName) c_.expected("an attribute");
        node = make(NodeKind::kAttr, line, c_.take().text, std::move(node));
      } else if (c_.take_op("[")) {
        node = subscript(std::move(node), line);
      } else if (c_.is_op("(")) {
        NodePtr call = make(NodeKind::kCall, line, "", std::move(node));
        arguments(*call);
        node = std::move(call);
      } else {
        return node;
      }
    }
  }

  NodePtr subscript(NodePtr of, int line) {
    NodePtr parts[3];
    int n = 0;
    bool slice = false;
    while (!c_.take_op("]")) {
      if (c_.take_op(":")) {
        slice = true;
        if (++n > 2) c_.expected("']'");
      } else if (parts[n] == nullptr) {
        parts[n] = expression();
      } else {
        c_.expected("']'");
      }
    }
    if (slice)
      return make(NodeKind::kSlice, line, "", std::move(of), std::move(parts[0]), std::move(parts[1]),
                  std::move(parts[2]));
    if (parts[0] == nullptr) throw TemplateError(line, "expected an index, found ']'");
    return make(NodeKind::kItem, line, "", std::move(of), std::move(parts[0]));
  }

  void arguments(Node& node) {
    c_.need_op("(");
    bool first = true;
    while (!c_.take_op(")")) {
      if (!first) c_.need_op(",");
      if (!first && c_.take_op(")")) break;
      first = false;
      if (c_.is_op("*") || c_.is_op("**")) c_.expected("an argument");
      if (c_.now().kind == TokenKind::kName && c_.ahead().kind == TokenKind::kOperator &&
          c_.ahead().text == "=") {
        std::string name = c_.take().text;
        c_.take();
        NodePtr value = expression();
        grow(node, value.get());
        node.named.emplace_back(std::move(name), std::move(value));
      } else {
        if (!node.named.empty()) c_.expected("an argument with a name");
        add(node, expression());
      }
    }
  }

  // Filters and tests, and calls of what they give.
  NodePtr filters(NodePtr node) {
    while (true) {
      const int line = c_.now().line;
      if (c_.take_op("|")) {
        if (c_.now().kind != TokenKind::kName) c_.expected("a filter");
        NodePtr filter = make(NodeKind::kFilter, line, c_.take().text, std::move(node));
        if (c_.is_op("(")) arguments(*filter);
        node = std::move(filter);
      } else if (c_.take_name("is")) {
        node = test(std::move(node), line);
      } else if (c_.is_op("(")) {
        node = postfix(std::move(node));
      } else {
        return node;
      }
    }
  }

  NodePtr test(NodePtr of, int line) {
    const bool negated = c_.take_name("not");
    if (c_.now().kind != TokenKind::kName) c_.expected("a test");
    NodePtr node = make(NodeKind::kTest, line, c_.take().text, std::move(of));
    static constexpr std::string_view kNoArgument[] = {"else", "or", "and", "is", "if", "in", "not"};
    const bool value_follows =
        c_.now().kind == TokenKind::kText || c_.now().kind == TokenKind::kInteger ||
        c_.now().kind == TokenKind::kFloat || c_.is_op("[") || c_.is_op("{") ||
        (c_.now().kind == TokenKind::kName &&
         std::find(std::begin(kNoArgument), std::end(kNoArgument), c_.now().text) == std::end(kNoArgument));
    if (c_.is_op("(")) {
      arguments(*node);
      if (!node->named.empty()) throw TemplateError(line, "a test's arguments have no names in the subset");
    } else if (value_follows) {
      NodePtr argument = primary();
      add(*node, postfix(std::move(argument)));
    }
    return negated ? make(NodeKind::kUnary, line, "not", std::move(node)) : std::move(node);
  }

  TokenCursor& c_;
};

}  // namespace

NodePtr parse_tuple(TokenCursor& cursor, bool choice) { return ExpressionParser(cursor).tuple(choice); }
NodePtr parse_expression(TokenCursor& cursor) { return ExpressionParser(cursor).expression(); }

}  // namespace brinkmap::worker::jinja
