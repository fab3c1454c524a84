#include "audit/analysis.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include <cmath>

#include "audit/analysis_rows.h"
#include "schedule/error.h"

namespace brinkmap::audit {

void Figures::add(const std::string& name, double value) {
  if (!names_.insert(name).second)
    throw InputError("matrix", name, "two figures would have this name: rename a model or level");
  all_.push_back({name, value});
}

Analysis analyze(const OutsideMatrix& matrix) {
  const StudyRows study(matrix);
  Analysis out;
  analyze_regimes(study, out);
  analyze_levels(study, out);
  analyze_taxonomy(study, out);
  analyze_templates(study, out);
  analyze_screen(study, out);
  analyze_correlations(study, out);
  analyze_regressions(study, out);
  analyze_tests(study, out);
  analyze_probes(study, out);
  analyze_counts(study, out);
  for (const std::string& file : matrix.absent) out.notes.push_back("not in the folder: " + file);
  return out;
}

std::string to_text(const Analysis& analysis) {
  std::string out;
  for (const Table& table : analysis.tables)
    if (!table.rows.empty()) out += (out.empty() ? "" : "\n") + to_text(table);
  if (!analysis.notes.empty()) out += "\n";
  for (const std::string& note : analysis.notes) out += note + "\n";
  return out;
}

std::string to_json(const Analysis& analysis) {
  // Written line by line: an ordered object of the library would look each name up from its start.
  std::string text = "{\n";
  for (const Figure& f : analysis.figures.all()) {
    text += text.size() == 2 ? " " : ",\n ";
    text += nlohmann::json(f.name).dump() + ": ";
    text += std::isfinite(f.value) ? fmt::format("{:.12g}", f.value) : "null";
  }
  return text + "\n}";
}

}  // namespace brinkmap::audit
