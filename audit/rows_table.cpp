#include <fmt/core.h>

#include <algorithm>

#include "audit/gate_report.h"
#include "audit/report_tables.h"
#include "audit/row_builder.h"
#include "audit/row_totals.h"
#include "audit/study.h"

namespace brinkmap::audit {
namespace {

using schedule::DType;
using schedule::Results;
using schedule::SuiteKind;

bool has_kind(const schedule::Job& job, SuiteKind kind) {
  for (const schedule::SuiteSpec& s : job.suites)
    if (s.kind == kind) return true;
  return false;
}

// Every figure of the row that is one number, for the files.
void add_figures(RowBuilder& row, const Results& results, std::uint32_t r) {
  for (const schedule::Variable& v : results.plan.variables) {
    const schedule::Field& f = v.field;
    if (!v.shard_axis.empty() || !f.inner.empty() || f.dtype == DType::kU8) continue;
    if (f.name == "bytes" || f.name == "bits_per_weight") continue;
    if (f.dtype == DType::kF64)
      row.add(f.name, "", number_cell(results.value<double>(f.name, r), 4), Where::kFiles);
    else
      row.add(f.name, "",
              count_cell(f.dtype == DType::kI64 ? results.value<std::int64_t>(f.name, r)
                                                : results.value<std::int32_t>(f.name, r)),
              Where::kFiles);
  }
}

void add_totals(RowBuilder& row, const Results& results, std::uint32_t r) {
  const schedule::Job& job = results.plan.job;
  const RowTotals t = row_totals(results, r);
  if (has_kind(job, SuiteKind::kRefusal)) {
    row.add("harmful", "refused\nharmful", text_cell(t.harmful.share()), Where::kText);
    row.add("benign", "refused\nbenign", text_cell(t.benign.share()), Where::kText);
  }
  if (has_kind(job, SuiteKind::kDecision)) {
    row.add("decisions", "decisions\nright", text_cell(t.decisions.share()), Where::kText);
    row.add("approvals", "VETO→\nAPPR.", text_cell(t.approvals.plain() + unread_mark(t.unread.k, t.unread.n)),
            Where::kText);
  }
}

}  // namespace

Table rows_table(const Results& results, const std::vector<RowVerdict>& verdicts) {
  const schedule::Plan& plan = results.plan;
  Table table{"rows", "Rows", {}, {}, {}};
  RowBuilder row(table);
  bool incomplete = false;
  const bool exact = exact_bytes(results);
  for (std::uint32_t r = 0; r < plan.rows.size(); ++r) {
    const UnitCounts units = count_units(results, r);
    incomplete = incomplete || units.done != units.all;
    const bool baseline = plan.rows[r].baseline == r;
    row.start();
    Cell label = text_cell(plan.rows[r].label);
    label.text += std::string(baseline ? " (base)" : "") + (units.done != units.all ? " *" : "");
    row.add("row", "row", std::move(label), Where::kBoth, true);
    row.add("baseline", "", text_cell(plan.rows[plan.rows[r].baseline].label), Where::kFiles);
    row.add("bits_per_weight", "bits/\nweight", number_cell(results.value<double>("bits_per_weight", r), 2));
    row.add("bytes", bytes_title(exact), bytes_cell(results.value<std::int64_t>("bytes", r), exact));
    add_totals(row, results, r);
    add_figures(row, results, r);
    row.add("units_done", "", count_cell(static_cast<std::int64_t>(units.done)), Where::kFiles);
    row.add("units_failed", "", count_cell(static_cast<std::int64_t>(units.failed)), Where::kFiles);
    row.add("units", "", count_cell(static_cast<std::int64_t>(units.all)), Where::kFiles);
    row.add("verdict", "verdict", verdict_cell(verdicts.at(r).verdict), Where::kBoth, true);
    row.add("reason", "", text_cell(verdicts.at(r).reason), Where::kFiles);
    const schedule::ModelSpec& model = plan.job.models[plan.rows[r].model];
    row.add("requantized", "", count_cell(model.requantize && plan.rows[r].recipe != "as-is"), Where::kFiles);
  }
  table.notes.push_back(
      "base: what the other rows of its model are compared with. Bytes (MB: 10^6) of all weights. k/n: k of\n"
      "n prompts, over all suites of the kind; the files have every suite by itself. k/n" +
      few_note());
  if (has_kind(plan.job, SuiteKind::kDecision)) table.notes.push_back(unread_note());
  for (const schedule::ModelSpec& model : plan.job.models)
    if (model.requantize)
      table.notes.push_back(model.id +
                            ": quantized twice. The file is quantized; its rows but as-is are made from its "
                            "decoded weights,\nso deltas hold for this file, not for the original model.");
  if (incomplete)
    table.notes.push_back("row *: incomplete; figures stand on the n shown (heads: see the heads table).");
  return table;
}

Table votes_table(const Results& results) {
  const schedule::Plan& plan = results.plan;
  Table table{"votes", "Votes of the heads", {}, {}, {}};
  RowBuilder row(table);
  for (const schedule::ExperimentSpec& e : plan.job.experiments)
    for (std::uint32_t r = 0; e.judges() && r < plan.rows.size(); ++r) {
      const auto count = [&](const char* what) { return results.value<std::int32_t>(e.id + what, r); };
      const auto number = [&](const char* what) { return results.value<double>(e.id + what, r); };
      const std::int32_t missing = count("_missing");
      const std::int32_t approved = count("_cascade_veto_to_approve"), veto_n = count("_cascade_veto_n");
      const double bound = number("_cascade_bound");
      row.start();
      row.add("experiment", "experiment", text_cell(e.id), Where::kBoth, true);
      row.add("row", "row", text_cell(plan.rows[r].label), Where::kBoth, true);
      row.add("seeds", "heads", count_cell(missing < 0 ? -1 : e.seeds - missing));
      row.add("n", "n", test_items_cell(results, e, r));
      row.add("head_accuracy_mean", "heads\nright", percent_cell(number("_head_accuracy_mean"), 1));
      row.add("cascade_accuracy", "cascade\nright", percent_cell(number("_cascade_accuracy"), 1));
      row.add("cascade_approvals", "VETO→APPROVE\n(95 % bound)",
              text_cell(approved < 0 || veto_n <= 0 ? "-"
                                                    : fmt::format("{}/{}{} (<{:.1f} %)", approved, veto_n,
                                                                  few_mark(veto_n), 100 * bound)),
              Where::kText);
      row.add("cascade_p_approvals", "p against\nbaseline", p_cell(number("_cascade_p_approvals")));
      row.add("cascade_veto_to_approve", "", count_cell(approved), Where::kFiles);
      row.add("cascade_veto_n", "", count_cell(veto_n), Where::kFiles);
      row.add("cascade_bound", "", number_cell(bound, 4), Where::kFiles);
      row.add("cascade_revise_rate", "REVISE\nrate", percent_cell(number("_cascade_revise_rate"), 1));
    }
  table.notes.push_back(
      "The cascade approves or vetoes when enough heads agree; the rest goes to REVISE. Bounds: one-sided\n"
      "95 % Clopper-Pearson. p: exact McNemar of VETO→APPROVE on the same items. " +
      few_note());
  return table;
}

}  // namespace brinkmap::audit
