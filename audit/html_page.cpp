#include "audit/html_page.h"

#include <algorithm>

#include "audit/html_pictures.h"
#include "audit/html_table.h"
#include "audit/html_text.h"
#include "audit/page_files.h"
#include "audit/table_reader.h"

namespace brinkmap::audit {
namespace {

std::string head(const Report& report) {
  return "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n"
         "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'; "
         "script-src 'nonce-brinkmap'; img-src data:; base-uri 'none'; form-action 'none'\">\n"
         "<meta name=viewport content=\"width=device-width, initial-scale=1\">\n"
         "<meta name=color-scheme content=\"light dark\">\n<link rel=icon href=\"data:,\">\n<title>" +
         escape(report.title) + " – Brinkmap</title>\n<style>\n" + kPageStyle + "</style>\n</head>\n<body>\n";
}

std::string provenance(const std::vector<PageFact>& facts) {
  if (facts.empty()) return "";
  std::string out = "<section id=provenance><h2>Provenance</h2>\n<dl>\n";
  for (const PageFact& f : facts)
    out += "<dt>" + escape(f.name) + "<dd" + attribute("data-p", f.place) + ">" + escape(f.value) + "\n";
  return out + "</dl></section>\n";
}

// Tables that no picture shows.
std::string other_tables(const View& view, const std::string& page) {
  std::string out;
  for (const Table& table : view.report.tables)
    if (page.find(attribute("data-table", table.id)) == std::string::npos)
      out += table_view(table, view.sources);
  return out.empty() ? "" : "<section id=tables><h2>More tables</h2>\n" + out + "</section>\n";
}

std::string navigation(const std::string& page) {
  std::string out = "<nav aria-label=Sections><ul>";
  constexpr std::pair<const char*, const char*> kSections[] = {
      {"summary", "Summary"},   {"matrix", "Matrix"},           {"plane", "Quality and safety"},
      {"ladder", "Ladder"},     {"layers", "Layers"},           {"spectra", "Spectra"},
      {"votes", "Votes"},       {"openings", "Template drift"}, {"judges", "Judges"},
      {"readings", "In words"}, {"tables", "More tables"},      {"provenance", "Provenance"}};
  for (const auto& [id, title] : kSections)
    if (page.find(std::string("<section id=") + id + ">") != std::string::npos)
      out += std::string("<li><a href=\"#") + id + "\">" + title + "</a>";
  return out + "</ul></nav>\n";
}

}  // namespace

std::size_t View::model_index(const std::string& label) const {
  const std::string& model = report.rows.at(row_of.at(label)).model;
  return static_cast<std::size_t>(std::find(models.begin(), models.end(), model) - models.begin());
}

std::string View::row_id(const std::string& label) const { return std::to_string(row_of.at(label)); }

View make_view(const Report& report, const Sources& sources) {
  View view{report, sources, {}, {}, {}, {}};
  for (std::size_t r = 0; r < report.rows.size(); ++r) {
    const ReportRow& row = report.rows[r];
    view.row_of[row.label] = r;
    view.verdict_of[row.label] = verdict_name(report.verdicts.at(r).verdict);
    if (std::find(view.models.begin(), view.models.end(), row.model) == view.models.end())
      view.models.push_back(row.model);
  }
  if (const Table* plane = find_table(report, "plane")) {
    const TableReader reader(*plane);
    for (std::size_t i = 0; i < reader.size(); ++i)
      if (reader.text(i, "quality_metric") == "bertscore")
        view.regime_of[reader.text(i, "row")] = reader.text(i, "regime");
  }
  return view;
}

std::string by_model(const View& view, const std::vector<std::string>& figures,
                     const std::vector<std::string>& notes) {
  std::string out;
  for (std::size_t m = 0; m < figures.size(); ++m)
    if (!figures[m].empty())
      out += std::string("<details class=picture") + (out.empty() ? " open" : "") + "><summary>" +
             escape(view.models[m]) + (notes.empty() ? "" : " <small>" + escape(notes[m]) + "</small>") +
             "</summary><div class=charts>\n" + figures[m] + "</div></details>\n";
  return out;
}

std::string section(const View& view, const char* id, const char* title, const std::string& lead,
                    const std::string& picture, std::initializer_list<const char*> tables) {
  std::string out =
      std::string("<section id=") + id + "><h2>" + title + "</h2>\n<p>" + escape(lead) + "</p>\n" + picture;
  for (const char* table : tables)
    if (const Table* t = find_table(view.report, table)) out += table_view(*t, view.sources);
  return out + "</section>\n";
}

std::string to_html(const Report& report, const schedule::Results& results,
                    const std::vector<PageFact>& facts) {
  const Sources sources(results);
  const View view = make_view(report, sources);
  std::string page = summary(view) + matrix_picture(view) + plane_picture(view) + ladder_picture(view) +
                     layers_picture(view) + spectra_picture(view) + votes_picture(view) +
                     openings_picture(view) + judges_picture(view) + readings(view);
  page += other_tables(view, page) + provenance(facts);
  return head(report) + "<header><h1>" + escape(report.title) + "</h1>\n<p>" + escape(report.state) + "; " +
         escape(report.settings) + "</p>\n</header>\n" + navigation(page) + "<main>\n" + page +
         "</main>\n<footer><p>A figure names its place in the result file when it is pointed at or focused; "
         "a click "
         "copies the place.</p><output id=status aria-live=polite></output></footer>\n<div id=tip "
         "role=tooltip "
         "hidden></div>\n<script nonce=brinkmap>\n" +
         kPageScript + "</script>\n</body>\n</html>\n";
}

}  // namespace brinkmap::audit
