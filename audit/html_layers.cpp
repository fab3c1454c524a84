#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "audit/html_pictures.h"
#include "audit/html_svg.h"
#include "audit/html_text.h"
#include "audit/table_reader.h"

namespace brinkmap::audit {
namespace {

constexpr double kWidth = 300, kHeight = 170, kLeft = 46, kRight = 10, kTop = 8, kBottom = 22;
constexpr int kStyles = 6;  // of the rows that broke, page.css

// Tables of values by block: a column `row`, a column `block`, words that name a panel, and measures.
constexpr const char* kLayerTables[] = {"probe_layers", "mechanism_layers"};

// Their keys in words; other keys are shown without underscores.
constexpr std::pair<const char*, const char*> kTitles[] = {
    {"auc", "AUC"},
    {"norm", "norm of the refusal direction"},
    {"cosine", "cosine to the baseline's refusal direction"},
    {"auc_own", "AUC along the row's refusal direction"},
    {"auc_baseline", "AUC along the baseline's refusal direction"},
    {"neuron_error", "change of the safety neurons"},
    {"other_error", "change of the other dimensions"},
    {"error_ratio", "change of the safety neurons over the others'"}};

std::string in_words(const std::string& key) {
  for (const auto& [name, title] : kTitles)
    if (key == name) return title;
  std::string out = key;
  std::replace(out.begin(), out.end(), '_', ' ');
  return out;
}

struct Curve {
  std::string label;
  std::vector<std::pair<double, double>> points;  // block, value
};
struct Panel {
  std::string model, words, measure, place;  // place: template in the result file
  std::vector<Curve> curves;                 // one a row
};

bool is_measure(const Table& table, std::size_t column) {
  return std::any_of(table.rows.begin(), table.rows.end(), [&](const std::vector<Cell>& line) {
    const auto* value = std::get_if<double>(&line[column].value);
    return value != nullptr && std::isfinite(*value);
  });
}

// Whether the lines stand for more than one value of a column of words; one value tells panels nothing.
bool varies(const Table& table, std::size_t column) {
  return std::any_of(table.rows.begin(), table.rows.end(), [&](const std::vector<Cell>& line) {
    return line[column].value != table.rows[0][column].value;
  });
}

// The words of a line that are no row: what its panel is about. An experiment's id only beside another one's.
std::string words_of(const Table& table, std::size_t line) {
  std::string out;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    const std::string& key = table.columns[c].key;
    if (key == "row" || !std::holds_alternative<std::string>(table.rows[line][c].value)) continue;
    if (key == "experiment" && !varies(table, c)) continue;
    const std::string word = file_text(table.rows[line][c]);
    out += (out.empty() ? "" : " ") + (key == "experiment" ? word : in_words(word));
  }
  return out;
}

std::vector<Panel> panels_of(const View& view, const Table& table) {
  const TableReader reader(table);
  std::vector<Panel> out;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    if (!is_measure(table, c)) continue;
    const std::string& measure = table.columns[c].key;
    for (std::size_t i = 0; i < reader.size(); ++i) {
      const double block = reader.number(i, "block"), value = reader.number(i, measure);
      if (!std::isfinite(block + value)) continue;
      const std::string label = reader.text(i, "row"), words = words_of(table, i);
      const std::string& model = view.report.rows[view.row_of.at(label)].model;
      auto panel = std::find_if(out.begin(), out.end(), [&](const Panel& p) {
        return p.model == model && p.words == words && p.measure == measure;
      });
      if (panel == out.end()) {
        std::string place = view.sources.cell(table, i, c);
        if (place.empty()) place = view.sources.line(table, i);
        out.push_back({model, words, measure, Sources::template_of(place, view.row_id(label)), {}});
        panel = out.end() - 1;
      }
      if (panel->curves.empty() || panel->curves.back().label != label) panel->curves.push_back({label, {}});
      panel->curves.back().points.emplace_back(block, value);
    }
  }
  return out;
}

// Rows that broke a task; where the job compares none, rows that fail the gate.
std::set<std::string> broken_rows(const View& view) {
  std::set<std::string> out;
  if (const Table* scores = find_table(view.report, "comparisons")) {
    const TableReader reader(*scores);
    for (std::size_t i = 0; i < reader.size(); ++i)
      if (reader.is_set(i, "broken")) out.insert(reader.text(i, "row"));
    return out;
  }
  for (const RowVerdict& v : view.report.verdicts)
    if (v.verdict == Verdict::kFail) out.insert(v.label);
  return out;
}

