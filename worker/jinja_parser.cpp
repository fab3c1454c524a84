#include "worker/jinja_parser.h"

#include <algorithm>
#include <initializer_list>

#include "worker/jinja_expression.h"

namespace brinkmap::worker::jinja {

namespace {

constexpr std::size_t kLongestSource = std::size_t{1} << 20;

class StatementParser {
 public:
  explicit StatementParser(TokenCursor& cursor) : c_(cursor) {}

  NodePtr run() { return body({}); }

 private:
  std::string need_new_name() {
    if (c_.now().kind != TokenKind::kName) c_.expected("a name");
    static constexpr std::string_view kReserved[] = {"and",   "or",   "not",  "in",   "is",
                                                     "if",    "else", "true", "True", "false",
                                                     "False", "none", "None", "loop"};
    if (std::find(std::begin(kReserved), std::end(kReserved), c_.now().text) != std::end(kReserved))
      c_.expected("a name of one's own");
    return c_.take().text;
  }

  bool at_tag(std::string_view name) const {
    return c_.now().kind == TokenKind::kTagBegin && c_.ahead().kind == TokenKind::kName &&
           c_.ahead().text == name;
  }

  // Up to one of the tags `ends`, which is left standing, or to the template's end when there are none.
  NodePtr body(std::initializer_list<std::string_view> ends) {
    const TokenCursor::Deeper deeper(c_);
    NodePtr node = make(NodeKind::kBody, c_.now().line);
    while (true) {
      if (std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return at_tag(end); }))
        return node;
      switch (c_.now().kind) {
        case TokenKind::kEnd:
          if (ends.size() == 0) return node;
          c_.expected("{% " + std::string(*(ends.end() - 1)) + " %}");
        case TokenKind::kData: {
          NodePtr data = make(NodeKind::kData, c_.now().line);
          data->value = Value(c_.take().text);
          add(*node, std::move(data));
          break;
        }
        case TokenKind::kPrintBegin: {
          const int line = c_.take().line;
          NodePtr value = parse_tuple(c_);
          c_.need_kind(TokenKind::kPrintEnd, "'}}'");
          add(*node, make(NodeKind::kPrint, line, "", std::move(value)));
          break;
        }
        default:
          add(*node, statement());
      }
    }
  }

  void end_tag() { c_.need_kind(TokenKind::kTagEnd, "'%}'"); }
  // {% name %}
  void whole_tag() {
    c_.take();
    c_.take();
    end_tag();
  }

  NodePtr statement() {
    const int line = c_.take().line;  // {%
    if (c_.now().kind != TokenKind::kName) c_.expected("a statement");
    const std::string name = c_.take().text;
    if (name == "if") return if_statement(line);
    if (name == "for") return for_statement(line);
    if (name == "set") return set_statement(line);
    if (name == "macro") return macro(line);
    if (name == "break" || name == "continue") {
      if (loops_ == 0) throw TemplateError(line, "'" + name + "' stands outside a loop");
      end_tag();
      return make(name == "break" ? NodeKind::kBreak : NodeKind::kContinue, line);
    }
    if (name == "generation") {  // marks what an assistant wrote, for training; nothing to us
      end_tag();
      NodePtr node = body({"endgeneration"});
      whole_tag();
      return node;
    }
    throw TemplateError(line, "statement '" + name + "' is outside the subset");
  }

  NodePtr if_statement(int line) {
    NodePtr node = make(NodeKind::kIf, line);
    while (true) {
      add(*node, parse_expression(c_));
      end_tag();
      add(*node, body({"elif", "else", "endif"}));
      if (!at_tag("elif")) break;
      c_.take();
      c_.take();
    }
    if (at_tag("else")) {
      whole_tag();
      add(*node, body({"endif"}));
    }
    whole_tag();
    return node;
  }

  NodePtr for_statement(int line) {
    NodePtr node = make(NodeKind::kFor, line);
    const bool bracket = c_.take_op("(");
    do node->names.push_back(need_new_name());
    while (c_.take_op(","));
    if (bracket) c_.need_op(")");
    if (!c_.take_name("in")) c_.expected("'in'");
    add(*node, parse_tuple(c_, false));
    add(*node, c_.take_name("if") ? parse_expression(c_) : nullptr);
    if (c_.is_name("recursive")) c_.expected("no recursive loop, which is outside the subset");
    end_tag();
    ++loops_;
    add(*node, body({"else", "endfor"}));
    --loops_;
    NodePtr other;
    if (at_tag("else")) {
      whole_tag();
      other = body({"endfor"});
    }
    add(*node, std::move(other));
    whole_tag();
    return node;
  }

  NodePtr set_statement(int line) {
    NodePtr node = make(NodeKind::kSet, line);
    node->names.push_back(need_new_name());
    if (c_.take_op(".")) {
      node->text = ".";
      if (c_.now().kind != TokenKind::kName) c_.expected("an attribute");
      node->names.push_back(c_.take().text);
    } else {
      while (c_.take_op(",")) node->names.push_back(need_new_name());
    }
    if (c_.take_op("=")) {
      add(*node, parse_tuple(c_));
      end_tag();
      return node;
    }
    if (node->names.size() > 1) c_.expected("'='");
    if (c_.is_op("|")) c_.expected("no filter on a block, which is outside the subset");
    end_tag();
    node->kind = NodeKind::kSetBlock;
    add(*node, body({"endset"}));
    whole_tag();
    return node;
  }

  NodePtr macro(int line) {
    NodePtr node = make(NodeKind::kMacro, line);
    node->text = need_new_name();
    c_.need_op("(");
    while (!c_.take_op(")")) {
      if (!node->names.empty()) c_.need_op(",");
      node->names.push_back(need_new_name());
      if (c_.take_op("=")) {
        NodePtr value = parse_expression(c_);
        grow(*node, value.get());
        node->named.emplace_back(node->names.back(), std::move(value));
      } else if (!node->named.empty()) {
        c_.expected("'='");
      }
    }
    end_tag();
    const int outer_loops = std::exchange(loops_, 0);
    add(*node, body({"endmacro"}));
    loops_ = outer_loops;
    whole_tag();
    return node;
  }

  TokenCursor& c_;
  int loops_ = 0;  // around the statement
};

}  // namespace

NodePtr parse(std::string_view source) {
  if (source.size() > kLongestSource) throw TemplateError(1, "is longer than 2^20 bytes");
  TokenCursor cursor(tokenize(source));
  return StatementParser(cursor).run();
}

}  // namespace brinkmap::worker::jinja
