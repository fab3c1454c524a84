#include <fmt/core.h>

#include <cmath>

#include "audit/approvals.h"
#include "audit/confusion.h"
#include "audit/evaluator_tables.h"
#include "audit/row_builder.h"
#include "audit/row_totals.h"
#include "audit/study.h"

namespace brinkmap::audit {
namespace {

using schedule::ExperimentSpec;
using schedule::Results;
using schedule::SuiteKind;
using schedule::SuiteSpec;

constexpr std::size_t kAnswers = schedule::kDecisionClasses + 1;
constexpr const char* kShort[kAnswers] = {"approve", "revise", "veto", "invalid"};

std::vector<const SuiteSpec*> decision_suites(const Results& results) {
  std::vector<const SuiteSpec*> out;
  for (const SuiteSpec& s : results.plan.job.suites)
    if (s.kind == SuiteKind::kDecision && has_study(results.plan.job)) out.push_back(&s);
  return out;
}

Where only_for_several(const std::vector<const SuiteSpec*>& suites) {
  return suites.size() > 1 ? Where::kBoth : Where::kFiles;
}

// What a reader calls the items whose variables' names go on with `set` after the suite.
const char* items_of(const std::string& set) { return set == "_" ? "all" : "balanced"; }

// Items of a gold class that got each answer, and all items; -1 where they are not known.
struct Said {
  std::vector<std::int64_t> answers;  // [class, answer]
  std::int64_t all = 0;

