#include "audit/judge_tables.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "audit/gate_agreement.h"
#include "audit/gate_report.h"
#include "audit/paired_tables.h"
#include "audit/regimes.h"
#include "audit/row_builder.h"

namespace brinkmap::audit {
namespace {

using schedule::Results;

Cell range_cell(const Interval& i) {
  if (std::isnan(i.low)) return {"-", {}};
  return {fmt::format("{:.2f}..{:.2f}", i.low, i.high), {}};
}

bool is_wide(const Agreement& a) { return std::fabs(a.gap_pp()) >= kJudgeGap - 1e-9; }

Cell gap_cell(const Agreement& a, bool review) {
  Cell cell = points_cell(a.rate_b - a.rate_a);
  if (review) cell.text += "*";
  return cell;
}

// Columns that a comparison of two raters has wherever it stands.
void add_agreement(RowBuilder& row, const Agreement& a) {
  const double kappa = a.clear < 2 ? std::nan("") : a.kappa;
  row.add("pairs", "\npairs", count_cell(a.pairs));
  row.add("agreement", "\nagree", percent_cell(a.agreement, 1));
  row.add("clear_pairs", "\nclear", count_cell(a.clear));
  row.add("kappa", "\nkappa", number_cell(kappa, 2));
  row.add("kappa_se_low", "", number_cell(a.large_sample.low, 4), Where::kFiles);
  row.add("kappa_se_high", "", number_cell(a.large_sample.high, 4), Where::kFiles);
}

// `refusals`: of a detector and a judge, to harmful prompts.
void add_rates(RowBuilder& row, const Agreement& a, bool refusals) {
  const bool review = refusals && is_wide(a);
  row.add("judge_rate", "judge\nsays", percent_cell(a.rate_b, 0));
  row.add("scorer_rate", "scorer\nsays", percent_cell(a.rate_a, 0));
  row.add("gap", "\ngap", gap_cell(a, review));
  row.add("manual_review", "", count_cell(review ? 1 : 0), Where::kFiles);
}

bool is_refusal(const Results& results, std::uint32_t suite) {
  return results.plan.job.suites[suite].kind == schedule::SuiteKind::kRefusal;
}

// A line of the table of judges.
struct Line {
  const Rater& a;  // the scorer, or another judge
  const Rater& b;
  std::string rows;
};

void add_line(RowBuilder& row, const Results& results, const Line& line, const KeepAnswer& keep) {
  const KeyedRandom random(results.plan.job.seed, "agreement/" + line.b.name);
  const auto counted = [&](std::uint32_t r, std::uint32_t i) {
    return counts_for_agreement(results.plan, line.b.suite, i) && keep(r, i);
  };
  const Agreement a = agreement(rated_pairs(line.a, line.b, counted), &random);
  if (a.pairs == 0) return;
  const bool of_scorer = line.a.name == "scorer";
  row.start();
  row.add("judge", "judge", text_cell(line.b.name), Where::kFiles, true);
  row.add("against", "", text_cell(line.a.name), Where::kFiles, true);
  row.add("suite", "", text_cell(results.plan.job.suites[line.b.suite].id), Where::kFiles, true);
  row.add("rows", "", text_cell(line.rows), Where::kFiles, true);
  row.add("title", "judge\n rows",
          text_cell((of_scorer ? line.b.name : line.b.name + " : " + line.a.name) + " " + line.rows),
          Where::kText, true);
  add_agreement(row, a);
  row.add("kappa_interval", "\n95 %", range_cell(a.bootstrap), Where::kText);
  row.add("kappa_low", "", number_cell(a.bootstrap.low, 4), Where::kFiles);
  row.add("kappa_high", "", number_cell(a.bootstrap.high, 4), Where::kFiles);
  add_rates(row, a, of_scorer && is_refusal(results, line.b.suite));
}

bool always(std::uint32_t, std::uint32_t) { return true; }

void add_judge(RowBuilder& row, const Results& results, const Rater& scorer, const Rater& judge) {
  const schedule::Plan& plan = results.plan;
  for (std::uint32_t r = 0; r < plan.rows.size(); ++r)
    add_line(row, results, {scorer, judge, plan.rows[r].label},
             [r](std::uint32_t at, std::uint32_t) { return at == r; });
  if (plan.job.models.size() > 1)
    for (std::uint32_t m = 0; m < plan.job.models.size(); ++m)
      add_line(row, results, {scorer, judge, plan.job.models[m].id + "/*"},
               [&plan, m](std::uint32_t at, std::uint32_t) { return plan.rows[at].model == m; });
  add_line(row, results, {scorer, judge, "all rows"}, always);
}

}  // namespace

Table judges_table(const Results& results, const std::vector<Rater>& judges) {
  Table table{"judges", "Judges against the suites' own scorers", {}, {}, {}};
  RowBuilder row(table);
  for (std::size_t j = 0; j < judges.size(); ++j) {
    add_judge(row, results, scorer_of(results, judges[j].suite), judges[j]);
    for (std::size_t other = 0; other < j; ++other)
      if (judges[other].suite == judges[j].suite)
        add_line(row, results, {judges[other], judges[j], "all rows"}, always);
  }
  table.notes = wrapped(fmt::format(
      "pairs: answers that both label, of a refusal suite those to harmful prompts, the unclear ones "
      "included; clear: those that neither calls unclear, which "
      "kappa (Cohen) and the rates stand on. says: share called a refusal, truthful or unbiased; gap: judge "
      "minus "
      "scorer in points, *: {:g} or more, which is for manual review. 95 %: percentile bootstrap over "
      "prompts, the "
      "answers to one prompt drawn together; the files also hold the interval by the large-sample error, "
      "which takes "
      "them for independent. Labels of a weighted sample are weighted. -: fewer than two clear pairs.",
      kJudgeGap));
  return table;
}

Table judge_strata_table(const Results& results, const std::vector<Rater>& judges,
                         const std::vector<RowChange>& changes) {
  Table table{"judge_strata", "Judges by kind of prompt and regime of the row", {}, {}, {}};
  const schedule::Plan& plan = results.plan;
  std::vector<std::string> regime_of;
  for (const schedule::Row& row : plan.rows)
    regime_of.push_back(plan.rows[row.baseline].label == row.label ? "baseline" : "unknown");
  for (const RowChange& c : changes)
    regime_of.at(c.row) = kRegimeNames[static_cast<std::size_t>(c.by_points)];
  RowBuilder row(table);
  for (const Rater& judge : judges) {
    const Rater scorer = scorer_of(results, judge.suite);
    const std::vector<std::string>& groups = plan.facts.suites.at(judge.suite).groups;
    const bool refusals = is_refusal(results, judge.suite);
    const auto add_stratum = [&](const char* by, const std::string& stratum, bool review,
                                 const KeepAnswer& keep) {
      const Agreement a = agreement(rated_pairs(scorer, judge, keep), nullptr);
      if (a.pairs == 0) return;
      row.start();
      row.add("judge", "judge", text_cell(judge.name), Where::kBoth, true);
      row.add("suite", "", text_cell(plan.job.suites[judge.suite].id), Where::kFiles, true);
      row.add("by", "by", text_cell(by), Where::kBoth, true);
      row.add("stratum", "stratum", text_cell(stratum), Where::kBoth, true);
      add_agreement(row, a);
      add_rates(row, a, review);
    };
    const auto counts = [&](std::uint32_t i) { return counts_for_agreement(plan, judge.suite, i); };
    const auto add = [&](const char* by, const std::string& stratum, const KeepAnswer& keep) {
      add_stratum(by, stratum, refusals,
                  [&](std::uint32_t r, std::uint32_t i) { return counts(i) && keep(r, i); });
    };
    if (refusals) {
      add("expected", "harmful", always);
      add_stratum("expected", "benign", false, [&](std::uint32_t, std::uint32_t i) { return !counts(i); });
    }
    std::map<std::string, int> strata;
    for (const std::string& group : groups) ++strata[group];
    for (const auto& [group, n] : strata)
      if (!group.empty())
        add("prompt", group, [&, g = group](std::uint32_t, std::uint32_t i) { return groups[i] == g; });
    std::map<std::string, int> regimes;
    for (const std::string& regime : regime_of) ++regimes[regime];
    for (const auto& [regime, n] : regimes)
      add("regime", regime, [&, g = regime](std::uint32_t r, std::uint32_t) { return regime_of[r] == g; });
  }
  table.notes = wrapped(
      "As in the table of judges, over all rows; only the line benign has other prompts than harmful ones. "
      "regime: by points, as in Safety against quality.");
  return table;
}

Table judge_verdicts_table(const Results& results, const std::vector<Rater>& judges,
                           const std::vector<RowVerdict>& verdicts) {
  Table table{"judge_verdicts", "Verdicts by the judges' refusals", {}, {}, {}};
  RowBuilder row(table);
  for (const Rater& judge : judges) {
    std::string changed;
    std::size_t n = 0, compared = 0, unlabelled = 0;  // of the rows that are no baseline
    for (const JudgedVerdict& v : judged_verdicts(results, verdicts, judge)) {
      const std::string& label = results.plan.rows[v.row].label;
      row.start();
      row.add("judge", "judge", text_cell(judge.name), Where::kBoth, true);
      row.add("suite", "", text_cell(results.plan.job.suites[judge.suite].id), Where::kFiles, true);
      row.add("row", "row", text_cell(label), Where::kBoth, true);
      row.add("pairs", "\npairs", size_cell(v.pairs));
      row.add("harmful", "\nof", count_cell(v.harmful));
      row.add("scorer_drop", "drop,\nscorer", number_cell(v.scorer_drop_pp, 1));
      row.add("judge_drop", "drop,\njudge", number_cell(v.judge_drop_pp, 1));
      row.add("verdict", "verdict", verdict_cell(v.verdict), Where::kBoth, true);
      row.add("by_scorer", "on pairs,\nscorer", verdict_cell(v.by_scorer), Where::kBoth, true);
      row.add("by_judge", "on pairs,\njudge", verdict_cell(v.by_judge), Where::kBoth, true);
      row.add("changes", "", count_cell(v.changes() ? 1 : 0), Where::kFiles);
      row.add("change", "", text_cell(v.changes() ? "changes" : ""), Where::kText, true);
      if (results.plan.rows[v.row].baseline == v.row) continue;
      ++(v.pairs > 0 ? compared : unlabelled);
      if (v.changes())
        changed += fmt::format("{}{} {} to {}", n++ == 0 ? " (" : ", ", label, verdict_name(v.by_scorer),
                               verdict_name(v.by_judge));
    }
    if (compared == 0) continue;
    const std::string others =
        unlabelled == 0 ? ""
                        : fmt::format(", {} row{} without labels", unlabelled, unlabelled == 1 ? "" : "s");
    const std::string text = n == 0 ? fmt::format("With the labels of {} no verdict of {} row{} changes{}.",
                                                  judge.name, compared, compared == 1 ? "" : "s", others)
                                    : fmt::format("With the labels of {} {} of {} verdicts change{}){}.",
                                                  judge.name, n, compared, changed, others);
    for (const std::string& line : wrapped(text)) table.notes.push_back(line);
  }
  for (const std::string& line :
       wrapped("pairs: harmful prompts that judge and scorer label clearly in the row and its baseline, "
               "without weights; "
               "on pairs: the gate's verdict when only they are counted, by either, without the rule on "
               "kappa. *: n below " +
               std::to_string(kFewPrompts) + "."))
    table.notes.push_back(line);
  return table;
}

}  // namespace brinkmap::audit
