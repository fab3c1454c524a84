#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "audit/html_pictures.h"
#include "audit/html_svg.h"
#include "audit/html_text.h"
#include "audit/table_reader.h"

namespace brinkmap::audit {
namespace {

constexpr double kLine = 17, kLeft = 112, kWidth = 366, kRight = 58, kTop = 18;
const Scale kKappa{-0.2, 1, kLeft, kWidth - kRight};

double drawn(double kappa) { return kKappa(std::clamp(kappa, kKappa.low, kKappa.high)); }

// The least kappa that the gate asks of a judge; NaN where it asks none.
double limit_of(const Report& report, const std::string& judge) {
  for (const RowVerdict& v : report.verdicts)
    for (const Check& c : v.checks)
      if (c.item == judge && c.what.starts_with("agreement")) return c.limit;
  return std::nan("");
}

// One row of the matrix at this height: kappa with its interval, and how many answers it stands on.
std::string line(const View& view, const Table& table, std::size_t i, double y, double limit) {
  const TableReader reader(table);
  const std::string row = reader.text(i, "rows"), n = reader.text(i, "clear_pairs");
  const double kappa = reader.number(i, "kappa");
  const double low = reader.number(i, "kappa_low"), high = reader.number(i, "kappa_high");
  std::string out = "<g" + row_attribute(view.row_id(row)) + ">" +
                    svg_text(kLeft - 10, y + 4, view.report.rows[view.row_of.at(row)].recipe, "end") +
                    svg_text(kWidth - kRight + 10, y + 4, "n " + n, "start");
  if (!std::isfinite(kappa)) return out + "</g>";
  std::string says = fmt::format("{}, {}: kappa {:.2f}", row, reader.text(i, "judge"), kappa);
  if (std::isfinite(low + high)) {
    says += fmt::format(" (95 % {:.2f} to {:.2f})", low, high);
    out += svg_whisker(drawn(low), y, drawn(high), y);
  }
  says += fmt::format(" on {} answers, {} of all alike; refused {} by the judge, {} by the scorer", n,
                      reader.cell(i, "agreement").text, reader.cell(i, "judge_rate").text,
                      reader.cell(i, "scorer_rate").text);
  return out +
         svg_point({drawn(kappa), y, "", says, view.sources.at(reader.text(i, "judge") + "_kappa", row),
                    kappa < limit ? "broken" : "level", 0, 4}) +
         "</g>";
}

std::string figure(const View& view, const Table& table, const std::string& model, const std::string& judge,
                   const std::vector<std::size_t>& lines) {
  const double height = kTop + kLine * static_cast<double>(lines.size()) + 6;
  const double limit = limit_of(view.report, judge);
  std::string grid, text, rows;
  for (const double kappa : {0.0, 0.5, 1.0}) {
    grid += svg_segment(kKappa(kappa), kTop, kKappa(kappa), height);
    text += svg_text(kKappa(kappa), kTop - 6, coordinate(kappa), "middle");
  }
  const std::string asked =
      std::isfinite(limit) ? svg_line(drawn(limit), kTop, drawn(limit), height, "brink") : "";
  double y = kTop - 6;
  for (const std::size_t i : lines) rows += line(view, table, i, y += kLine, limit);
  return "<figure>" +
         svg_begin(kWidth, height, model + ", " + judge + ": kappa of judge and scorer, row by row") +
         svg_grid(grid) + asked + text + rows + "</svg><figcaption><b>" + escape(model) + "</b> " +
         escape(judge) + (asked.empty() ? "" : fmt::format(", gate asks for {:g}", limit)) +
         "</figcaption></figure>\n";
}

}  // namespace

std::string judges_picture(const View& view) {
  const Table* table = find_table(view.report, "judges");
  if (table == nullptr) return "";
  const TableReader reader(*table);
  std::map<std::pair<std::size_t, std::string>, std::vector<std::size_t>> figures;  // [model, judge]: lines
  for (std::size_t i = 0; i < reader.size(); ++i)
    if (const std::string row = reader.text(i, "rows");
        reader.text(i, "against") == "scorer" && view.row_of.contains(row))
      figures[{view.model_index(row), reader.text(i, "judge")}].push_back(i);
  if (figures.empty()) return "";
  std::string out = "<div class=charts>\n";
  for (const auto& [of, lines] : figures)
    out += figure(view, *table, view.models[of.first], of.second, lines);
  return section(
      view, "judges", "Judges",
      "Whether a second judge sees what the suite's scorer sees: Cohen's kappa on each row's answers "
      "(of a refusal suite those to harmful prompts), with its 95 % interval; 1 is full agreement, 0 what "
      "chance gives. Dashed: the least that the "
      "gate asks for, over a model's rows together; red: a row below it. A row where nearly all "
      "answers are alike says little of a judge.",
      out + "</div>\n", {"judges", "judge_strata", "judge_verdicts"});
}

}  // namespace brinkmap::audit
