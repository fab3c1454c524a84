#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "worker/jinja_lexer.h"
#include "worker/jinja_parser.h"

// What the parsers of statements and of expressions share: a place among the tokens, and the making of nodes.
namespace brinkmap::worker::jinja {

class TokenCursor {
 public:
  explicit TokenCursor(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  // The recursion of the descent itself: brackets, unary operators and tags that hold others.
  struct Deeper {
    explicit Deeper(TokenCursor& c) : cursor(c) {
      if (++cursor.depth_ > kMostHeight) throw TemplateError(c.now().line, "nests too deeply");
    }
    ~Deeper() { --cursor.depth_; }
    TokenCursor& cursor;
  };

  const Token& now() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  bool is_op(std::string_view op) const { return now().kind == TokenKind::kOperator && now().text == op; }
  bool is_name(std::string_view name) const { return now().kind == TokenKind::kName && now().text == name; }
  Token take() {
    Token token = now();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool take_op(std::string_view op) { return is_op(op) && (take(), true); }
  bool take_name(std::string_view name) { return is_name(name) && (take(), true); }

  static std::string found(const Token& token) {
    switch (token.kind) {
      case TokenKind::kEnd:
        return "the end of the template";
      case TokenKind::kData:
      case TokenKind::kPrintBegin:
      case TokenKind::kPrintEnd:
      case TokenKind::kTagBegin:
      case TokenKind::kTagEnd:
        return "the end of the tag";
      default:
        return "'" + token.text + "'";
    }
  }
  [[noreturn]] void expected(const std::string& what) const {
    throw TemplateError(now().line, "expected " + what + ", found " + found(now()));
  }
  void need_op(std::string_view op) {
    if (!take_op(op)) expected("'" + std::string(op) + "'");
  }
  void need_kind(TokenKind kind, const char* what) {
    if (now().kind != kind) expected(what);
    take();
  }

 private:
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

inline NodePtr make(NodeKind kind, int line) {
  auto node = std::make_unique<Node>();
  node->kind = kind;
  node->line = line;
  return node;
}
inline void grow(Node& node, const Node* kid) {
  if (kid == nullptr) return;
  node.height = std::max(node.height, kid->height + 1);
  if (node.height > kMostHeight) throw TemplateError(node.line, "nests too deeply");
}
// Adds a child and keeps the height in bounds.
inline void add(Node& node, NodePtr kid) {
  grow(node, kid.get());
  node.kids.push_back(std::move(kid));
}
template <class... Kids>
NodePtr make(NodeKind kind, int line, std::string text, Kids... kids) {
  NodePtr node = make(kind, line);
  node->text = std::move(text);
  (add(*node, std::move(kids)), ...);
  return node;
}

}  // namespace brinkmap::worker::jinja
