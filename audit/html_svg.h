#pragma once

#include <cmath>
#include <string>

// Pictures as inline SVG. Colours and strokes are classes of audit/html/page.css, so that one drawing serves
// light, dark and paper.
namespace brinkmap::audit {

// Maps [low, high] of the data to [from, to] of the drawing, by the logarithm when both are positive and
// `log`.
struct Scale {
  double low = 0, high = 1;
  double from = 0, to = 1;
  bool log = false;

  double operator()(double value) const;
};

// Opens an <svg> that a reader meets as one group of points; the script moves among them with the arrow keys.
std::string svg_begin(double width, double height, const std::string& label);
// `d` as one thin path behind the drawing; svg_segment makes a part of it.
std::string svg_grid(const std::string& d);
std::string svg_segment(double x1, double y1, double x2, double y2);
std::string svg_line(double x1, double y1, double x2, double y2, const char* style);
std::string svg_rectangle(double x, double y, double width, double height, const char* style);
// `anchor`: "start", "middle" or "end".
std::string svg_text(double x, double y, const std::string& text, const char* anchor, const char* style = "");

// What a point says, and where its number is stored.
struct Point {
  double x = 0, y = 0;
  std::string row;    // of the matrix, as View::row_id names it; empty where the picture is of one row
  std::string says;   // read aloud and shown on hover
  std::string place;  // in the result file; empty where the picture around says it
  std::string style;  // classes
  int shape = 0;      // of kShapes, modulo
  double size = 4;
  double low = NAN, high = NAN;  // y of the ends of its whisker; none when either is NaN
};
inline constexpr int kShapes = 5;  // circle, square, diamond, triangle, triangle on its head
std::string svg_point(const Point& point);
// A drawing that a reader meets as one point: `d` is its path. The script makes it one of the points that the
// arrow keys walk through.
std::string svg_shape(const char* style, const std::string& row, const std::string& says,
                      const std::string& place, const std::string& d);
std::string svg_whisker(double x1, double y1, double x2, double y2);

}  // namespace brinkmap::audit
