#include "audit/html_text.h"

#include <fmt/core.h>

#include <cmath>

#include "audit/table.h"

namespace brinkmap::audit {

std::string escape(const std::string& text) {
  std::string out;
  for (const char c : one_line(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string attribute(const char* name, const std::string& value) {
  return value.empty() ? "" : std::string(" ") + name + "=\"" + escape(value) + "\"";
}

std::string row_attribute(const std::string& id) { return id.empty() ? "" : " data-row=" + id; }

std::string coordinate(double value) {
  const double rounded = std::round(value * 10) / 10;
  if (rounded == std::round(rounded)) return fmt::format("{:.0f}", rounded == 0 ? 0.0 : rounded);
  return fmt::format("{:.1f}", rounded);
}

std::string signed_text(double value, int digits) {
  if (!std::isfinite(value)) return "-";
  const std::string size = fmt::format("{:.{}f}", std::fabs(value), digits);
  const bool zero = size.find_first_not_of("0.") == std::string::npos;
  return (zero ? "±" : value < 0 ? "−" : "+") + size;
}

}  // namespace brinkmap::audit
