#include "audit/break_tables.h"

#include <fmt/core.h>

#include <cmath>
#include <limits>

#include "audit/picture_tables.h"
#include "audit/row_builder.h"
#include "audit/row_totals.h"
#include "schedule/recipe_text.h"

namespace brinkmap::audit {
namespace {

using schedule::Results;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

const std::string& recipe_of(const Results& results, const Level& level) {
  return results.plan.rows.at(level.row).recipe;
}

std::string recipe_at(const Results& results, const TaskLadder& ladder, int level) {
  return level < 0 ? "" : recipe_of(results, ladder.levels.at(static_cast<std::size_t>(level)));
}

Cell name_cell(const std::string& text) { return text.empty() ? Cell{"-", {}} : text_cell(text); }

// Shown as row labels show it; files have every listed module.
Cell recipe_cell(const std::string& recipe) { return {schedule::recipe_label(recipe), recipe}; }

std::string change_text(const std::string& low, const std::string& high) {
  return low.empty() ? "-" : low == high ? low : low + ".." + high;
}

// `level` is null where the ladder shows no break.
void add_break(RowBuilder& row, const Results& results, const Breaks& breaks, const TaskLadder& ladder,
               const Level* level, bool on_ladder) {
  const Task& task = breaks.tasks.at(ladder.task);
  const std::string state = ladder.floor.n == 0      ? "no results"
                            : !ladder.floor.measured ? "not measured"
                            : level == nullptr       ? "no break shown"
                                                     : "breaks";
  const std::string low = on_ladder ? recipe_at(results, ladder, ladder.change_low) : "";
  const std::string high = on_ladder ? recipe_at(results, ladder, ladder.change_high) : "";
  const bool shaped = on_ladder && ladder.shape != Shape::kUnknown;
  row.start();
  row.add("model", "model", text_cell(results.plan.job.models.at(ladder.model).id), Where::kBoth, true);
  row.add("task", "task", text_cell(task.name), Where::kBoth, true);
  row.add("state", "", text_cell(state), Where::kFiles);
  row.add("baseline", "baseline",
          shown_cell(score_text(task.measure, ladder.floor.score), ladder.floor.score));
  row.add("chance", "", number_cell(ladder.floor.chance, 4), Where::kFiles);
  row.add("floor_p", "", number_cell(ladder.floor.p, 4), Where::kFiles);
  row.add("breaks_at", "breaks at",
          level == nullptr ? Cell{ladder.floor.measured ? "-"
                                  : ladder.floor.n == 0 ? "no results"
                                                        : "unmeasured",
                                  {}}
                           : recipe_cell(recipe_of(results, *level)),
          Where::kBoth, true);
  row.add("bits_per_weight", "", number_cell(level == nullptr ? kNan : level->bits, 2), Where::kFiles);
  row.add(
      "score", "there",
      level == nullptr ? Cell{"-", {}} : shown_cell(score_text(task.measure, level->score), level->score));
  row.add("drop", "", number_cell(level == nullptr ? kNan : level->drop, 4), Where::kFiles);
  row.add("p_holm", "", number_cell(level == nullptr ? kNan : level->p_holm, 4), Where::kFiles);
  row.add("shape", "shape", shaped ? text_cell(shape_name(ladder.shape)) : Cell{"-", {}}, Where::kBoth, true);
  row.add("sharp_share", "", number_cell(on_ladder ? ladder.sharp_share : kNan, 3), Where::kFiles);
  row.add("change", "change at\n(95 %)", Cell{change_text(low, high), {}}, Where::kText, true);
  row.add("change_point", "", name_cell(on_ladder ? recipe_at(results, ladder, ladder.change) : ""),
          Where::kFiles);
  row.add("change_low", "", name_cell(low), Where::kFiles);
  row.add("change_high", "", name_cell(high), Where::kFiles);
  row.add("n", "n", marked_count(level == nullptr ? ladder.floor.n : level->n));
}

std::string flagged(std::string text, std::int64_t n, bool found) {
  return n == 0 ? "-" : fmt::format("{} ({}{}){}", text, n, few_mark(n), found ? "!" : " ");
}

double share(std::int64_t k, std::int64_t n) {
  return n == 0 ? kNan : static_cast<double>(k) / static_cast<double>(n);
}

std::string shares_text(std::int64_t before, std::int64_t now, std::int64_t n) {
  return fmt::format("{:.0f}→{:.0f} %", 100 * share(before, n), 100 * share(now, n));
}

}  // namespace

Table breaks_table(const Results& results, const Breaks& breaks) {
  Table table{"breaks", "Where it breaks", {}, {}, {}};
  RowBuilder row(table);
  for (const TaskLadder& ladder : breaks.ladders) {
    const bool broken = ladder.broken_at >= 0;
    add_break(row, results, breaks, ladder,
              broken ? &ladder.levels[static_cast<std::size_t>(ladder.broken_at)] : nullptr, true);
    for (const Level& level : ladder.outside)
      if (level.broken) add_break(row, results, breaks, ladder, &level, false);
  }
  table.notes = {
      "breaks at: the widest level whose paired test (exact McNemar; sign-flip for real scores)",
      fmt::format("is below {:g} after Holm over the model's levels and whose score falls by more than {:g}",
                  kBreakAlpha, kBreakMargin),
      "(a share, a score of 0 to 1, or nat a token). Rows outside the ladder: Holm over these rows.",
      fmt::format(
          "shape: one step against one slope over the levels by BIC; clear when {:.0f} % of {} resamples",
          100 * kShapeAgreement, kShapeResamples),
      "of the prompts agree. The interval is that of the step's first low level. \"-\": no break shown.",
      fmt::format(
          "unmeasured: the baseline does not beat chance (exact binomial test, {:g}), refuses under half",
          kFloorLevel),
      "of the harmful or answers under half of the benign prompts. " + few_note()};
  return table;
}

Table comparisons_table(const Results& results, const Breaks& breaks) {
  Table table{"comparisons", "Every row on every task", {}, {}, {}};
  RowBuilder row(table);
  for (const TaskLadder& ladder : breaks.ladders)
    for (const std::vector<Level>* levels : {&ladder.levels, &ladder.outside})
      for (const Level& level : *levels) {
        const schedule::Row& of = results.plan.rows.at(level.row);
        const Task& task = breaks.tasks.at(ladder.task);
        const Interval range = score_interval(task, task_scores(results, task, level.row));
        row.start();
        row.add("row", "", text_cell(of.label), Where::kFiles);
        row.add("task", "", text_cell(task.name), Where::kFiles);
        row.add("measured", "", count_cell(ladder.floor.measured ? 1 : 0), Where::kFiles);
        row.add("on_ladder", "", count_cell(levels == &ladder.levels ? 1 : 0), Where::kFiles);
        row.add("bits_per_weight", "", number_cell(level.bits, 2), Where::kFiles);
        row.add("n", "", count_cell(level.n), Where::kFiles);
        row.add("baseline", "", shown_cell(score_text(task.measure, level.baseline), level.baseline),
                Where::kFiles);
        row.add("score", "", shown_cell(score_text(task.measure, level.score), level.score), Where::kFiles);
        row.add("score_low", "", number_cell(range.low, 4), Where::kFiles);
        row.add("score_high", "", number_cell(range.high, 4), Where::kFiles);
        row.add("drop", "", number_cell(level.drop, 4), Where::kFiles);
        row.add("z", "", number_cell(level.z, 2), Where::kFiles);
        row.add("p", "", number_cell(level.p, 4), Where::kFiles);
        row.add("p_holm", "", number_cell(level.p_holm, 4), Where::kFiles);
        row.add("broken", "", count_cell(level.broken ? 1 : 0), Where::kFiles);
      }
  return table;
}

Table failures_table(const Results& results, const Breaks& breaks) {
  Table table{"failures", "Kinds of failure", {}, {}, {}};
  RowBuilder row(table);
  for (const FailureKinds& f : breaks.failures) {
    const schedule::Row& of = results.plan.rows.at(f.row);
    if (of.baseline == f.row && !f.instability.found) continue;
    const Collapse& c = f.collapse;
    const CalibrationLoss& e = f.calibration;
    const WordingSpread& s = f.spread;
    const Instability& i = f.instability;
    row.start();
    row.add("row", "row", text_cell(of.label), Where::kBoth, true);
    row.add("collapse_text", "lost above\nchance",
            text_cell(flagged(c.loss > 1 ? ">100 %" : fmt::format("{:.0f} %", 100 * c.loss), c.n, c.found)),
            Where::kText);
    row.add("collapse_task", "", name_cell(c.task), Where::kFiles);
    row.add("collapse_loss", "", number_cell(c.loss, 4), Where::kFiles);
    row.add("collapse_n", "", count_cell(c.n), Where::kFiles);
    row.add("collapse", "", count_cell(c.found ? 1 : 0), Where::kFiles);
    row.add("ece_text", "calibration\nerror",
            text_cell(flagged(fmt::format("{:.3f}→{:.3f}", e.baseline, e.row), e.n, e.found)), Where::kText);
    row.add("ece_baseline", "", number_cell(e.baseline, 4), Where::kFiles);
    row.add("ece", "", number_cell(e.row, 4), Where::kFiles);
    row.add("ece_rise_low", "", number_cell(e.rise.low, 4), Where::kFiles);
    row.add("ece_rise_high", "", number_cell(e.rise.high, 4), Where::kFiles);
    row.add("ece_n", "", count_cell(e.n), Where::kFiles);
    row.add("lost_calibration", "", count_cell(e.found ? 1 : 0), Where::kFiles);
    row.add("spread_text", "wordings\ndisagree",
            text_cell(flagged(shares_text(s.baseline, s.row, s.n), s.n, s.found)), Where::kText);
    row.add("disagree_baseline", "", count_cell(s.baseline), Where::kFiles);
    row.add("disagree", "", count_cell(s.row), Where::kFiles);
    row.add("disagree_n", "", count_cell(s.n), Where::kFiles);
    row.add("disagree_p", "", number_cell(s.p, 4), Where::kFiles);
    row.add("output_variance", "", count_cell(s.found ? 1 : 0), Where::kFiles);
    row.add("unstable_text", "unstable\nresponses",
            text_cell(flagged(shares_text(i.baseline, i.row, i.n), i.n, i.found)), Where::kText);
    row.add("unstable_baseline", "", count_cell(i.baseline), Where::kFiles);
    row.add("unstable", "", count_cell(i.row), Where::kFiles);
    row.add("not_finite", "", count_cell(i.not_finite), Where::kFiles);
    row.add("not_ended", "", count_cell(i.not_ended), Where::kFiles);
    row.add("repetitive", "", count_cell(i.repetitive), Where::kFiles);
    row.add("unstable_n", "", count_cell(i.n), Where::kFiles);
    row.add("unstable_p", "", number_cell(i.p, 4), Where::kFiles);
    row.add("instability", "", count_cell(i.found ? 1 : 0), Where::kFiles);
  }
  const FailureLimits& limits = kFailureLimits;
  table.notes = {
      "baseline→row (n), \"!\" where found. Lost above chance: the worst of decisions, bias and choices;",
      fmt::format(
          "found where the task breaks and at least {:.0f} % is lost. Calibration error (10 bins): found",
          100 * limits.collapse_share),
      fmt::format(
          "where it rises by at least {:g} and the rise's 95 % bootstrap interval is above 0. Wordings:",
          limits.ece_rise),
      fmt::format(
          "questions answered differently by wording; found at +{:.0f} points and p < {:g} (McNemar).",
          100 * limits.disagreement_rise, limits.alpha),
      fmt::format("Unstable: not finite, no end token, or under {:.0f} % distinct 4-grams; found at +{:.0f} "
                  "points and",
                  100 * limits.repetition, 100 * limits.unstable_rise),
      fmt::format("p < {:g}, or with any not finite. ", limits.alpha) + few_note()};
  return table;
}

}  // namespace brinkmap::audit
