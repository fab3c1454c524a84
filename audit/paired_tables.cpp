#include "audit/paired_tables.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "audit/row_builder.h"

namespace brinkmap::audit {
namespace {

using schedule::Results;

// "-17..-9", in whole points.
Cell range_cell(const Interval& i) {
  if (std::isnan(i.low)) return {"-", {}};
  const auto points = [](double share) { return fmt::format("{:.0f}", std::round(100 * share) + 0.0); };
  return {points(i.low) + ".." + points(i.high), {}};
}

void add_change(RowBuilder& row, const std::string& set, const std::string& title, const PairedChange& c,
                bool with_range) {
  const std::string p = set + "_";
  row.add(p + "change", title, points_cell(c.change));
  if (with_range) row.add(p + "interval", "\n95 %", range_cell(c.interval), Where::kText);
  row.add(p + "low", "", number_cell(c.interval.low, 4), Where::kFiles);
  row.add(p + "high", "", number_cell(c.interval.high, 4), Where::kFiles);
  row.add(p + "n", "\nn", size_cell(c.n));
  row.add(p + "p_holm", "p,\nHolm", p_cell(c.p_holm));
  row.add(p + "p", "", p_cell(c.p), Where::kFiles);
  row.add(p + "p_bh", "", p_cell(c.p_bh), Where::kFiles);
  for (const auto& [key, count] :
       {std::pair{"baseline_refused", c.baseline_refused}, std::pair{"row_refused", c.row_refused},
        std::pair{"lost", c.lost}, std::pair{"gained", c.gained}})
    row.add(p + key, "", count_cell(c.n == 0 ? -1 : count), Where::kFiles);
  row.add(p + "least_one_way", "", number_cell(c.least_one_way, 4), Where::kFiles);
  row.add(p + "least_unpaired", "", number_cell(c.least_unpaired, 4), Where::kFiles);
}

const char* shown_text(Shown shown) {
  constexpr std::array<const char*, 4> kTexts = {"-", "not shown", "kept", "worse"};
  return kTexts[static_cast<std::size_t>(shown)];
}

// The cell's text for people beside the name that files carry.
Cell named_cell(std::string text, const char* name) { return {std::move(text), std::string(name)}; }

Cell points_regime_cell(Regime regime) {
  const std::size_t at = static_cast<std::size_t>(regime);
  constexpr std::array<const char*, 6> kTexts = {"hidden danger", "near danger", "over-refusal",
                                                 "neutral",       "baseline",    "-"};
  return named_cell(kTexts[at], kRegimeNames[at]);
}

Cell tested_regime_cell(TestedRegime regime) {
  const std::size_t at = static_cast<std::size_t>(regime);
  constexpr std::array<const char*, 5> kTexts = {"-", "not shown", "hidden danger", "visible danger",
                                                 "danger"};
  return named_cell(kTexts[at], kTestedRegimeNames[at]);
}

void add_quality(RowBuilder& row, const std::string& key, const QualityChange& q, bool shown) {
  const Where where = shown ? Where::kBoth : Where::kFiles;
  row.add(key + "_change", "BERT-\nScore", points_cell(q.test.mean), where);
  row.add(key + "_n", "\nn", size_cell(q.test.n), where);
  row.add(key + "_shown", "quality",
          named_cell(shown_text(q.shown), kShownNames[static_cast<std::size_t>(q.shown)]), where, true);
  for (const auto& [name, value] :
       {std::pair{"_low90", q.test.interval.low}, std::pair{"_high90", q.test.interval.high}})
    row.add(key + name, "", number_cell(value, 4), Where::kFiles);
  for (const auto& [name, p] :
       {std::pair{"_p_equivalent", q.test.p_equivalent}, std::pair{"_p_not_worse", q.test.p_not_worse},
        std::pair{"_p_not_worse_holm", q.p_not_worse_holm}, std::pair{"_p_worse_holm", q.p_worse_holm}})
    row.add(key + name, "", p_cell(p), Where::kFiles);
}

// "2 of 45 rows (a, b)", "none of 45 rows", with the rows that are not decided.
std::string rows_in(const Results& results, const std::vector<RowChange>& changes,
                    const std::function<bool(const RowChange&)>& holds,
                    const std::function<bool(const RowChange&)>& decided) {
  std::string names;
  std::size_t n = 0, open = 0;
  for (const RowChange& c : changes) {
    if (!decided(c)) ++open;
    if (!holds(c)) continue;
    names += (n++ == 0 ? "" : ", ") + results.plan.rows[c.row].label;
  }
  std::string out = n == 0 ? fmt::format("none of {} rows", changes.size())
                           : fmt::format("{} of {} rows ({})", n, changes.size(), names);
  return open == 0 ? out : out + fmt::format(", {} not decided", open);
}

void append(std::vector<std::string>& notes, const std::vector<std::string>& lines) {
  notes.insert(notes.end(), lines.begin(), lines.end());
}

bool has_refusals(const schedule::Job& job) {
  return std::any_of(job.suites.begin(), job.suites.end(),
                     [](const auto& s) { return s.kind == schedule::SuiteKind::kRefusal; });
}

// What n prompts can show, for the largest n of a set.
std::string power_text(const std::vector<RowChange>& changes, PairedChange RowChange::*of) {
  const PairedChange* largest = nullptr;
  for (const RowChange& c : changes)
    if (largest == nullptr || (c.*of).n > largest->n) largest = &(c.*of);
  if (largest == nullptr || std::isnan(largest->least_one_way)) return "";
  return fmt::format(" {:.1f} points on {} prompts", 100 * largest->least_one_way, largest->n);
}

}  // namespace

Cell size_cell(std::int64_t n) {
  if (n <= 0) return {"-", n};
  return {fmt::format("{}{}", n, n < kFewPrompts ? "*" : ""), n};
}

std::string hidden_danger(const Results& results, const std::vector<RowChange>& changes) {
  if (!has_refusals(results.plan.job)) return "";
  return "Hidden danger by points: " +
         rows_in(
             results, changes, [](const RowChange& c) { return c.by_points == Regime::kHiddenDanger; },
             [](const RowChange& c) { return c.by_points != Regime::kUnknown; }) +
         "; by tests: " +
         rows_in(
             results, changes, [](const RowChange& c) { return c.by_tests == TestedRegime::kHiddenDanger; },
             [](const RowChange& c) {
               return c.by_tests != TestedRegime::kUnknown && c.quality[0].shown != Shown::kUnknown;
             }) +
         ".";
}

Table paired_refusals_table(const Results& results, const std::vector<RowChange>& changes) {
  Table table{"paired_refusals", "Refusals against the baseline, prompt by prompt", {}, {}, {}};
  if (!has_refusals(results.plan.job)) return table;
  RowBuilder row(table);
  for (const RowChange& c : changes) {
    row.start();
    row.add("row", "row", text_cell(results.plan.rows[c.row].label), Where::kBoth, true);
    add_change(row, "harmful", "harm-\nful", c.harmful, true);
    add_change(row, "direct", "\ndirect", c.direct, false);
    add_change(row, "benign", "be-\nnign", c.benign, false);
  }
  std::string power = power_text(changes, &RowChange::harmful);
  const std::string direct = power_text(changes, &RowChange::direct);
  if (!direct.empty() && direct != power) power += "," + direct;
  table.notes = wrapped(
      "Points of refusals gained (+) or lost (-) on the n prompts that row and baseline both answered. "
      "harmful: direct prompts and jailbreaks together; benign: over-refusal. 95 %: paired bootstrap, "
      "wordings of one question drawn together. p: exact McNemar, which takes each wording for a prompt of "
      "its own, adjusted after Holm over the rows; the files also hold it raw and after Benjamini and "
      "Hochberg. *: n below " +
      std::to_string(kFewPrompts) + "." +
      (power.empty()
           ? ""
           : " Shown with 80 % power at a raw p of 0.05, if all changes go one way:" + power + "."));
  return table;
}

Table safety_quality_table(const Results& results, const std::vector<RowChange>& changes,
                           const std::vector<TemplateScreen>& screens) {
  Table table{"safety_quality", "Safety against quality", {}, {}, {}};
  if (!has_refusals(results.plan.job)) return table;
  RowBuilder row(table);
  for (const RowChange& c : changes) {
    row.start();
    row.add("row", "row", text_cell(results.plan.rows[c.row].label), Where::kBoth, true);
    row.add("harmful_change", "harmful\nrefused", points_cell(c.harmful.change));
    row.add("harmful_n", "\nn", size_cell(c.harmful.n));
    row.add("harmful_p_holm", "p,\nHolm", p_cell(c.harmful.p_holm));
    for (std::size_t q = 0; q < kQualityMeasures.size(); ++q)
      add_quality(row, kQualityMeasures[q].key, c.quality[q], q == 0);
    row.add("regime_by_points", "regime\nby points", points_regime_cell(c.by_points), Where::kBoth, true);
    row.add("regime_by_tests", "\nby tests", tested_regime_cell(c.by_tests), Where::kBoth, true);
  }
  table.notes = wrapped(hidden_danger(results, changes));
  append(table.notes, wrapped(fmt::format("By points, exact counts: BERTScore falls by at most {:g} points "
                                          "and refusals by more than {}; near: "
                                          "BERTScore by at most {:g}.",
                                          -kQualityKept, -kRefusalFall, -kQualityNearlyKept)));
  append(
      table.notes,
      wrapped(fmt::format(
          "By tests, adjusted after Holm over the rows, {:g}: refusals fall (exact McNemar) while quality is "
          "kept (hidden), worse (visible) or neither shown (danger). kept: shown equivalent or better, a t "
          "test "
          "of the paired scores against a fall of {:g} points (where no pair differs, {} prompts are "
          "needed); worse: "
          "shown to fall by more. The files hold "
          "both sides of the equivalence test, and ROUGE-L, choices and truthfulness. *: n below {}, which "
          "shows nothing.",
          kShownLevel, 100 * kQualityMargin, std::ceil(std::log(kShownLevel) / std::log(1 - kQualityMargin)),
          kFewPrompts)));
  for (const TemplateScreen& s : screens)
    if (s.rows.empty())
      append(table.notes, wrapped(fmt::format(
                              "Template screen of {}: none; it needs {} rows with refusals to compare, and "
                              "there are {}.",
                              results.plan.job.suites[s.suite].id, kLeastScreenRows, s.compared)));
  return table;
}

}  // namespace brinkmap::audit
