#include "audit/reading.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "audit/report_tables.h"
#include "schedule/recipe_text.h"

namespace brinkmap::audit {
namespace {

using schedule::Results;
using schedule::SuiteKind;

std::string join(const std::vector<std::string>& parts, const char* between) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += between;
    out += parts[i];
  }
  return out;
}

// "1 prompt", "2 prompts".
std::string counted(std::int64_t n, const std::string& thing) {
  return fmt::format("{} {}{}", n, thing, n == 1 ? "" : "s");
}

// A row's recipe as its label shows it.
std::string recipe_of(const Results& results, std::uint32_t row) {
  return schedule::recipe_label(results.plan.rows.at(row).recipe);
}

bool has_harmful(const schedule::SuiteFacts& facts) {
  return std::find(facts.expected.begin(), facts.expected.end(), 1) != facts.expected.end();
}

std::string refusal_words(const Results& results, std::uint32_t suite, const RowVerdict& verdict) {
  const PairedRefusal pair = pair_refusals(results, suite, verdict.row);
  const schedule::Job& job = results.plan.job;
  const auto several = std::count_if(job.suites.begin(), job.suites.end(), [](const schedule::SuiteSpec& s) {
                         return s.kind == SuiteKind::kRefusal;
                       }) > 1;
  const std::string of = several ? " of " + job.suites[suite].id : "";
  if (pair.n == 0) return "no refusals" + of + " measured";
  std::string out = fmt::format("refuses {} of {}", pair.row_refused, counted(pair.n, "harmful prompt")) + of;
  const schedule::Row& row = results.plan.rows[verdict.row];
  if (row.baseline == verdict.row) return out;
  const std::string against = recipe_of(results, row.baseline);
  if (pair.lost == 0 && pair.gained == 0) return out + ", the same ones as " + against;
  if (pair.lost == pair.gained)
    return out + fmt::format(", as many as {} ({})", against, counted(pair.lost, "other"));
  return out + fmt::format(", {:.1f} points {} than {} (p = {:.2g}, unadjusted)", std::fabs(pair.drop_pp),
                           pair.drop_pp > 0 ? "fewer" : "more", against, pair.p);
}

std::string decision_words(const Results& results, const std::string& id, std::uint32_t row) {
  const double accuracy = results.value<double>(id + "_accuracy", row);
  const std::int32_t approved = results.value<std::int32_t>(id + "_veto_to_approve", row);
  const std::int32_t n = results.value<std::int32_t>(id + "_veto_n", row);
  if (!std::isfinite(accuracy)) return "no decisions measured";
  std::string out = fmt::format("decides {:.1f} % right", 100 * accuracy);
  if (n <= 0) return out;
  out += fmt::format(" and approves {} of {}", approved == 0 ? "none" : std::to_string(approved),
                     counted(n, "VETO item"));
  const std::int64_t unread = invalid_vetos(results, id, row);
  return unread > 0 ? out + fmt::format(" ({} of the answers to them cannot be read)", unread) : out;
}

std::string cascade_words(const Results& results, const std::string& id, std::uint32_t row) {
  const double accuracy = results.value<double>(id + "_cascade_accuracy", row);
  if (!std::isfinite(accuracy)) return "no cascade: heads are missing";
  const std::int32_t approved = results.value<std::int32_t>(id + "_cascade_veto_to_approve", row);
  return fmt::format("its heads' cascade is {:.1f} % right, approves {} of {} and sends {:.0f} % to REVISE",
                     100 * accuracy, approved,
                     counted(results.value<std::int32_t>(id + "_cascade_veto_n", row), "VETO item"),
                     100 * results.value<double>(id + "_cascade_revise_rate", row));
}

std::string upper_case(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return text;
}

// A row's level on every task that its baseline can do, with the task's ladder.
struct Compared {
  const TaskLadder* ladder;
  const Level* level;
};

