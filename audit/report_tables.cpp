#include "audit/report_tables.h"

#include <fmt/core.h>

#include <cmath>

#include "audit/gate_report.h"
#include "audit/row_builder.h"
#include "audit/row_totals.h"
#include "audit/stats.h"
#include "audit/study.h"

namespace brinkmap::audit {
namespace {

using schedule::Results;
using schedule::SuiteKind;

std::string unit_items(const Results& results, const schedule::Unit& unit) {
  const schedule::Job& job = results.plan.job;
  return unit.kind == schedule::UnitKind::kPrompts ? job.suites.at(unit.item).id + " prompts"
                                                   : job.experiments.at(unit.item).id + " parts";
}

// Counts have no digits, points one, ratios and nats three.
int digits(double value, double limit) { return value == std::floor(value) ? 0 : limit < 2 ? 3 : 1; }

}  // namespace

UnitCounts count_units(const Results& results, std::uint32_t row) {
  UnitCounts out;
  for (const schedule::Unit& u : results.plan.units) {
    if (u.row != row) continue;
    ++out.all;
    if (results.unit_state.at(u.id) == schedule::UnitState::kDone) ++out.done;
    if (results.unit_state.at(u.id) == schedule::UnitState::kFailed) ++out.failed;
  }
  return out;
}

Table ladder_table(const Results& results) {
  const schedule::Plan& plan = results.plan;
  Table table{"ladder", "Refusals of harmful prompts, down the ladder", {}, {}, {}};
  RowBuilder row(table);
  for (std::uint32_t s = 0; s < plan.job.suites.size(); ++s) {
    if (!has_harmful(plan, s)) continue;
    const schedule::SuiteSpec& suite = plan.job.suites[s];
    for (std::uint32_t r = 0; r < plan.rows.size(); ++r) {
      const std::int32_t k = results.value<std::int32_t>(suite.id + "_harmful_refused", r);
      const std::int32_t n = results.value<std::int32_t>(suite.id + "_harmful_n", r);
      const double rate = results.value<double>(suite.id + "_refusal_rate", r);
      const bool known = k >= 0 && n > 0;
      const Interval range = known ? wilson(k, n) : Interval{std::nan(""), std::nan("")};
      row.start();
      row.add("suite", "suite", text_cell(suite.id), Where::kBoth, true);
      row.add("row", "row", text_cell(plan.rows[r].label), Where::kBoth, true);
      row.add("bits_per_weight", "bits", number_cell(results.value<double>("bits_per_weight", r), 2));
      row.add("refused", "k/n",
              Cell{known ? fmt::format("{}/{}{}", k, n, few_mark(n)) : "-", std::int64_t{k}});
      row.add("n", "", count_cell(n), Where::kFiles);
      row.add("refusal_rate", "rate", percent_cell(rate, 1));
      row.add("wilson_low", "", number_cell(range.low, 4), Where::kFiles);
      row.add("wilson_high", "", number_cell(range.high, 4), Where::kFiles);
      row.add("interval", "95 % interval",
              text_cell(known ? fmt::format("{:.1f}-{:.1f} %", 100 * range.low, 100 * range.high) : "-"),
              Where::kText);
      row.add("bar", "0 … 100 %", text_cell(bar(rate, 25)), Where::kText, true);
    }
  }
  table.notes = {few_note()};
  return table;
}

Table gate_table(const Results& results, const std::vector<RowVerdict>& verdicts) {
  Table table{"gate", "Gate", {}, {}, {}};
  RowBuilder row(table);
  for (const RowVerdict& v : verdicts)
    for (const Check& c : v.checks) {
      PairedRefusal pair;
      pair.p = pair.drop_low_pp = std::nan("");
      for (std::uint32_t s = 0; s < results.plan.job.suites.size(); ++s)
        if (results.plan.job.suites[s].id == c.item && results.plan.job.suites[s].kind == SuiteKind::kRefusal)
          pair = pair_refusals(results, s, v.row);
      row.start();
      row.add("row", "row", text_cell(v.label), Where::kBoth, true);
      row.add("item", "", text_cell(c.item), Where::kFiles);
      row.add("check", "", text_cell(c.what), Where::kFiles);
      row.add("value", "", number_cell(c.value, digits(c.value, c.limit)), Where::kFiles);
      row.add("limit", "", number_cell(c.limit, digits(c.limit, c.limit)), Where::kFiles);
      row.add("n", "", count_cell(c.n), Where::kFiles);
      row.add("missing", "", count_cell(c.missing), Where::kFiles);
      row.add("lower_limit", "", number_cell(pair.drop_low_pp, 2), Where::kFiles);
      row.add("upper_limit", "", number_cell(c.upper, 2), Where::kFiles);
      row.add("lost", "", count_cell(std::isnan(pair.p) ? -1 : pair.lost), Where::kFiles);
      row.add("gained", "", count_cell(std::isnan(pair.p) ? -1 : pair.gained), Where::kFiles);
      row.add("mcnemar_p", "", number_cell(pair.p, 4), Where::kFiles);
      row.add("verdict", "verdict", verdict_cell(c.verdict), Where::kBoth, true);
      row.add("reason", "", text_cell(c.reason), Where::kFiles);
      row.add("words", "check", text_cell(check_words(c)), Where::kText, true);
    }
  return table;
}

Table heads_table(const Results& results) {
  const schedule::Plan& plan = results.plan;
  Table table{"heads", "Single heads", {}, {}, {}};
  RowBuilder row(table);
  for (const schedule::ExperimentSpec& e : plan.job.experiments)
    for (std::uint32_t r = 0; e.kind == schedule::ExperimentKind::kDecisionHeads && r < plan.rows.size();
         ++r) {
      const std::string p = e.id + "_";
      const std::int32_t missing = results.value<std::int32_t>(p + "missing", r);
      row.start();
      row.add("experiment", "experiment", text_cell(e.id), Where::kBoth, true);
      row.add("row", "row", text_cell(plan.rows[r].label), Where::kBoth, true);
      row.add("seeds", "seeds", count_cell(missing < 0 ? -1 : e.seeds - missing));
      row.add("n", "n", test_items_cell(results, e, r));
      row.add("seeds_missing", "", count_cell(missing), Where::kFiles);
      row.add("accuracy_mean", "right,\nmean",
              percent_cell(results.value<double>(p + "head_accuracy_mean", r), 1));
      row.add("accuracy_min", "\nmin", percent_cell(results.value<double>(p + "head_accuracy_min", r), 1));
      row.add("accuracy_max", "\nmax", percent_cell(results.value<double>(p + "head_accuracy_max", r), 1));
      row.add("revise_rate_mean", "\nREVISE",
              percent_cell(results.value<double>(p + "head_revise_rate_mean", r), 1));
      row.add("veto_to_approve_mean", "V→A,\nmean",
              number_cell(results.value<double>(p + "head_veto_to_approve_mean", r), 2));
      row.add("veto_to_approve_max", "\nmax",
              count_cell(results.value<std::int32_t>(p + "head_veto_to_approve_max", r)));
      row.add("veto_to_approve_share", "heads\nwith any",
              percent_cell(results.value<double>(p + "head_veto_to_approve_share", r), 1));
    }
  return table;
}

Table failed_units_table(const Results& results) {
  Table table{"failed_units", "Failed units", {}, {}, {}};
  RowBuilder row(table);
  for (const schedule::Unit& u : results.plan.units) {
    if (results.unit_state.at(u.id) != schedule::UnitState::kFailed) continue;
    row.start();
    row.add("unit", "unit", count_cell(u.id));
    row.add("row", "row", text_cell(results.plan.rows.at(u.row).label), Where::kBoth, true);
    row.add("items", "items", text_cell(unit_items(results, u)), Where::kBoth, true);
    row.add("begin", "from", count_cell(u.begin));
    row.add("end", "to before", count_cell(u.end));
    const std::string& reason = results.unit_reason.at(u.id);
    row.add("reason", "reason", text_cell(reason.empty() ? "no reason stored" : reason), Where::kBoth, true);
  }
  return table;
}

}  // namespace brinkmap::audit
