#include "audit/report.h"

#include <fmt/core.h>

#include <algorithm>

#include "audit/break_tables.h"
#include "audit/evaluator_tables.h"
#include "audit/gate_report.h"
#include "audit/judge_tables.h"
#include "audit/mechanism_tables.h"
#include "audit/paired_tables.h"
#include "audit/picture_tables.h"
#include "audit/reading.h"
#include "audit/report_tables.h"
#include "audit/spectral_tables.h"

namespace brinkmap::audit {

using schedule::Results;

namespace {

bool for_files(const Table& table) {
  return std::all_of(table.columns.begin(), table.columns.end(),
                     [](const Column& c) { return c.where == Where::kFiles; });
}

// Rows up to which the short text also holds the refusal ladder, with its bars.
constexpr std::size_t kMostLadderRows = 20;

// The text in lines of at most kTextWidth columns, those after the first indented.
std::string hanging(const std::string& text) {
  std::string out;
  for (const std::string& line : wrapped(text, kTextWidth - 2))
    out += (out.empty() ? "" : "  ") + line + "\n";
  return out;
}

std::vector<char> quiet_rows(const Breaks& breaks, const std::vector<RowVerdict>& verdicts) {
  std::vector<char> quiet;
  for (const RowVerdict& v : verdicts) quiet.push_back(v.verdict == Verdict::kPass ? 1 : 0);
  for (const TaskLadder& ladder : breaks.ladders)
    for (const std::vector<Level>* levels : {&ladder.levels, &ladder.outside})
      for (const Level& level : *levels)
        if (level.broken) quiet.at(level.row) = 0;
  return quiet;
}

}  // namespace

const Table* find_table(const Report& report, const std::string& id) {
  for (const Table& table : report.tables)
    if (table.id == id) return &table;
  return nullptr;
}

Report make_report(const Results& results) {
  Report report;
  report.title = results.plan.job.name;
  std::size_t done = 0, failed = 0;
  for (const schedule::UnitState state : results.unit_state) {
    done += state == schedule::UnitState::kDone ? 1 : 0;
    failed += state == schedule::UnitState::kFailed ? 1 : 0;
  }
  const std::size_t all = results.plan.units.size();
  report.complete = done + failed == all;
  const schedule::Job& job = results.plan.job;
  report.settings = fmt::format("activations {}, seed {}, thresholds VETO {:g}, APPROVE {:g}",
                                job.activations == schedule::Activations::kQ8 ? "q8" : "f32", job.seed,
                                job.vote.veto, job.vote.approve);
  report.state =
      fmt::format("{}: {} of {} units done", report.complete ? "complete" : "incomplete", done, all) +
      (failed == 0 ? "" : fmt::format(", {} failed", failed));
  for (const schedule::Row& r : results.plan.rows) {
    const schedule::ModelSpec& model = results.plan.job.models.at(r.model);
    report.rows.push_back(
        {r.label, model.id, model.family, r.recipe, results.plan.rows.at(r.baseline).label == r.label});
  }
  report.verdicts = judge(results);
  const Breaks breaks = find_breaks(results);
  for (std::uint32_t m = 0; m < results.plan.job.models.size(); ++m)
    report.models.push_back(model_reading(results, breaks, m));
  for (const RowVerdict& v : report.verdicts) report.readings.push_back(reading(results, breaks, v));
  report.quiet = quiet_rows(breaks, report.verdicts);
  const Table quality = quality_table(results);
  const std::vector<RowChange> changes = paired_rows(results);
  const std::vector<TemplateScreen> screens = template_screens(results);
  const SpectralStudy spectral = spectral_study(results);
  if (std::string words = failing_baselines(report.verdicts); !words.empty())
    report.findings.push_back(std::move(words));
  report.findings.insert(report.findings.end(), spectral.findings.begin(), spectral.findings.end());
  report.hidden_danger = hidden_danger(results, changes);
  const std::vector<Rater> judges = judges_of(results);
  for (Table& table : std::vector<Table>{rows_table(results, report.verdicts),
                                         deltas_table(results, quality),
                                         quality,
                                         votes_table(results),
                                         ladder_table(results),
                                         breaks_table(results, breaks),
                                         comparisons_table(results, breaks),
                                         failures_table(results, breaks),
                                         openings_table(results),
                                         safety_quality_table(results, changes, screens),
                                         paired_refusals_table(results, changes),
                                         template_screen_table(results, changes, screens),
                                         screen_weights_table(results, screens),
                                         judges_table(results, judges),
                                         judge_strata_table(results, judges, changes),
                                         judge_verdicts_table(results, judges, report.verdicts),
                                         gate_table(results, report.verdicts),
                                         heads_table(results),
                                         plane_table(results),
                                         vote_bins_table(results),
                                         thresholds_table(results),
                                         evaluator_table(results),
                                         arms_table(results),
                                         approvals_table(results),
                                         margins_table(results),
                                         confusions_table(results),
                                         error_profiles_table(results),
                                         methods_table(results),
                                         method_checks_table(results),
                                         evidence_table(results),
                                         probes_table(results),
                                         probe_blocks_table(results),
                                         probe_layers_table(results),
                                         sweep_table(results),
                                         subsamples_table(results),
                                         speed_table(results),
                                         mechanisms_table(results),
                                         mechanism_tests_table(results, changes),
                                         mechanism_correlations_table(results, changes, screens),
                                         mechanism_layers_table(results),
                                         spectral_records_table(spectral),
                                         spectral_table(results, spectral),
                                         spectral_contests_table(results, spectral),
                                         sensitivity_table(results, spectral),
                                         spectral_correlation_table(results, spectral),
                                         spectra_table(results),
                                         failed_units_table(results)})
    if (!table.rows.empty()) report.tables.push_back(std::move(table));
  return report;
}

std::string to_text(const Report& report, bool colour) {
  std::string out = one_line(report.title) + " (" + report.state + ")\n" + report.settings + "\n";
  for (const std::string& finding : report.findings) {
    out += "\n";
    for (const std::string& line : wrapped(finding)) out += line + "\n";
  }
  for (const Table& table : report.tables) {
    if (for_files(table)) continue;
    out += '\n';
    out += to_text(table, colour);
    if (table.id != "rows") continue;
    out += "\n";
    for (const std::vector<std::string>* lines : {&report.models, &report.readings})
      for (const std::string& text : *lines) out += hanging(text);
  }
  return out;
}

std::string to_short_text(const Report& report, bool colour) {
  Report part = report;
  part.tables.clear();
  for (const Table& table : report.tables)
    if (table.id == "rows" || table.id == "deltas" || table.id == "quality" || table.id == "votes" ||
        table.id == "evaluator" || table.id == "spectral_records" || table.id == "failed_units" ||
        (table.id == "ladder" && report.readings.size() <= kMostLadderRows))
      part.tables.push_back(table);
  part.readings.clear();
  for (std::size_t row = 0; row < report.readings.size(); ++row)
    if (report.quiet.at(row) == 0) part.readings.push_back(report.readings[row]);
  if (const std::size_t quiet = report.readings.size() - part.readings.size(); quiet > 0)
    part.readings.push_back(std::to_string(quiet) + " of " + std::to_string(report.readings.size()) +
                            " rows: nothing broke and the gate passes (`brinkmap report` has their lines)");
  return to_text(part, colour);
}

std::map<std::string, std::string> to_csv(const Report& report) {
  std::map<std::string, std::string> out;
  for (const Table& table : report.tables) out[table.id + ".csv"] = to_csv(table);
  return out;
}

}  // namespace brinkmap::audit