std::vector<Compared> compared(const Breaks& breaks, std::uint32_t row) {
  std::vector<Compared> out;
  for (const TaskLadder& ladder : breaks.ladders) {
    if (!ladder.floor.measured) continue;
    for (const std::vector<Level>* levels : {&ladder.levels, &ladder.outside})
      for (const Level& level : *levels)
        if (level.row == row && level.n > 0) out.push_back({&ladder, &level});
  }
  return out;
}

// A row can fall below chance: it has nothing more to lose then.
std::string loss_words(const Collapse& collapse) {
  return collapse.loss > 1 ? "all of what it had above chance, and more"
                           : fmt::format("{:.0f} % of what it had above chance", 100 * collapse.loss);
}

std::string failure_words(const FailureKinds& f) {
  std::vector<std::string> parts;
  if (f.collapse.found)
    parts.push_back(fmt::format("accuracy collapse ({} loses {})", f.collapse.task, loss_words(f.collapse)));
  if (f.calibration.found)
    parts.push_back(fmt::format("lost calibration (error {:.2f}, was {:.2f})", f.calibration.row,
                                f.calibration.baseline));
  if (f.spread.found)
    parts.push_back(fmt::format("output variance (wordings of {} of {} disagree, were {})", f.spread.row,
                                counted(f.spread.n, "question"), f.spread.baseline));
  if (f.instability.found)
    parts.push_back(fmt::format("instability ({} of {}, were {}; {} not finite)", f.instability.row,
                                counted(f.instability.n, "response"), f.instability.baseline,
                                f.instability.not_finite));
  return parts.empty() ? "" : "kinds of failure: " + join(parts, ", ");
}

// What broke most, what else, what was the first on the way down the ladder, and how; nothing for a baseline.
std::vector<std::string> break_words(const Results& results, const Breaks& breaks, std::uint32_t row) {
  std::vector<std::string> out;
  if (results.plan.rows[row].baseline != row) {
    const std::vector<Compared> all = compared(breaks, row);
    std::vector<Compared> broken;
    for (const Compared& c : all)
      if (c.level->broken) broken.push_back(c);
    std::stable_sort(broken.begin(), broken.end(),
                     [](const Compared& a, const Compared& b) { return a.level->z > b.level->z; });
    const auto name = [&](const Compared& c) { return breaks.tasks[c.ladder->task].name; };
    if (broken.empty()) {
      out.push_back(all.empty()       ? "nothing to compare with its baseline"
                    : all.size() == 1 ? "no break shown on its only task"
                                      : fmt::format("no break shown on any of {} tasks", all.size()));
    } else {
      const Compared& most = broken[0];
      const Measure measure = breaks.tasks[most.ladder->task].measure;
      std::string words =
          fmt::format("breaks most on {} ({}, baseline {}, n = {}, p = {:.2g} after Holm)", name(most),
                      score_text(measure, most.level->score), score_text(measure, most.level->baseline),
                      most.level->n, most.level->p_holm);
      constexpr std::size_t kNamed = 4;  // the strongest; the tables have the rest
      std::vector<std::string> others;
      for (std::size_t i = 1; i < std::min(kNamed, broken.size()); ++i) others.push_back(name(broken[i]));
      if (!others.empty()) words += ", also on " + join(others, ", ");
      if (broken.size() > kNamed) words += fmt::format(" and {} more", broken.size() - kNamed);
      out.push_back(words);
      // Only a row of the ladder has wider levels above it.
      const Compared* first = nullptr;
      for (const Compared& c : broken)
        if (c.ladder->broken_at >= 0 && on_ladder(results.plan.rows[row].recipe) &&
            (first == nullptr || c.ladder->broken_at < first->ladder->broken_at))
          first = &c;
      if (first != nullptr) {
        const auto at = static_cast<std::size_t>(first->ladder->broken_at);
        const std::uint32_t wider = first->ladder->levels[at].row;
        out.push_back("first to break: " + name(*first) +
                      (wider == row ? ", here" : ", at " + recipe_of(results, wider)));
      }
    }
  }
  if (std::string kinds = failure_words(breaks.failures.at(row)); !kinds.empty())
    out.push_back(std::move(kinds));
  return out;
}

}  // namespace

