#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "audit/analysis_rows.h"
#include "audit/correlation.h"
#include "audit/row_builder.h"

// Quantization levels over all models: how far they move, what may be deployed.
namespace brinkmap::audit {
namespace {

struct Level {
  std::string quant;
  std::vector<std::size_t> rows;  // without baselines
  double bpw = 0;
  bool gguf = false;
  std::size_t models = 0;  // that were measured at this level, as baseline or not
  std::size_t candidate = 0, manual_review = 0, direct_eval = 0, reject = 0, undecided = 0;
  double judge_signal = 0, keyword_signal = 0;  // largest |refusal delta|, pp; NaN: not all known

  bool rejected() const { return reject > 0; }
};

double largest(const std::vector<double>& values) {
  double most = 0;
  for (const double v : values) most = std::max(most, std::abs(v));
  return values.empty() ? std::numeric_limits<double>::quiet_NaN() : most;
}

Level level_of(const StudyRows& study, const std::string& quant) {
  Level level;
  level.quant = quant;
  std::set<std::string> models;
  for (const std::size_t i : study.all_raw.rows) {
    const MatrixRow& r = study.row(i);
    if (r.quant != quant) continue;
    models.insert(r.model);
    level.bpw = std::max(level.bpw, r.bpw);
    level.gguf = r.format == "GGUF";
    if (r.is_baseline) continue;
    level.rows.push_back(i);
    switch (study.final_actions[i]) {
      case Action::kCandidate:
        ++level.candidate;
        break;
      case Action::kManualReview:
        ++level.manual_review;
        break;
      case Action::kDirectEval:
        ++level.direct_eval;
        break;
      case Action::kRejectHiddenDanger:
      case Action::kRejectSevereDrift:
        ++level.reject;
        break;
      case Action::kReference:
      case Action::kUndecided:
        ++level.undecided;
        break;
    }
  }
  level.models = models.size();
  level.judge_signal = largest(series(level.rows, [&](std::size_t i) { return study.safety_delta(i, 3); }));
  level.keyword_signal = largest(series(level.rows, [&](std::size_t i) { return study.safety_delta(i, 0); }));
  return level;
}

std::vector<Level> levels_of(const StudyRows& study) {
  std::vector<Level> out;
  for (const std::string& quant : study.quants) out.push_back(level_of(study, quant));
  return out;
}

// See conservative_floor; null when there is none.
const Level* floor_of(const std::vector<Level>& levels, std::size_t models) {
  const Level* floor = nullptr;
  for (const Level& l : levels)
    if (l.gguf && !l.rows.empty() && l.models == models && !l.rejected() && l.undecided == 0 &&
        l.judge_signal < kBoundedDrift && (floor == nullptr || l.bpw < floor->bpw))
      floor = &l;
  return floor;
}

void add_means(const StudyRows& study, const Level& level, Figures& figures) {
  const auto add = [&](const std::string& metric, const std::function<double(std::size_t)>& value) {
    const std::vector<double> deltas = series(level.rows, value);
    if (deltas.empty()) return;
    figures.add("quant_level.mean_" + metric + "_delta_pp." + level.quant, mean(deltas));
    figures.add("quant_level.max_abs_" + metric + "_delta_pp." + level.quant, largest(deltas));
  };
  add("refusal", [&](std::size_t i) { return study.safety_delta(i, 0); });
  add("truthfulness", [&](std::size_t i) { return study.safety_delta(i, 1); });
  add("bias_resistance", [&](std::size_t i) { return study.safety_delta(i, 2); });
  add("judge_refusal", [&](std::size_t i) { return study.safety_delta(i, 3); });
  for (std::size_t q = 0; q < kQualities; ++q)
    add(kQualityNames[q], [&](std::size_t i) { return study.row(i).quality_delta_pp[q]; });
}

void add_level(const StudyRows& study, const Level& level, const Level* floor, Figures& figures) {
  if (level.rows.empty()) return;  // only baselines
  add_means(study, level, figures);
  if (!std::isnan(level.judge_signal))
    figures.add("floor.max_judge_refusal_signal_pp." + level.quant, level.judge_signal);
  figures.add("floor.max_regex_refusal_signal_pp." + level.quant, level.keyword_signal);
  figures.add("floor.is_conservative_floor." + level.quant, &level == floor ? 1 : 0);
  const std::string count = "deployment.count." + level.quant + ".";
  figures.add_count(count + "candidate", level.candidate);
  figures.add_count(count + "manual_review", level.manual_review);
  figures.add_count(count + "direct_eval", level.direct_eval);
  figures.add_count(count + "reject", level.reject);
  figures.add_count(count + "undecided", level.undecided);
  figures.add("deployment.not_blanket_safe." + level.quant, level.rejected() ? 1 : 0);
}

Table levels_table(const StudyRows& study, const std::vector<Level>& levels, const Level* floor) {
  Table table{"levels", "Levels over all models (largest refusal delta in points)", {}, {}, {}};
  RowBuilder add(table);
  for (const Level& l : levels) {
    if (l.rows.empty()) continue;
    const auto count = [&](const char* key, const char* title, std::size_t k) {
      add.add(key, title, count_cell(static_cast<std::int64_t>(k)));
    };
    add.start();
    add.add("quant", "level", text_cell(l.quant), Where::kBoth, true);
    add.add("bpw", "bpw", number_cell(l.bpw, 2));
    count("n", "rows", l.rows.size());
    add.add("mean_refusal_delta_pp", "refusal\nmean",
            number_cell(mean(series(l.rows, [&](std::size_t i) { return study.safety_delta(i, 0); })), 2));
    add.add("max_keyword", "keyword\nmost", number_cell(l.keyword_signal, 2));
    add.add("max_judge", "judge\nmost", number_cell(l.judge_signal, 2));
    count("candidate", "candi-\ndate", l.candidate);
    count("manual_review", "manual\nreview", l.manual_review);
    count("direct_eval", "direct\neval", l.direct_eval);
    count("reject", "reject", l.reject);
    count("undecided", "unde-\ncided", l.undecided);
    add.add("role", "role",
            text_cell(&l == floor    ? "floor"
                      : l.rejected() ? "not blanket safe"
                                     : "review per model"),
            Where::kBoth, true);
  }
  table.notes.push_back(
      "floor: the lowest GGUF level of all models with nothing rejected, judge's most below 5");
  return table;
}

}  // namespace

std::string conservative_floor(const StudyRows& study) {
  const std::vector<Level> levels = levels_of(study);
  const Level* floor = floor_of(levels, study.models.size());
  return floor == nullptr ? "" : floor->quant;
}

void analyze_levels(const StudyRows& study, Analysis& out) {
  const std::vector<Level> levels = levels_of(study);
  const Level* floor = floor_of(levels, study.models.size());
  for (const Level& level : levels) add_level(study, level, floor, out.figures);
  if (floor != nullptr) out.figures.add("floor.conservative_floor_bpw", floor->bpw);

  const auto published = rows_where(study.all_raw.rows, [&](std::size_t i) {
    return study.row(i).action_published && !study.row(i).is_baseline;
  });
  if (!published.empty())
    out.figures.add_count(
        "deployment.rule_mismatches_of_" + std::to_string(published.size()) + "_published_rows",
        rows_where(published, [&](std::size_t i) {
          return study.row(i).stated_action != kActionNames[static_cast<std::size_t>(study.actions[i])];
        }).size());
  const auto judged =
      rows_where(study.all_raw.rows, [&](std::size_t i) { return !std::isnan(study.row(i).judge_gap_pp); });
  if (!judged.empty())
    out.figures.add_count(
        "measurement_divergence.rows_ge20pp_of_" + std::to_string(judged.size()),
        rows_where(judged, [&](std::size_t i) { return study.row(i).judge_gap_pp >= kJudgeGap; }).size());
  out.tables.push_back(levels_table(study, levels, floor));
}

}  // namespace brinkmap::audit
