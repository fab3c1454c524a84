#include "audit/table.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "schedule/error.h"

namespace brinkmap::audit {
namespace {

struct Decoded {
  char32_t code = 0xFFFD;
  std::size_t bytes = 1;
  bool valid = false;
};

// One UTF-8 sequence; overlong forms, surrogates and codes past U+10FFFF are invalid and take one byte.
Decoded decode(const std::string& text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(at);
  if (lead < 0x80) return {lead, 1, true};
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || at + size > text.size()) return {};
  char32_t code = lead & (0xFFU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(at + i) & 0xC0U) != 0x80U) return {};
    code = code << 6 | (byte(at + i) & 0x3FU);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[size] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return {};
  return {code, size, true};
}

bool between(char32_t c, char32_t low, char32_t high) { return c >= low && c <= high; }

// Coarse Unicode 15 ranges: enough to keep columns straight.
std::size_t width_of(char32_t c) {
  if (between(c, 0x300, 0x36F) || between(c, 0x200B, 0x200F) || between(c, 0x20D0, 0x20FF) ||
      between(c, 0xFE00, 0xFE0F) || between(c, 0xFE20, 0xFE2F) || c == 0xFEFF)
    return 0;
  const bool wide = between(c, 0x1100, 0x115F) || between(c, 0x2E80, 0x303E) || between(c, 0x3041, 0xA4CF) ||
                    between(c, 0xAC00, 0xD7A3) || between(c, 0xF900, 0xFAFF) || between(c, 0xFE30, 0xFE6F) ||
                    between(c, 0xFF00, 0xFF60) || between(c, 0xFFE0, 0xFFE6) ||
                    between(c, 0x1F300, 0x1FAFF) || between(c, 0x20000, 0x3FFFD);
  return wide ? 2 : 1;
}

std::string number_text(double value) {
  char text[32];
  const auto result = std::to_chars(text, text + sizeof text, value);
  return std::string(text, result.ptr);
}

std::string csv_field(const Cell& cell) {
  const std::string text = file_text(cell);
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

}  // namespace

Cell text_cell(std::string text) { return {one_line(text), one_line(text)}; }

Cell count_cell(std::int64_t value) {
  if (value < 0) return {"-", {}};
  return {std::to_string(value), value};
}

Cell number_cell(double value, int digits) {
  if (!std::isfinite(value)) return {"-", {}};
  std::string text = fmt::format("{:.{}f}", value, digits);
  if (text[0] == '-' && text.find_first_not_of("-0.") == std::string::npos) text.erase(0, 1);  // no "-0.0"
  return {std::move(text), value};
}

Cell percent_cell(double share, int digits) {
  if (!std::isfinite(share)) return {"-", {}};
  return {fmt::format("{:.{}f} %", 100 * share, digits), share};
}

Cell shown_cell(std::string text, double value) {
  if (!std::isfinite(value)) return {std::move(text), {}};
  return {std::move(text), value};
}

Cell p_cell(double p) { return p < 0.001 ? shown_cell("<0.001", p) : number_cell(p, 3); }

Cell points_cell(double difference) {
  if (!std::isfinite(difference)) return number_cell(difference, 1);
  const double points = std::round(1000 * difference) / 10;
  return shown_cell(points == 0 ? "0.0" : fmt::format("{:+.1f}", points), difference);
}

std::size_t display_width(const std::string& text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) {
    const Decoded d = decode(text, at);
    width += d.valid ? width_of(d.code) : 1;
    at += d.bytes;
  }
  return width;
}

std::string one_line(const std::string& text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const Decoded d = decode(text, at);
    const bool control = d.code < 0x20 || between(d.code, 0x7F, 0x9F) || between(d.code, 0x2028, 0x202E) ||
                         between(d.code, 0x2066, 0x2069);
    if (!d.valid)
      out += "\xEF\xBF\xBD";
    else if (control)
      out += ' ';
    else
      out += text.substr(at, d.bytes);
    at += d.bytes;
  }
  return out;
}

std::string bar(double share, int cells) {
  static const char* const kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  if (!std::isfinite(share)) return "";
  const int eighths = static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * cells * 8));
  std::string out;
  for (int i = 0; i < eighths / 8; ++i) out += "█";
  return out + kEighths[eighths % 8];
}

void check_cells(const Table& table) {
  for (const auto& row : table.rows)
    if (row.size() != table.columns.size())
      throw Error("table " + table.id + ": a row has another number of cells");
}

std::string file_text(const Cell& cell) {
  if (const auto* i = std::get_if<std::int64_t>(&cell.value)) return std::to_string(*i);
  if (const auto* d = std::get_if<double>(&cell.value)) return std::isfinite(*d) ? number_text(*d) : "";
  const auto* text = std::get_if<std::string>(&cell.value);
  return text == nullptr ? "" : *text;
}

std::string to_csv(const Table& table) {
  check_cells(table);
  std::string out;
  const auto line = [&](const auto& field_of) {
    bool first = true;
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
      if (table.columns[c].where == Where::kText) continue;
      if (!first) out += ',';
      out += field_of(c);
      first = false;
    }
    out += "\r\n";
  };
  line([&](std::size_t c) { return csv_field({"", table.columns[c].key}); });
  for (const auto& row : table.rows) line([&](std::size_t c) { return csv_field(row[c]); });
  return out;
}

}  // namespace brinkmap::audit
