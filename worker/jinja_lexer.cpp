#include "worker/jinja_lexer.h"

#include <algorithm>
#include <array>

#include "worker/jinja_value.h"

namespace brinkmap::worker::jinja {

namespace {

constexpr std::array<std::string_view, 26> kOperators{"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                      "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                      ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

// \r\n and \r become \n; one newline at the end goes.
std::string normalized(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

void append_code(std::string& out, std::uint32_t code, int line) {
  const auto add = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
    throw TemplateError(line, "a text escape stands for no character");
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xc0 | code >> 6);
    add(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    add(0xe0 | code >> 12);
    add(0x80 | (code >> 6 & 0x3f));
    add(0x80 | (code & 0x3f));
  } else {
    add(0xf0 | code >> 18);
    add(0x80 | (code >> 12 & 0x3f));
    add(0x80 | (code >> 6 & 0x3f));
    add(0x80 | (code & 0x3f));
  }
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : text_(normalized(source)) {}

  std::vector<Token> run() {
    while (at_ < text_.size()) outside();
    push(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return std::string_view(text_).substr(at_); }
  bool next_is(std::string_view wanted) const { return rest().starts_with(wanted); }
  void push(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }

  // Passes n bytes.
  void skip(std::size_t n) {
    const auto begin = text_.begin() + static_cast<std::ptrdiff_t>(at_);
    line_ += static_cast<int>(std::count(begin, begin + static_cast<std::ptrdiff_t>(n), '\n'));
    at_ += n;
    if (n > 0) line_starts_ = text_[at_ - 1] == '\n';
  }

  void skip_space() {
    const std::string_view left = rest();
    skip(left.size() - strip(left, true, false).size());
  }

  // Text up to the next tag, then the tag.
  void outside() {
    std::size_t open = at_;
    while ((open = text_.find('{', open)) != std::string::npos) {
      if (open + 1 < text_.size() && std::string_view("{%#").find(text_[open + 1]) != std::string_view::npos)
        break;
      ++open;
    }
    if (open == std::string::npos) {
      push(TokenKind::kData, text_.substr(at_));
      skip(text_.size() - at_);
      return;
    }
    const char kind = text_[open + 1];
    const char sign = open + 2 < text_.size() ? text_[open + 2] : '\0';
    std::string_view data = std::string_view(text_).substr(at_, open - at_);
    const bool at_line_start = line_starts_;
    if (sign == '-') {
      data = strip(data, false, true);
    } else if (sign != '+' && kind != '{') {
      const std::size_t newline = data.rfind('\n');
      const std::size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
      if ((begin > 0 || at_line_start) && strip(data.substr(begin), true, false).empty())
        data = data.substr(0, begin);
    }
    if (!data.empty()) push(TokenKind::kData, std::string(data));
    skip(open - at_ + 2 + (sign == '-' || sign == '+' ? 1 : 0));
    if (kind == '#')
      comment();
    else
      tag(kind == '{');
  }

  // After {#: up to and with #}.
  void comment() {
    const std::size_t end = text_.find("#}", at_);
    if (end == std::string::npos) throw TemplateError(line_, "a comment has no end");
    const char sign = end > at_ ? text_[end - 1] : '\0';
    skip(end - at_ + 2);
    after_block(sign);
  }

  void after_block(char sign) {
    if (sign == '-')
      skip_space();
    else if (sign != '+' && next_is("\n"))
      skip(1);
  }

  // After {{ or {%: tokens up to and with the end of the tag.
  void tag(bool print) {
    const int begin_line = line_;
    push(print ? TokenKind::kPrintBegin : TokenKind::kTagBegin, "");
    const std::string end = print ? "}}" : "%}";
    std::string open;  // brackets
    while (at_ < text_.size()) {
      if (open.empty()) {
        const char sign = (next_is("-" + end) || (!print && next_is("+" + end))) ? text_[at_] : '\0';
        if (sign != '\0' || next_is(end)) {
          push(print ? TokenKind::kPrintEnd : TokenKind::kTagEnd, "");
          skip(end.size() + (sign == '\0' ? 0 : 1));
          if (!print)
            after_block(sign);
          else if (sign == '-')
            skip_space();
          return;
        }
      }
      one_token(open);
    }
    throw TemplateError(begin_line, print ? "{{ has no end" : "{% has no end");
  }

  void one_token(std::string& open) {
    const char c = text_[at_];
    if (strip(rest().substr(0, 1), true, false).empty()) return skip_space();
    if (is_digit(c)) return number();
    if (is_name(c)) {
      std::size_t n = 1;
      while (at_ + n < text_.size() && is_name(text_[at_ + n])) ++n;
      push(TokenKind::kName, text_.substr(at_, n));
      return skip(n);
    }
    if (c == '"' || c == '\'') return literal(c);
    for (std::string_view op : kOperators) {
      if (!next_is(op)) continue;
      if (op == "(" || op == "[" || op == "{") {
        open += op == "(" ? ')' : op == "[" ? ']' : '}';
      } else if (op == ")" || op == "]" || op == "}") {
        if (open.empty() || open.back() != op[0])
          throw TemplateError(line_, "unexpected '" + std::string(op) + "'");
        open.pop_back();
      }
      push(TokenKind::kOperator, std::string(op));
      return skip(op.size());
    }
    throw TemplateError(line_, "unexpected character '" +
                                   std::string(rest().substr(0, characters(rest().substr(0, 4))[0].size())) +
                                   "'");
  }

  void number() {
    std::size_t n = 1;
    const auto digit = [&](std::size_t i) { return at_ + i < text_.size() && is_digit(text_[at_ + i]); };
    while (digit(n)) ++n;
    bool is_float = false;
    if (rest().substr(n).starts_with(".") && digit(n + 1)) {
      is_float = true;
      ++n;
      while (digit(n)) ++n;
    }
    if (at_ + n < text_.size() && is_name(text_[at_ + n]))
      throw TemplateError(line_, "number '" + text_.substr(at_, n + 1) + "...' is outside the subset");
    push(is_float ? TokenKind::kFloat : TokenKind::kInteger, text_.substr(at_, n));
    skip(n);
  }

  // Escapes as Python's unicode-escape codec has them; an unknown one keeps its backslash.
  void literal(char quote) {
    const int begin_line = line_;
    std::string value;
    std::size_t i = at_ + 1;
    const auto hex = [&](std::size_t digits) {
      std::uint32_t code = 0;
      for (std::size_t k = 0; k < digits; ++k, ++i) {
        const char d = i < text_.size() ? text_[i] : '\0';
        const bool letter = (d >= 'a' && d <= 'f') || (d >= 'A' && d <= 'F');
        if (!is_digit(d) && !letter)
          throw TemplateError(begin_line, "a text escape lacks a hexadecimal digit");
        code = code * 16 + static_cast<std::uint32_t>(letter ? (d | 0x20) - 'a' + 10 : d - '0');
      }
      append_code(value, code, begin_line);
    };
    for (; i < text_.size() && text_[i] != quote;) {
      const char c = text_[i++];
      if (c != '\\') {
        value += c;
        continue;
      }
      if (i == text_.size()) break;
      const char e = text_[i++];
      static constexpr std::string_view kFrom = "ntrabfv\\'\"", kTo = "\n\t\r\a\b\f\v\\'\"";
      if (const std::size_t k = kFrom.find(e); k != std::string_view::npos) {
        value += kTo[k];
      } else if (e == 'x' || e == 'u' || e == 'U') {
        hex(e == 'x' ? 2 : e == 'u' ? 4 : 8);
      } else if (e == 'N' || (e >= '0' && e <= '7')) {
        throw TemplateError(begin_line, std::string("text escape \\") + e + " is outside the subset");
      } else if (e != '\n') {
        value += '\\';
        value += e;
      }
    }
    if (i >= text_.size()) throw TemplateError(begin_line, "a text has no end");
    push(TokenKind::kText, std::move(value));
    skip(i + 1 - at_);
  }

  std::string text_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool line_starts_ = true;  // what was passed last ended a line
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace brinkmap::worker::jinja
