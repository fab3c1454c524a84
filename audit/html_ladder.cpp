#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "audit/html_pictures.h"
#include "audit/html_svg.h"
#include "audit/html_text.h"
#include "audit/table_reader.h"

namespace brinkmap::audit {
namespace {

constexpr double kWidth = 250, kHeight = 140, kLeft = 34, kRight = 8, kTop = 8, kBottom = 20;

// The lines of one model and task.
struct Chart {
  std::string model, task;
  std::vector<std::size_t> levels, outside;  // lines of the comparisons table
  std::size_t brink = SIZE_MAX;              // line of the breaks table
};

std::vector<Chart> charts_of(const View& view, const TableReader& scores, const TableReader& breaks) {
  std::vector<Chart> out;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const std::string& model = view.report.rows[view.row_of.at(scores.text(i, "row"))].model;
    const std::string task = scores.text(i, "task");
    if (out.empty() || out.back().model != model || out.back().task != task)
      out.push_back({model, task, {}, {}});
    (scores.is_set(i, "on_ladder") ? out.back().levels : out.back().outside).push_back(i);
  }
  for (Chart& c : out)
    for (std::size_t i = 0; i < breaks.size() && c.brink == SIZE_MAX; ++i)
      if (breaks.text(i, "model") == c.model && breaks.text(i, "task") == c.task) c.brink = i;
  return out;
}

class Drawing {
 public:
  Drawing(const View& view, const TableReader& scores, const TableReader& breaks, const Chart& chart)
      : view_(view), scores_(scores), breaks_(breaks), chart_(chart) {
    x_.low = -1;
    bool share = true;
    y_ = {1e300, -1e300, kHeight - kBottom, kTop};
    for (const auto* lines : {&chart.levels, &chart.outside})
      for (const std::size_t i : *lines) {
        const double bits = scores.number(i, "bits_per_weight");
        if (!std::isfinite(bits)) continue;
        if (x_.low < 0) x_ = {bits, bits, kLeft, kWidth - kRight, true};
        x_.low = std::max(x_.low, bits);  // the widest level stands left
        x_.high = std::min(x_.high, bits);
        for (const char* key : {"score", "score_low", "score_high"}) {
          const double v = scores.number(i, key);
          if (!std::isfinite(v)) continue;
          y_.low = std::min(y_.low, v);
          y_.high = std::max(y_.high, v);
        }
        // A normal interval may leave the range of a share; its axis does not.
        const double score = scores.number(i, "score");
        share = share && !(score < 0 || score > 1);
      }
    const double middle = (y_.low + y_.high) / 2, half = std::max((y_.high - y_.low) / 2 * 1.08, 0.1);
    y_.low = share ? std::max(0.0, middle - half) : middle - half;
    y_.high = share ? std::min(1.0, middle + half) : middle + half;
    x_.low *= 1.08;
    x_.high /= 1.08;
  }

  bool drawable() const { return x_.low > 0 && y_.low < y_.high && !chart_.levels.empty(); }

  std::string draw() const {
    return "<figure" + attribute("data-p", view_.sources.task_template(chart_.task)) + ">" +
           svg_begin(kWidth, kHeight, chart_.model + ", " + chart_.task + " along the ladder") + frame() +
           brink() + levels() + outside() + "</svg><figcaption><b>" + escape(chart_.task) + "</b> " +
           escape(caption()) + "</figcaption></figure>\n";
  }

 private:
  std::string frame() const {
    std::string out, grid;
    for (const double bits : {16.0, 8.0, 4.0, 2.0})
      if (bits <= x_.low && bits >= x_.high) {
        grid += svg_segment(x_(bits), kHeight - kBottom, x_(bits), kTop);
        out += svg_text(x_(bits), kHeight - 6, coordinate(bits), "middle");
      }
    for (const double at :
         {y_.low + 0.05 * (y_.high - y_.low), (y_.low + y_.high) / 2, y_.high - 0.05 * (y_.high - y_.low)}) {
      const std::string text = fmt::format("{:.2f}", at);
      grid += svg_segment(kLeft, y_(at), kWidth - kRight, y_(at));
      out += svg_text(kLeft - 4, y_(at) + 3, text, "end");
    }
    return svg_grid(grid) + out;
  }

