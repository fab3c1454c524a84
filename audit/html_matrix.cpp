#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "audit/html_heat.h"
#include "audit/html_pictures.h"
#include "audit/html_table.h"
#include "audit/html_text.h"
#include "audit/table_reader.h"

namespace brinkmap::audit {
namespace {

struct Heat {
  std::vector<std::string> tasks;                                   // in the job's order
  std::map<std::pair<std::string, std::string>, std::size_t> line;  // [row, task]: of the table
};

Heat heat_of(const TableReader& reader) {
  Heat out;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < reader.size(); ++i) {
    const std::string task = reader.text(i, "task");
    if (seen.insert(task).second) out.tasks.push_back(task);
    out.line[{reader.text(i, "row"), task}] = i;
  }
  return out;
}

std::string heat_cell(const TableReader& reader, std::size_t i, bool baseline) {
  const Cell& score = reader.cell(i, "score");
  const bool broken = reader.is_set(i, "broken"), measured = reader.is_set(i, "measured");
  std::string style = measured && !baseline ? heat_class(reader.number(i, "drop")) : measured ? "base" : "na";
  std::string shown = score.text, says;  // the script puts row, task and score before
  if (shown.ends_with(" %")) {
    shown.resize(shown.size() - 2);
    says = " %";
  }
  if (!baseline) {
    says += ", baseline " + reader.cell(i, "baseline").text;
    if (std::isfinite(reader.number(i, "p_holm"))) says += ", p " + reader.cell(i, "p_holm").text + " (Holm)";
  }
  says += ", n " + reader.cell(i, "n").text;
  if (!measured) says += ", not measured: the baseline cannot do it";
  if (!measured && shown != "-") shown = "(" + shown + ")";
  return "<td" + (style.empty() ? "" : " class=" + style) + attribute("data-d", says) + ">" +
         (broken ? "▼" : "") + escape(shown);
}

std::string header(const std::string& text, const char* style, const char* title, const std::string& place) {
  return "<th scope=col" + attribute("class", style) + attribute("title", title) +
         attribute("data-p", place) + "><button type=button>" + escape(text) + "</button>";
}

std::string choice(const char* key, const char* title, const std::vector<std::string>& values) {
  std::string out =
      fmt::format("<label>{} <select data-filter={}><option value=\"\">all</option>", title, key);
  for (const std::string& v : values) out += "<option>" + escape(v) + "</option>";
  return out + "</select></label>\n";
}

template <class Get>
std::vector<std::string> distinct(const View& view, const Get& get) {
  std::vector<std::string> out;
  for (const ReportRow& row : view.report.rows)
    if (const std::string v = get(row); std::find(out.begin(), out.end(), v) == out.end()) out.push_back(v);
  return out;
}

std::string regime_text(const View& view, const std::string& label) {
  const auto at = view.regime_of.find(label);
  return at == view.regime_of.end() ? "" : at->second;
}

std::string filters(const View& view) {
  std::string out = "<form class=filters role=search aria-label=\"Filter the rows of the whole page\">\n";
  out += choice("model", "model", view.models);
  out += choice("family", "family", distinct(view, [](const ReportRow& r) { return r.family; }));
  out += choice("level", "level", distinct(view, [](const ReportRow& r) { return r.recipe; }));
  out += choice("verdict", "verdict",
                distinct(view, [&](const ReportRow& r) { return view.verdict_of.at(r.label); }));
  if (!view.regime_of.empty())
    out += choice("regime", "regime",
                  distinct(view, [&](const ReportRow& r) { return regime_text(view, r.label); }));
  return out +
         "<label>name <input type=search data-filter=name size=12></label>\n<button type=reset>show "
         "all</button>\n"
         "<output class=shown aria-live=polite></output></form>\n";
}

std::string legend() {
  return "<p class=legend>Colour: points (or hundredths of a score, or nat a token) against the baseline: "
         "<span class=w1>−5</span><span class=w2>−10</span><span class=w3>−20</span><span "
         "class=w4>−40</span> "
         "and beyond, <span class=b1>+5</span><span class=b2>+10</span><span class=b3>+20</span><span "
         "class=b4>+40</span> and beyond. "
         "▼ breaks: significant after Holm and beyond the margin. (in brackets): the baseline cannot do it, "
         "not "
         "measured. V→A: VETO items approved of all, coloured where beyond the gate's limit. KL: divergence "
         "from "
         "the baseline in nat a token. RTSI: how far the openings of refusals shift; coloured from MODERATE "
         "on. "
         "Shares in %; perplexity falls with quality, its colour is in nat a token.</p>\n";
}

}  // namespace

std::string matrix_picture(const View& view) {
  const Table* rows = find_table(view.report, "rows");
  if (rows == nullptr) return "";
  const Table none;
  const Table* scores = find_table(view.report, "comparisons");
  const TableReader reader(scores == nullptr ? none : *scores), of_rows(*rows);
  const Heat heat = heat_of(reader);
  const std::vector<HeatColumn> columns = heat_columns(view);
  std::string out =
      filters(view) + legend() +
      "<div class=scroll tabindex=0 role=region aria-label=\"Matrix of rows and tasks\"><table "
      "class=\"sortable heat\" id=heat><caption>Score of every row on every task</caption><thead><tr>";
  out += header("row", "", "", "") + header("verdict", "", "", "/verdict[row=#]");
  if (!view.regime_of.empty())
    out += header("by points", "", "regime by the study's rule of points: BERTScore against refusals", "");
  out += header("bits", "", "bits per weight", "/bits_per_weight[row=#]") +
         header("size", "", "bytes of all weights, MB (10^6) where they are many", "/bytes[row=#]");
  for (const HeatColumn& c : columns) out += header(c.heading, "task", c.title.c_str(), c.place);
  for (const std::string& task : heat.tasks)
    out += header(task, "task", "", view.sources.task_template(task));
  out += "<tbody>\n";
  for (std::size_t r = 0; r < view.report.rows.size(); ++r) {
    const ReportRow& row = view.report.rows[r];
    const std::string verdict = view.verdict_of.at(row.label), regime = regime_text(view, row.label);
    out += "<tr" + row_attribute(std::to_string(r)) + attribute("data-name", row.label) +
           attribute("data-model", row.model) + attribute("data-family", row.family) +
           attribute("data-level", row.recipe) + attribute("data-verdict", verdict) +
           attribute("data-regime", regime) + "><th scope=row" + attribute("data-v", std::to_string(r)) +
           ">" + escape(row.label) + (row.baseline ? " <small>base</small>" : "") + "<td" +
           attribute("class", "verdict " + verdict) + attribute("data-t", view.report.verdicts.at(r).reason) +
           ">" + escape(verdict);
    if (!view.regime_of.empty()) out += "<td" + attribute("class", "regime " + regime) + ">" + escape(regime);
    for (const char* key : {"bits_per_weight", "bytes"}) {
      const Cell& c = of_rows.cell(r, key);
      out += "<td" + attribute("data-v", file_text(c)) + ">" + escape(c.text);
    }
    for (const HeatColumn& c : columns) out += c.cells.at(r);
    for (const std::string& task : heat.tasks) {
      const auto at = heat.line.find({row.label, task});
      out += at == heat.line.end() ? "<td>-" : heat_cell(reader, at->second, row.baseline);
    }
    out += "\n";
  }
  out += "</table></div>\n";
  return section(
      view, "matrix", "The matrix",
      "One line a row of the matrix, one column a task. A heading sorts; the filters hold for every "
      "picture and table of the page.",
      out, {"rows", "deltas", "quality", "comparisons"});
}

}  // namespace brinkmap::audit
