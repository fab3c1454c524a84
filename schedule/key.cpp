#include "schedule/key.h"

#include <cstdio>

namespace brinkmap::schedule {
namespace {

constexpr std::size_t kShown = 40;  // bytes of a wrong value in an error message
constexpr std::size_t kLongestId = 64;

bool is_plain(const YAML::Node& node) { return node.IsScalar() && node.Tag() != "!"; }

template <class N>
bool parse_whole(const std::string& text, N& out) {
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, out);
  return result.ec == std::errc() && result.ptr == end && !text.empty();
}

}  // namespace

std::string quoted(const YAML::Node& node) {
  if (node.IsMap()) return "a map";
  if (node.IsSequence()) return "a list";
  if (!node.IsScalar()) return "nothing";
  std::string text = node.Scalar().substr(0, kShown);
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  return "'" + text + (node.Scalar().size() > kShown ? "...'" : "'");
}

std::string read_text(const Place& place, const YAML::Node& node, std::size_t longest) {
  if (!node.IsScalar()) place.fail(node, "expected text, found " + quoted(node));
  const std::string& text = node.Scalar();
  if (text.empty()) place.fail(node, "expected text, found an empty string");
  if (text.size() > longest)
    place.fail(
        node, "expected at most " + std::to_string(longest) + " bytes, found " + std::to_string(text.size()));
  if (text.find('\0') != std::string::npos) place.fail(node, "expected text, found a zero byte in it");
  return text;
}

std::string read_id(const Place& place, const YAML::Node& node) {
  const std::string id = read_text(place, node, kLongestId);
  for (const char c : id) {
    const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-';
    if (!fine) place.fail(node, "expected an id of letters, digits, '.', '_', '-', found " + quoted(node));
  }
  return id;
}

double read_number(const Place& place, const YAML::Node& node, double low, double high,
                   const std::string& accepts) {
  double value = 0;
  if (!is_plain(node) || !parse_whole(node.Scalar(), value) || !std::isfinite(value))
    place.fail(node, "expected " + accepts + ", found " + quoted(node));
  if (value < low || value > high) place.fail(node, "expected " + accepts + ", found " + show_number(value));
  return value;
}

std::int64_t read_integer(const Place& place, const YAML::Node& node, std::int64_t low, std::int64_t high,
                          const std::string& accepts) {
  std::int64_t value = 0;
  if (!is_plain(node) || !parse_whole(node.Scalar(), value) || value < low || value > high)
    place.fail(node, "expected " + accepts + ", found " + quoted(node));
  return value;
}

std::uint64_t read_seed(const Place& place, const YAML::Node& node, const std::string& accepts) {
  std::uint64_t value = 0;
  if (!is_plain(node) || !parse_whole(node.Scalar(), value))
    place.fail(node, "expected " + accepts + ", found " + quoted(node));
  return value;
}

std::string show_number(double value) {
  char text[32];
  const auto result = std::to_chars(text, text + sizeof text, value);
  return std::string(text, result.ptr);
}

std::string show_text(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += code;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

}  // namespace brinkmap::schedule
