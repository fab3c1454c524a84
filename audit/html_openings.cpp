#include <algorithm>
#include <cmath>
#include <map>

#include "audit/html_pictures.h"
#include "audit/html_svg.h"
#include "audit/html_text.h"
#include "audit/table_reader.h"

namespace brinkmap::audit {
namespace {

constexpr double kLine = 17, kLeft = 112, kWidth = 366, kRight = 44, kTop = 18;
const Scale kShare{0, 1, kLeft, kWidth - kRight};

// One row of the matrix at this height: its share, and a line to the baseline's.
std::string line(const View& view, const Table& table, std::size_t i, double y) {
  const TableReader reader(table);
  const std::string row = reader.text(i, "row"), n = reader.text(i, "n");
  const double share = reader.number(i, "dominant_prefix_share");
  const double delta = reader.number(i, "dominant_prefix_share_delta");
  std::string out = "<g" + row_attribute(view.row_id(row)) + ">" +
                    svg_text(kLeft - 10, y + 4, view.report.rows[view.row_of.at(row)].recipe, "end") +
                    svg_text(kWidth - kRight + 10, y + 4, "n " + n, "start");
  if (std::isfinite(share)) {
    std::string says = row + ": commonest opening \"" + reader.text(i, "top_opening") + "\" in " +
                       reader.cell(i, "dominant_prefix_share").text + " of " + n + " refusals";
    if (std::isfinite(delta)) {
      const double before = kShare(share - delta);
      says += ", baseline " + coordinate(100 * (share - delta)) + " %";
      out += svg_line(before, y, kShare(share), y, "drift") + svg_line(before, y - 5, before, y + 5, "tick");
    }
    out += svg_point({kShare(share), y, "", says, view.sources.line(table, i),
                      reader.is_set(i, "destabilised") ? "broken" : "level", 0, 4});
  }
  return out + "</g>";
}

std::string figure(const View& view, const Table& table, const std::string& model, const std::string& suite,
                   const std::vector<std::size_t>& lines) {
  const double height = kTop + kLine * static_cast<double>(lines.size()) + 6;
  std::string grid, text, rows;
  for (const double share : {0.0, 0.5, 1.0}) {
    grid += svg_segment(kShare(share), kTop, kShare(share), height);
    text += svg_text(kShare(share), kTop - 6, coordinate(100 * share) + " %", "middle");
  }
  double y = kTop - 6;
  for (const std::size_t i : lines) rows += line(view, table, i, y += kLine);
  return "<figure>" +
         svg_begin(kWidth, height,
                   model + ", " + suite + ": share of the commonest refusal opening, baseline to row") +
         svg_grid(grid) + text + rows + "</svg><figcaption><b>" + escape(model) + "</b> " + escape(suite) +
         "</figcaption></figure>\n";
}

}  // namespace

std::string openings_picture(const View& view) {
  const Table* table = find_table(view.report, "openings");
  if (table == nullptr) return "";
  const TableReader reader(*table);
  std::map<std::pair<std::size_t, std::string>, std::vector<std::size_t>> figures;  // [model, suite]: lines
  for (std::size_t i = 0; i < reader.size(); ++i)
    figures[{view.model_index(reader.text(i, "row")), reader.text(i, "suite")}].push_back(i);
  std::string out = "<div class=charts>\n";
  for (const auto& [of, lines] : figures)
    out += figure(view, *table, view.models[of.first], of.second, lines);
  return section(
      view, "openings", "Template drift",
      "How refusals open: the share of the commonest opening of a row (point) and of its baseline (tick). "
      "A model that still refuses, but no longer in its own words, is shifting. Red: destabilised, the "
      "share fell by 15 points or all refusals are lost.",
      out + "</div>\n", {"openings"});
}

}  // namespace brinkmap::audit
