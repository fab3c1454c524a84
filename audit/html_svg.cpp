#include "audit/html_svg.h"

#include <fmt/core.h>

#include <cmath>

#include "audit/html_text.h"

namespace brinkmap::audit {

double Scale::operator()(double value) const {
  const bool by_log = log && low > 0 && high > 0 && value > 0;
  const double a = by_log ? std::log(low) : low, b = by_log ? std::log(high) : high;
  const double v = by_log ? std::log(value) : value;
  return b == a ? (from + to) / 2 : from + (to - from) * (v - a) / (b - a);
}

std::string svg_begin(double width, double height, const std::string& label) {
  return fmt::format("<svg viewBox=\"0 0 {0} {1}\" width={0} height={1} role=group tabindex=0{2}>\n",
                     coordinate(width), coordinate(height), attribute("aria-label", label));
}

std::string svg_segment(double x1, double y1, double x2, double y2) {
  std::string out = "M" + coordinate(x1) + " " + coordinate(y1);
  if (x1 == x2) return out + "V" + coordinate(y2);
  if (y1 == y2) return out + "H" + coordinate(x2);
  return out + "L" + coordinate(x2) + " " + coordinate(y2);
}

std::string svg_grid(const std::string& d) { return d.empty() ? "" : "<path class=grid d=\"" + d + "\"/>"; }

std::string svg_line(double x1, double y1, double x2, double y2, const char* style) {
  return std::string("<path class=\"") + style + "\" d=\"" + svg_segment(x1, y1, x2, y2) + "\"/>";
}

std::string svg_rectangle(double x, double y, double width, double height, const char* style) {
  return fmt::format("<rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>", style,
                     coordinate(x), coordinate(y), coordinate(std::fmax(width, 0)),
                     coordinate(std::fmax(height, 0)));
}

std::string svg_text(double x, double y, const std::string& text, const char* anchor, const char* style) {
  return fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"{}\"{}>{}</text>", coordinate(x), coordinate(y),
                     anchor, attribute("class", style), escape(text));
}

std::string svg_whisker(double x1, double y1, double x2, double y2) {
  if (!std::isfinite(x1 + y1 + x2 + y2)) return "";
  return svg_line(x1, y1, x2, y2, "whisker");
}

std::string svg_point(const Point& p) {
  const double s = p.size;
  std::string d;
  const auto at = [&](double dx, double dy) { return coordinate(p.x + dx) + " " + coordinate(p.y + dy); };
  switch (p.shape % kShapes) {
    case 0:
      d = fmt::format("M{}a{r} {r} 0 1 0 {w} 0a{r} {r} 0 1 0 -{w} 0z", at(-s, 0),
                      fmt::arg("r", coordinate(s)), fmt::arg("w", coordinate(2 * s)));
      break;
    case 1:
      d = "M" + at(-s, -s) + "L" + at(s, -s) + "L" + at(s, s) + "L" + at(-s, s) + "z";
      break;
    case 2:
      d = "M" + at(-s * 1.3, 0) + "L" + at(0, -s * 1.3) + "L" + at(s * 1.3, 0) + "L" + at(0, s * 1.3) + "z";
      break;
    case 3:
      d = "M" + at(0, -s * 1.2) + "L" + at(s * 1.2, s) + "L" + at(-s * 1.2, s) + "z";
      break;
    default:
      d = "M" + at(0, s * 1.2) + "L" + at(s * 1.2, -s) + "L" + at(-s * 1.2, -s) + "z";
  }
  if (std::isfinite(p.low + p.high))
    d += "M" + coordinate(p.x) + " " + coordinate(p.low) + "V" + coordinate(p.high);
  return svg_shape(p.style.c_str(), p.row, p.says, p.place, d);
}

std::string svg_shape(const char* style, const std::string& row, const std::string& says,
                      const std::string& place, const std::string& d) {
  return (*style == '\0' ? "<path class=pt" : "<path" + attribute("class", std::string("pt ") + style)) +
         row_attribute(row) + attribute("aria-label", says) + attribute("data-p", place) + " d=\"" + d +
         "\"/>\n";
}

}  // namespace brinkmap::audit