std::string reading(const Results& results, const Breaks& breaks, const RowVerdict& verdict) {
  const schedule::Job& job = results.plan.job;
  std::vector<std::string> parts = break_words(results, breaks, verdict.row);
  for (std::uint32_t s = 0; s < job.suites.size(); ++s) {
    if (job.suites[s].kind == SuiteKind::kRefusal && has_harmful(results.plan.facts.suites.at(s)))
      parts.push_back(refusal_words(results, s, verdict));
    if (job.suites[s].kind == SuiteKind::kDecision)
      parts.push_back(decision_words(results, job.suites[s].id, verdict.row));
  }
  for (const schedule::ExperimentSpec& e : job.experiments)
    if (e.judges()) parts.push_back(cascade_words(results, e.id, verdict.row));
  const UnitCounts units = count_units(results, verdict.row);
  if (units.done != units.all)
    parts.push_back(fmt::format("incomplete, {} of {} done, {} failed", units.done,
                                counted(static_cast<std::int64_t>(units.all), "unit"), units.failed));
  // A job that asks for neither refusals nor decisions has only the verdict to tell of a baseline.
  std::string out = verdict.label + ": " + join(parts, "; ") + (parts.empty() ? "" : ". ") +
                    upper_case(verdict_name(verdict.verdict));
  if (verdict.verdict != Verdict::kPass) out += " (" + verdict.reason + ")";
  return one_line(out + ".");
}

std::string model_reading(const Results& results, const Breaks& breaks, std::uint32_t model) {
  const schedule::Plan& plan = results.plan;
  std::map<int, std::vector<std::string>> breaking;           // by level of the ladder, widest first
  std::map<std::uint32_t, std::vector<std::string>> outside;  // by row
  std::vector<std::string> holding, unmeasured, absent, incomplete,
      ladder;  // the last: recipes of the levels
  for (const TaskLadder& l : breaks.ladders) {
    if (l.model != model) continue;
    const std::string& name = breaks.tasks[l.task].name;
    ladder.clear();
    for (const Level& level : l.levels) ladder.push_back(recipe_of(results, level.row));
    const bool missing =
        std::any_of(l.levels.begin(), l.levels.end(), [](const Level& level) { return level.n == 0; });
    if (!l.floor.measured)
      (l.floor.n == 0 ? absent : unmeasured).push_back(name);
    else if (l.broken_at >= 0)
      breaking[l.broken_at].push_back(
          name + (l.shape == Shape::kUnknown ? "" : std::string(" (") + shape_name(l.shape) + ")"));
    else
      (missing ? incomplete : holding).push_back(name);
    for (const Level& level : l.outside)
      if (level.broken) outside[level.row].push_back(name);
  }
  std::vector<std::string> parts;
  for (const auto& [level, names] : breaking)
    parts.push_back("breaks at " + ladder[static_cast<std::size_t>(level)] + ": " + join(names, ", "));
  if (!holding.empty() && ladder.size() > 1)
    parts.push_back("no break shown down to " + ladder.back() + ": " + join(holding, ", "));
  if (!incomplete.empty())
    parts.push_back("no break shown, levels without results: " + join(incomplete, ", "));
  for (const auto& [row, names] : outside)
    parts.push_back("outside the ladder " + recipe_of(results, row) + " breaks " + join(names, ", "));
  if (!unmeasured.empty())
    parts.push_back("not measured, the baseline cannot do it: " + join(unmeasured, ", "));
  if (!absent.empty()) parts.push_back("no results of the baseline: " + join(absent, ", "));
  if (parts.empty()) parts.push_back("nothing to compare");
  return one_line(fmt::format("{} ({:.1f} M parameters): {}.", plan.job.models.at(model).id,
                              static_cast<double>(plan.facts.models.at(model).parameters) / 1e6,
                              join(parts, "; ")));
}

}  // namespace brinkmap::audit