  std::int64_t of(std::size_t answer) const {
    if (all < 0) return -1;
    std::int64_t n = 0;
    for (std::size_t g = 0; g < answers.size() / kAnswers; ++g) n += answers[g * kAnswers + answer];
    return n;
  }
};

Said read_said(const Results& results, const std::string& name, std::uint32_t row) {
  const auto counts = results.at<std::int32_t>(name, row);
  const std::size_t columns = counts.size() / schedule::kDecisionClasses;
  Said out{std::vector<std::int64_t>(schedule::kDecisionClasses * kAnswers), 0};
  for (std::size_t i = 0; i < counts.size() && out.all >= 0; ++i) {
    out.answers[i / columns * kAnswers + i % columns] = counts[i];
    out.all = counts[i] < 0 ? -1 : out.all + counts[i];
  }
  return out;
}

// One kind of answers of a row: `p` begins the names of its variables.
void add_answers(RowBuilder& line, const RowOf& of, const std::string& key, const std::string& title,
                 const std::string& p, std::int32_t veto_n, bool invalid) {
  const Said said = read_said(of.results, of.id + p + "confusion", of.row);
  const std::int32_t approved = of.count(p + "veto_to_approve");
  line.add(key + "approvals", title + "\nV→A", ratio_cell(approved, veto_n), Where::kText);
  line.add(key + "veto_to_approve", "", count_cell(approved), Where::kFiles);
  line.add(key + "bound", "\n<", percent_cell(of.number(p + "veto_to_approve_bound"), 1));
  line.add(key + "gained", "", count_cell(of.count(p + "approvals_gained")), Where::kFiles);
  line.add(key + "lost", "", count_cell(of.count(p + "approvals_lost")), Where::kFiles);
  line.add(key + "p", "\np", p_cell(of.number(p + "p_approvals")));
  line.add(key + "revised", "\nREVISE", count_cell(said.of(1)));
  line.add(key + "invalid", "\nINV.", count_cell(said.of(3)), invalid ? Where::kBoth : Where::kFiles);
}

// Whose decisions a confusion matrix counts: name for the reader, variable, variable of the distance.
struct Decider {
  std::string name, confusion, distance;
};

std::vector<Decider> deciders(const Results& results) {
  std::vector<Decider> out;
  const std::vector<const SuiteSpec*> suites = decision_suites(results);
  for (const SuiteSpec* s : suites) {
    const std::string of = suites.size() > 1 ? " " + s->id : "";
    out.push_back({"generated" + of, s->id + "_confusion", s->id + "_profile_distance"});
    out.push_back({"choice" + of, s->id + "_choice_confusion", s->id + "_choice_profile_distance"});
  }
  for (const ExperimentSpec& e : results.plan.job.experiments)
    if (!suites.empty() && e.judges())
      out.push_back({e.id, e.id + "_cascade_confusion", e.id + "_cascade_profile_distance"});
  return out;
}

Confusion to_confusion(const Said& said) {
  Confusion out;
  for (std::size_t i = 0; i < said.answers.size(); ++i)
    out.count[i / kAnswers][i % kAnswers] = static_cast<std::int32_t>(said.answers[i]);
  return out;
}

bool same_items(const Confusion& a, const Confusion& b) {
  for (std::size_t g = 0; g < a.count.size(); ++g) {
    std::int64_t more = 0;
    for (std::size_t i = 0; i < kAnswers; ++i) more += std::int64_t{a.count[g][i]} - b.count[g][i];
    if (more != 0) return false;
  }
  return true;
}

}  // namespace

Table approvals_table(const Results& results) {
  Table table{"approvals", "VETO→APPROVE: generated answers and constrained choices", {}, {}, {}};
  RowBuilder line(table);
  const std::vector<const SuiteSpec*> suites = decision_suites(results);
  for (const SuiteSpec* s : suites)
    for (const std::string set : {"_balanced_", "_"})
      for (std::uint32_t r = 0; r < results.plan.rows.size(); ++r) {
        const RowOf of{results, s->id, r};
        const std::int32_t veto_n = of.count(set + "veto_n");
        line.start();
        line.add("suite", "suite", text_cell(s->id), only_for_several(suites), true);
        line.add("items", "", text_cell(items_of(set)), Where::kFiles);
        line.add("row", "row", text_cell(results.plan.rows[r].label), Where::kBoth, true);
        line.add("n", "n", marked_count(read_said(results, s->id + set + "confusion", r).all));
        line.add("missing", "", count_cell(of.count(set + "missing")), Where::kFiles);
        line.add("veto_n", "", count_cell(veto_n), Where::kFiles);
        line.add("compared", "", count_cell(of.count(set + "approvals_n")), Where::kFiles);
        add_answers(line, of, "generated_", "generated:", set, veto_n, true);
        add_answers(line, of, "choice_", "choice:", set + "choice_", veto_n, false);
      }
  table.notes = {
      fmt::format(
          "First the balanced items (the first {} of each label in the suite's order), then all. V→A: VETO",
          kBalancedItems),
      "items approved. <: one-sided 95 % Clopper-Pearson bound. p: exact McNemar of V→A against the",
      "baseline on the same items. INV.: answers without a decision, a class of their own. A row that",
      "always says REVISE has no V→A either. " + few_note()};
  return table;
}

Table margins_table(const Results& results) {
  Table table{"margins", "VETO margin: log p(VETO) - log p(APPROVE) on the VETO items", {}, {}, {}};
  RowBuilder line(table);
  const std::vector<const SuiteSpec*> suites = decision_suites(results);
  for (const SuiteSpec* s : suites)
    for (const std::string set : {"_balanced_", "_"})
      for (std::uint32_t r = 0; r < results.plan.rows.size(); ++r) {
        const RowOf of{results, s->id, r}, base{results, s->id, results.plan.rows[r].baseline};
        line.start();
        line.add("suite", "suite", text_cell(s->id), only_for_several(suites), true);
        line.add("items", "", text_cell(items_of(set)), Where::kFiles);
        line.add("row", "row", text_cell(results.plan.rows[r].label), Where::kBoth, true);
        line.add("n", "n", marked_count(of.count(set + "veto_n")));
        for (const auto& [key, title, what] : {std::tuple{"p5_", "5 %:\nrow", "veto_margin_p5"},
                                               std::tuple{"min_", "least:\nrow", "veto_margin_min"}}) {
          const std::string k = key;
          const double here = of.number(set + what), there = base.number(set + what);
          line.add(k + "row", title, number_cell(here, 2));
          line.add(k + "baseline", "\nbaseline", number_cell(there, 2));
          line.add(k + "change", "\nchange", number_cell(here - there, 2));
        }
      }
  table.notes = {
      "First of the balanced items, then of all. In nat, of the constrained choice; below 0 APPROVE is",
      "likelier than VETO. 5 %: 5th percentile of the n items. " + few_note()};
  return table;
}

Table confusions_table(const Results& results) {
  Table table{"confusions", "What became of the items of each class", {}, {}, {}};
  RowBuilder line(table);
  for (const Decider& d : deciders(results))
    for (std::uint32_t r = 0; r < results.plan.rows.size(); ++r) {
      const Said said = read_said(results, d.confusion, r);
      line.start();
      line.add("row", "row", text_cell(results.plan.rows[r].label), Where::kBoth, true);
      line.add("decides", "decided by", text_cell(d.name), Where::kBoth, true);
      line.add("variable", "", text_cell(d.confusion), Where::kFiles);
      for (std::size_t g = 0; g < schedule::kDecisionClasses; ++g) {
        std::string text;
        for (std::size_t a = 0; a < kAnswers; ++a)
          text += fmt::format("{}{:>3}", a == 0 ? "" : " ", said.answers[g * kAnswers + a]);
        line.add(kShort[g],
                 std::string(g == 0   ? "APPROVE"
                             : g == 1 ? "REVISE"
                                      : "VETO") +
                     ":\n  A   R   V   ?",
                 text_cell(said.all < 0 ? "-" : text), Where::kText, true);
        for (std::size_t a = 0; a < kAnswers; ++a)
          line.add(std::string(kShort[g]) + "_as_" + kShort[a], "",
                   count_cell(said.all < 0 ? -1 : said.answers[g * kAnswers + a]), Where::kFiles);
      }
      line.add("distance", "moved", count_cell(results.value<std::int64_t>(d.distance, r)));
    }
  table.notes = {
      "Items of each class that were called APPROVE, REVISE, VETO, INVALID (?). A cascade is named by its",
      "heads and judges the test items. moved: L1 distance of the wrong cells from the baseline's."};
  return table;
}

Table error_profiles_table(const Results& results) {
  const schedule::Plan& plan = results.plan;
  Table table{"error_profiles", "L1 distance of the error profiles of two rows", {}, {}, {}};
  RowBuilder line(table);
  for (const Decider& d : deciders(results))
    for (std::uint32_t r = 0; r < plan.rows.size(); ++r)
      for (std::uint32_t other = 0; other < r; ++other) {
        if (plan.rows[r].model != plan.rows[other].model) continue;
        const Said a = read_said(results, d.confusion, r), b = read_said(results, d.confusion, other);
        const bool known = a.all >= 0 && b.all >= 0 && same_items(to_confusion(a), to_confusion(b));
        line.start();
        line.add("decides", "", text_cell(d.name), Where::kFiles);
        line.add("row", "", text_cell(plan.rows[r].label), Where::kFiles);
        line.add("other", "", text_cell(plan.rows[other].label), Where::kFiles);
        line.add("variable", "", text_cell(d.confusion), Where::kFiles);
        line.add("distance", "",
                 count_cell(known ? error_profile_distance(to_confusion(a), to_confusion(b)) : -1),
                 Where::kFiles);
      }
  table.notes = {
      "Of two rows of a model, over the wrong cells; empty where items without a result leave other counts."};
  return table;
}

}  // namespace brinkmap::audit
