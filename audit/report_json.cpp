#include <cmath>
#include <nlohmann/json.hpp>

#include "audit/report.h"
#include "audit/verdict_json.h"

namespace brinkmap::audit {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const Cell& cell) {
  if (const auto* i = std::get_if<std::int64_t>(&cell.value)) return *i;
  if (const auto* d = std::get_if<double>(&cell.value)) return std::isfinite(*d) ? Json(*d) : Json(nullptr);
  if (const auto* text = std::get_if<std::string>(&cell.value)) return *text;
  return nullptr;
}

}  // namespace

std::string to_json(const Report& report) {
  Json out{{"title", one_line(report.title)},
           {"state", report.state},
           {"settings", report.settings},
           {"complete", report.complete}};
  out["findings"] = report.findings;
  out["tables"] = Json::object();
  for (const Table& table : report.tables) {
    Json& rows = out["tables"][table.id] = Json::array();
    for (const auto& row : table.rows) {
      Json object = Json::object();
      for (std::size_t c = 0; c < table.columns.size(); ++c)
        if (table.columns[c].where != Where::kText) object[table.columns[c].key] = to_json(row.at(c));
      rows.push_back(std::move(object));
    }
  }
  out["models"] = report.models;
  out["readings"] = report.readings;
  out["verdicts"] = Json::array();
  for (const RowVerdict& v : report.verdicts) out["verdicts"].push_back(verdict_json(v));
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace brinkmap::audit
