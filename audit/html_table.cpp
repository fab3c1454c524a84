#include "audit/html_table.h"

#include <fmt/core.h>

#include <cmath>
#include <cstdlib>
#include <map>

#include "audit/html_text.h"
#include "audit/table_reader.h"

namespace brinkmap::audit {
namespace {

constexpr const char* kOfTask = "/{task}[row=#]";

bool is_text(const Cell& cell) { return std::holds_alternative<std::string>(cell.value); }

// The number that a reader of the page takes from the text: "12.5 %" is 0.125. NaN for anything else.
double number_in(std::string text) {
  double scale = 1;
  if (text.ends_with(" %")) {
    text.resize(text.size() - 2);
    scale = 100;
  }
  if (text.empty() || text.find_first_not_of("+-.0123456789e") != std::string::npos) return std::nan("");
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  return *end == '\0' ? value / scale : std::nan("");
}

std::string page_text(const Cell& cell) {
  const auto* number = std::get_if<double>(&cell.value);
  return number != nullptr && std::isfinite(*number) ? page_number(*number) : file_text(cell);
}

// Where the cells, lines and table stand in the result file, said once for all that differ only in their row.
class Places {
 public:
  Places(const Table& table, const Sources& sources, const std::vector<std::size_t>& shown)
      : table_(table), sources_(sources), columns_(table.columns.size()) {
    for (const std::size_t c : shown)
      columns_[c] = common([&](std::size_t r) { return cell_template(r, c); });
    whole_ = common([&](std::size_t r) { return line_template(r); });
  }

  std::string table() const {
    if (whole_ != kOfTask) return attribute("data-p", whole_);
    std::map<std::string, std::string> tasks;
    const TableReader reader(table_);
    for (std::size_t r = 0; r < reader.size(); ++r)
      tasks[reader.text(r, "task")] = sources_.task_template(reader.text(r, "task"));
    std::string list;  // "direct refusals=/direct_refusal[row=#];..."
    for (const auto& [name, place] : tasks) list += (list.empty() ? "" : ";") + name + "=" + place;
    return attribute("data-tasks", list) + attribute("data-p", "{task}");
  }
  std::string column(std::size_t c) const { return attribute("data-p", columns_[c]); }
  std::string line(std::size_t r) const {
    return whole_.empty() ? attribute("data-p", sources_.line(table_, r)) : "";
  }
  std::string cell(std::size_t r, std::size_t c) const {
    return columns_[c].empty() ? attribute("data-p", sources_.cell(table_, r, c)) : "";
  }

 private:
  // What `get` gives for every line; empty where lines differ.
  template <class Get>
  std::string common(const Get& get) const {
    std::string out;
    for (std::size_t r = 0; r < table_.rows.size(); ++r) {
      const std::string place = get(r);
      if (place.empty() || (r > 0 && place != out)) return "";
      out = place;
    }
    return out;
  }

  // With {suite} for the beginning that the line's own column names.
  std::string general(std::string place, std::size_t r) const {
    place = Sources::template_of(std::move(place), sources_.row(table_, r));
    const TableReader reader(table_);
    for (const char* key : {"judge", "suite", "experiment", "item"})
      if (reader.has(key)) {
        const std::string begin = "/" + reader.text(r, key) + "_";
        if (place.starts_with(begin)) place.replace(1, begin.size() - 2, std::string("{") + key + "}");
        return place;
      }
    return place;
  }
  std::string cell_template(std::size_t r, std::size_t c) const {
    return general(sources_.cell(table_, r, c), r);
  }
  std::string line_template(std::size_t r) const {
    const std::string place = general(sources_.line(table_, r), r);
    const TableReader reader(table_);
    return reader.has("task") && !place.empty() && place == sources_.task_template(reader.text(r, "task"))
               ? kOfTask
               : place;
  }

  const Table& table_;
  const Sources& sources_;
  std::vector<std::string> columns_;
  std::string whole_;
};

// Cells and lines end where the next begins: HTML allows it and long tables are a third smaller.
std::string cell_html(const Cell& cell, Where where, const std::string& place, bool head) {
  const std::string value = page_text(cell);
  // Text is shown as files carry it, without the marks that the terminal adds.
  const bool rounded = where == Where::kBoth && !is_text(cell) && !value.empty();
  const std::string& shown = rounded ? cell.text : value;
  std::string out = head ? "<th scope=row" : "<td";
  if (rounded && shown != value && page_number(number_in(shown)) != value) out += " data-v=" + escape(value);
  return out + place + ">" + escape(shown);
}

}  // namespace

std::string page_number(double value) { return fmt::format("{:.6g}", value); }

std::string table_view(const Table& table, const Sources& sources) {
  std::vector<std::size_t> shown;
  for (std::size_t c = 0; c < table.columns.size(); ++c)
    if (table.columns[c].where != Where::kText) shown.push_back(c);
  const Places places(table, sources, shown);
  std::string out = "<details class=view><summary>Table: " + escape(table.title) + " <small>" +
                    std::to_string(table.rows.size()) + (table.rows.size() == 1 ? " line" : " lines") + ", " +
                    escape(table.id) + ".csv</small></summary>\n<button type=button class=copy>Copy " +
                    "table</button><div class=scroll tabindex=0 role=region" +
                    attribute("aria-label", table.title) + "><table class=sortable" +
                    attribute("data-table", table.id) + places.table() + "><caption>" + escape(table.title) +
                    "</caption><thead><tr>";
  for (const std::size_t c : shown)
    out += "<th scope=col" + places.column(c) + "><button type=button>" + escape(table.columns[c].key) +
           "</button>";
  out += "<tbody>\n";
  for (std::size_t r = 0; r < table.rows.size(); ++r) {
    out += "<tr" + row_attribute(sources.row(table, r)) + places.line(r) + ">";
    for (const std::size_t c : shown)
      out += cell_html(table.rows[r][c], table.columns[c].where, places.cell(r, c), c == shown.front());
    out += "\n";
  }
  out += "</table></div>";
  for (const std::string& note : table.notes) out += "<p class=note>" + escape(note) + "</p>";
  return out + "</details>\n";
}

}  // namespace brinkmap::audit
