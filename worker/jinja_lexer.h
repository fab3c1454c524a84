#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace brinkmap::worker::jinja {

enum class TokenKind : std::uint8_t {
  kData,        // text outside tags, after white-space control
  kPrintBegin,  // {{
  kPrintEnd,    // }}
  kTagBegin,    // {%
  kTagEnd,      // %}
  kName,
  kText,  // a string literal, its escapes resolved
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind{};
  std::string text;
  int line = 1;
};

// Cuts a template into tokens as Jinja does with trim_blocks and lstrip_blocks on and keep_trailing_newline
// off (which is how transformers sets it up): the newline after a tag goes, so does white space before a tag
// that begins its line, and a minus inside a tag's border eats all white space beyond. Throws TemplateError.
// Documentation: jinja.palletsprojects.com, "Template Designer Documentation", white space control.
std::vector<Token> tokenize(std::string_view source);

}  // namespace brinkmap::worker::jinja