  // x of the level of this recipe; NaN when it is not on the ladder.
  double x_of(const std::string& recipe) const {
    for (const std::size_t i : chart_.levels)
      if (view_.report.rows[view_.row_of.at(scores_.text(i, "row"))].recipe == recipe)
        return x_(scores_.number(i, "bits_per_weight"));
    return std::nan("");
  }

  std::string brink() const {
    if (chart_.brink == SIZE_MAX) return "";
    const double low = x_of(breaks_.text(chart_.brink, "change_low"));
    const double high = x_of(breaks_.text(chart_.brink, "change_high"));
    std::string out;
    if (std::isfinite(low + high))
      out += svg_rectangle(std::min(low, high) - 3, kTop, std::fabs(high - low) + 6, kHeight - kBottom - kTop,
                           "change");
    const double at = x_of(breaks_.text(chart_.brink, "breaks_at"));
    if (std::isfinite(at)) out += svg_line(at, kHeight - kBottom, at, kTop, "brink");
    return out;
  }

  std::string point(std::size_t i, const char* style, int shape) const {
    const double bits = scores_.number(i, "bits_per_weight"), score = scores_.number(i, "score");
    if (!std::isfinite(bits + score)) return "";
    const std::string row = scores_.text(i, "row");
    const bool broken = scores_.is_set(i, "broken");
    Point p{x_(bits), y_(score), view_.row_id(row), "", "", style, shape, 3};
    if (broken) p.style += " broken";
    p.says = row + ": " + scores_.cell(i, "score").text + ", " + scores_.cell(i, "bits_per_weight").text +
             " bits, n " + scores_.text(i, "n") + (broken ? ", broken" : "");
    p.low = y_(std::clamp(scores_.number(i, "score_low"), y_.low, y_.high));
    p.high = y_(std::clamp(scores_.number(i, "score_high"), y_.low, y_.high));
    return svg_point(p);
  }

  std::string levels() const {
    std::string path, points;
    for (const std::size_t i : chart_.levels) {
      const double bits = scores_.number(i, "bits_per_weight"), score = scores_.number(i, "score");
      if (!std::isfinite(bits + score)) continue;
      path += (path.empty() ? "M" : "L") + coordinate(x_(bits)) + " " + coordinate(y_(score));
      points += point(i, "level", 0);
    }
    return "<path class=curve d=\"" + path + "\"/>" + points;
  }

  std::string outside() const {
    std::string out;
    for (const std::size_t i : chart_.outside) out += point(i, "outside", 2);
    return out;
  }

  std::string caption() const {
    if (chart_.brink == SIZE_MAX) return "";
    const std::string state = breaks_.text(chart_.brink, "state"),
                      at = breaks_.text(chart_.brink, "breaks_at");
    const std::string shape = breaks_.text(chart_.brink, "shape");
    if (state != "breaks") return state;
    return "breaks at " + at + (shape.empty() ? "" : ", " + shape);
  }

  const View& view_;
  const TableReader& scores_;
  const TableReader& breaks_;
  const Chart& chart_;
  Scale x_, y_;
};

}  // namespace

std::string ladder_picture(const View& view) {
  const Table* scores = find_table(view.report, "comparisons");
  const Table* breaks = find_table(view.report, "breaks");
  if (scores == nullptr || breaks == nullptr) return "";
  const TableReader of_scores(*scores), of_breaks(*breaks);
  const std::vector<Chart> charts = charts_of(view, of_scores, of_breaks);
  std::vector<std::string> figures(view.models.size());
  for (const Chart& chart : charts) {
    const Drawing drawing(view, of_scores, of_breaks, chart);
    const auto model = std::find(view.models.begin(), view.models.end(), chart.model);
    if (drawing.drawable()) figures[static_cast<std::size_t>(model - view.models.begin())] += drawing.draw();
  }
  std::vector<std::string> notes;
  for (const std::string& model : view.models) notes.push_back(first_break(view, model));
  return section(
      view, "ladder", "The ladder and the brink",
      "Every task by bits per weight (widest left, logarithmic), with 95 % intervals. Vertical line: the "
      "brink, the widest level that breaks; shaded: 95 % interval of the change point. Diamonds: rows "
      "outside the ladder. Red points broke.",
      by_model(view, figures, notes), {"breaks", "ladder", "failures"});
}

}  // namespace brinkmap::audit
