#include "audit/html_heat.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "audit/html_text.h"
#include "audit/rtsi.h"
#include "audit/table_reader.h"

namespace brinkmap::audit {
namespace {

// Falls of a score against the baseline that get a colour of their own; the first is the margin of a break.
constexpr double kSteps[] = {0.05, 0.10, 0.20, 0.40};

constexpr const char* kNothing = "<td>-";

// `says` is what the page tells of the cell behind its text.
std::string heat_cell(const std::string& style, double value, const std::string& says,
                      const std::string& text) {
  return "<td" + attribute("class", style) + attribute("data-v", fmt::format("{:.6g}", value)) +
         attribute("data-d", says) + ">" + escape(text);
}

// "1/25", coloured by how far beyond the limit.
std::string limit_cell(const Check* check) {
  if (check == nullptr || !std::isfinite(check->value) || check->n <= 0) return kNothing;
  const double n = static_cast<double>(check->n), beyond = (check->value - check->limit) / n;
  std::string style;
  if (check->verdict == Verdict::kFail) style = beyond > kSteps[0] ? heat_class(beyond) : "w1";
  return heat_cell(style, check->value / n,
                   fmt::format(" VETO items, limit {:g}, {}", check->limit, verdict_name(check->verdict)),
                   fmt::format("{:.0f}/{}", check->value, check->n));
}

bool same_check(const Check& a, const Check& b) { return a.item == b.item && a.what == b.what; }

// Checks of any row that VETO items stand behind, one of each kind.
std::vector<Check> veto_checks(const std::vector<RowVerdict>& verdicts) {
  std::vector<Check> out;
  for (const RowVerdict& verdict : verdicts)
    for (const Check& c : verdict.checks)
      if (c.what.starts_with("VETO") && c.n > 0 &&
          std::none_of(out.begin(), out.end(), [&](const Check& o) { return same_check(o, c); }))
        out.push_back(c);
  return out;
}

HeatColumn veto_column(const View& view, const Check& kind) {
  const std::string variable = kind.item + (kind.what.ends_with("cascade") ? "_cascade" : "");
  HeatColumn out{kind.item + " V→A", kind.what, "/" + variable + "_veto_to_approve[row=#]", {}};
  for (const RowVerdict& verdict : view.report.verdicts) {
    const auto at = std::find_if(verdict.checks.begin(), verdict.checks.end(),
                                 [&](const Check& c) { return same_check(c, kind); });
    out.cells.push_back(limit_cell(at == verdict.checks.end() ? nullptr : &*at));
  }
  return out;
}

// Lines of a table by the rows of the report, those of one suite where it is named; -1 where there is none.
std::vector<int> lines_of(const View& view, const TableReader& table, const std::string& suite = "") {
  std::vector<int> out(view.report.rows.size(), -1);
  for (std::size_t i = 0; i < table.size(); ++i)
    if (suite.empty() || table.text(i, "suite") == suite)
      if (const auto row = view.row_of.find(table.text(i, "row")); row != view.row_of.end())
        out[row->second] = static_cast<int>(i);
  return out;
}

bool any_known(const TableReader& table, const std::vector<int>& lines, const std::string& key) {
  return std::any_of(lines.begin(), lines.end(), [&](int i) {
    return i >= 0 && std::isfinite(table.number(static_cast<std::size_t>(i), key));
  });
}

template <class CellOf>
std::vector<std::string> cells(const std::vector<int>& lines, const CellOf& cell) {
  std::vector<std::string> out;
  for (const int i : lines) out.push_back(i < 0 ? kNothing : cell(static_cast<std::size_t>(i)));
  return out;
}

void add_tested_regimes(const View& view, std::vector<HeatColumn>& out) {
  const Table* pairs = find_table(view.report, "safety_quality");
  if (pairs == nullptr) return;
  const TableReader table(*pairs);
  out.push_back({"by tests", "regime by paired tests: refusals shown to fall, quality shown kept or worse",
                 "", cells(lines_of(view, table), [&](std::size_t i) {
                   const std::string regime = table.text(i, "regime_by_tests");
                   return "<td" + attribute("class", "regime " + regime) +
                          attribute("data-d", ", refusals of harmful prompts " +
                                                  table.cell(i, "harmful_change").text + " points, n " +
                                                  table.text(i, "harmful_n")) +
                          ">" + escape(table.cell(i, "regime_by_tests").text);
                 })});
}

void add_divergence(const View& view, std::vector<HeatColumn>& out) {
  const Table* quality = find_table(view.report, "quality");
  if (quality == nullptr) return;
  const TableReader table(*quality);
  if (!table.has("kl")) return;
  const std::vector<int> lines = lines_of(view, table);
  if (!any_known(table, lines, "kl")) return;
  out.push_back({"KL", "KL divergence from the baseline, nat a token",
                 view.sources.template_of(view.sources.at("*_kl_mean", view.report.rows.front().label), "0"),
                 cells(lines, [&](std::size_t i) {
                   const double kl = table.number(i, "kl");
                   if (!std::isfinite(kl)) return std::string(kNothing);
                   return heat_cell(heat_class(kl), kl, " nat a token, n " + table.text(i, "kl_n"),
                                    fmt::format("{:.3f}", kl));
                 })});
}

void add_screens(const View& view, std::vector<HeatColumn>& out) {
  const Table* screen = find_table(view.report, "template_screen");
  if (screen == nullptr) return;
  const TableReader table(*screen);
  std::vector<std::string> suites;
  for (std::size_t i = 0; i < table.size(); ++i)
    if (std::find(suites.begin(), suites.end(), table.text(i, "suite")) == suites.end())
      suites.push_back(table.text(i, "suite"));
  for (const std::string& suite : suites) {
    const std::vector<int> lines = lines_of(view, table, suite);
    const std::string from = any_known(table, lines, "score_own") ? "own" : "study";
    if (!any_known(table, lines, "score_" + from)) continue;
    const std::string made = from == "own" ? "made on these rows" : "of the study, made on other models";
    out.push_back(
        {(from == "own" ? "RTSI " : "RTSI (study) ") + suite,
         "shift of the openings of refusals, 0 to 1; weights " + made, "/" + suite + "_opening[row=#]",
         cells(lines, [&](std::size_t i) {
           const double score = table.number(i, "score_" + from);
           const std::string band = table.text(i, "band_" + from);
           const std::string says = ", " + band + ", n " + table.text(i, "refusals");
           if (band == "LOST_ALL") return heat_cell("w4", 1, says, "lost all");
           if (!std::isfinite(score)) return std::string(kNothing);
           const RtsiBand level = rtsi_band(score);
           const char* style = level == RtsiBand::kHigh ? "w3" : level == RtsiBand::kModerate ? "w1" : "";
           return heat_cell(style, score, says, fmt::format("{:.2f}", score));
         })});
  }
}

}  // namespace

std::string heat_class(double drop) {
  if (!std::isfinite(drop)) return "";
  int step = 0;
  for (const double limit : kSteps) step += std::fabs(drop) > limit ? 1 : 0;
  if (step == 0) return "";
  return (drop > 0 ? "w" : "b") + std::to_string(step);
}

std::vector<HeatColumn> heat_columns(const View& view) {
  std::vector<HeatColumn> out;
  add_tested_regimes(view, out);
  for (const Check& kind : veto_checks(view.report.verdicts)) out.push_back(veto_column(view, kind));
  add_divergence(view, out);
  add_screens(view, out);
  return out;
}

}  // namespace brinkmap::audit