std::string title_of(const Panel& panel) {
  return panel.words + (panel.words.empty() ? "" : " ") + in_words(panel.measure);
}

// Lowest, middle and highest value with as many digits as tell them apart; one where they are the same.
std::vector<std::pair<double, std::string>> ticks_of(double low, double high) {
  constexpr int kLeast = 3, kMost = 7;  // digits; more do not fit beside the drawing
  std::vector<std::pair<double, std::string>> out;
  for (int digits = kLeast; digits <= kMost; ++digits) {
    out.clear();
    for (const double at : std::set<double>{low, (low + high) / 2, high}) {
      std::string text = fmt::format("{:.{}g}", at, digits);
      if (out.empty() || out.back().second != text) out.emplace_back(at, std::move(text));
    }
    if (out.size() == 3) break;
  }
  return out;
}

std::string says(const Panel& panel, const Curve& curve) {
  const auto peak = std::max_element(curve.points.begin(), curve.points.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  std::string out = fmt::format("{}, {}: highest {:.3f} at block {:.0f}; by block", curve.label,
                                title_of(panel), peak->second, peak->first);
  for (const auto& [block, value] : curve.points) out += fmt::format(" {:.2f}", value);
  return out;
}

std::string draw(const View& view, const Panel& panel, const std::set<std::string>& broken) {
  Scale x{1e300, -1e300, kLeft, kWidth - kRight}, y{1e300, -1e300, kHeight - kBottom, kTop};
  for (const Curve& curve : panel.curves)
    for (const auto& [block, value] : curve.points) {
      x.low = std::min(x.low, block);
      x.high = std::max(x.high, block);
      y.low = std::min(y.low, value);
      y.high = std::max(y.high, value);
    }
  const auto ticks = ticks_of(y.low, y.high);
  const double margin = std::max(0.06 * (y.high - y.low), 1e-3 * std::fabs(y.high) + 1e-9);
  y.low -= margin;
  y.high += margin;
  std::string grid, text, others, named, key;
  const double middle = std::floor((x.low + x.high) / 2);
  for (const double block : std::set<double>{x.low, middle, x.high})
    text += svg_text(x(block), kHeight - 7, (block == x.low ? "block " : "") + coordinate(block), "middle");
  for (const auto& [at, words] : ticks) {
    grid += svg_segment(kLeft, y(at), kWidth - kRight, y(at));
    text += svg_text(kLeft - 4, y(at) + 3, words, "end");
  }
  int style = 0;
  for (const Curve& curve : panel.curves) {
    std::string d;
    for (const auto& [block, value] : curve.points)
      d += (d.empty() ? "M" : "L") + coordinate(x(block)) + " " + coordinate(y(value));
    if (curve.points.size() == 1) d += "h3";
    const ReportRow& row = view.report.rows[view.row_of.at(curve.label)];
    std::string look = "line";
    const bool coloured = row.baseline || broken.contains(curve.label);
    if (coloured) {
      const std::string of = row.baseline ? "base" : fmt::format("k{}", style++ % kStyles);
      look += " " + of;
      key += " <span class=\"tag " + of + "\"" + row_attribute(view.row_id(curve.label)) + ">" +
             escape(row.recipe) + "</span>";
    }
    (coloured ? named : others) +=
        svg_shape(look.c_str(), view.row_id(curve.label), says(panel, curve), "", d);
  }
  const std::string title = title_of(panel);
  return "<figure" + attribute("data-p", panel.place) + ">" +
         svg_begin(kWidth, kHeight, panel.model + ", " + title + " by block") + svg_grid(grid) + text +
         others + named + "</svg><figcaption><b>" + escape(title) + "</b>" + key + "</figcaption></figure>\n";
}

}  // namespace

std::string layers_picture(const View& view) {
  std::vector<std::string> figures(view.models.size());
  const std::set<std::string> broken = broken_rows(view);
  bool any = false;
  for (const char* id : kLayerTables) {
    const Table* table = find_table(view.report, id);
    if (table == nullptr) continue;
    for (const Panel& panel : panels_of(view, *table)) {
      const auto model = std::find(view.models.begin(), view.models.end(), panel.model);
      figures[static_cast<std::size_t>(model - view.models.begin())] += draw(view, panel, broken);
      any = true;
    }
  }
  if (!any) return "";
  return section(view, "layers", "By layer",
                 "What each block's states still tell, from the first block (0) to the last: one line a row. "
                 "Heavy: the baseline; coloured: rows that broke a task; grey: the others.",
                 by_model(view, figures), {"probes", "probe_layers", "mechanism_layers"});
}

}  // namespace brinkmap::audit
