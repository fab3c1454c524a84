#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "audit/analysis_rows.h"
#include "audit/correlation.h"
#include "audit/row_builder.h"

// Does quality tell safety? Correlations of quality with safety over rows, within models and pooled, their
// robustness, and whether models disagree on the sign (METHOD.md 8 and 10). A plain name is Pearson's r.
namespace brinkmap::audit {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

// A quality and a safety series over the rows of a set.
struct Pair {
  std::string name;  // "bertscore.refusal"
  const RowSet* set = nullptr;
  std::vector<double> quality, safety;
  std::vector<std::size_t> model;  // of each row, in StudyRows::models
};

// Values of a subset: the positions of `keep` in the pair.
Pair subset(const Pair& pair, const std::function<bool(std::size_t)>& keep) {
  Pair out{pair.name, pair.set, {}, {}, {}};
  for (std::size_t i = 0; i < pair.quality.size(); ++i) {
    if (!keep(i)) continue;
    out.quality.push_back(pair.quality[i]);
    out.safety.push_back(pair.safety[i]);
    out.model.push_back(pair.model[i]);
  }
  return out;
}

enum class Scale { kDelta, kRaw };

// Nothing when a row of the set lacks a value.
std::optional<Pair> make_pair_of(const StudyRows& study, const RowSet& set, Scale scale, std::size_t q,
                                 std::size_t s) {
  Pair pair{std::string(kQualityNames[q]) + "." + kSafetyNames[s], &set, {}, {}, {}};
  const bool delta = scale == Scale::kDelta;
  pair.quality = series(set.rows, [&](std::size_t i) {
    return delta ? study.row(i).quality_delta_pp[q] : study.row(i).quality[q];
  });
  pair.safety = series(
      set.rows, [&](std::size_t i) { return delta ? study.safety_delta(i, s) : study.safety_raw(i, s); });
  if (pair.quality.empty() || pair.safety.empty()) return std::nullopt;
  for (const std::size_t i : set.rows)
    pair.model.push_back(static_cast<std::size_t>(
        std::find(study.models.begin(), study.models.end(), study.row(i).model) - study.models.begin()));
  return pair;
}

// Pearson within each model that has rows in the pair; NaN where a series is constant.
std::vector<std::pair<std::size_t, double>> within_models(const StudyRows& study, const Pair& pair) {
  std::vector<std::pair<std::size_t, double>> out;
  for (std::size_t m = 0; m < study.models.size(); ++m) {
    const Pair part = subset(pair, [&](std::size_t i) { return pair.model[i] == m; });
    if (!part.quality.empty()) out.emplace_back(m, pearson(part.quality, part.safety));
  }
  return out;
}

bool splits(const std::vector<std::pair<std::size_t, double>>& within) {
  const auto any = [&](auto is) {
    return std::any_of(within.begin(), within.end(), [&](const auto& w) { return is(w.second); });
  };
  return any([](double r) { return r > 0; }) && any([](double r) { return r < 0; });
}

void add_within(const StudyRows& study, const Pair& pair, Figures& figures) {
  const std::string p = "corr.within." + pair.set->name + "." + pair.name + ".";
  for (std::size_t m = 0; m < study.models.size(); ++m) {
    const Pair part = subset(pair, [&](std::size_t i) { return pair.model[i] == m; });
    if (part.quality.empty()) continue;
    const double r = pearson(part.quality, part.safety);
    figures.add(p + study.models[m], r);
    figures.add(p + study.models[m] + ".p", correlation_p(r, part.quality.size()));
    figures.add(p + study.models[m] + ".spearman", spearman(part.quality, part.safety));
    figures.add_count(p + study.models[m] + ".n", part.quality.size());
  }
}

void add_pooled(const Pair& pair, Figures& figures) {
  const std::string p = "corr.pooled." + pair.set->name + "." + pair.name;
  const std::size_t n = pair.quality.size();
  const double r = pearson(pair.quality, pair.safety);
  const double rho = spearman(pair.quality, pair.safety);
  const Interval fisher = fisher_interval(r, static_cast<double>(n) - 3);
  figures.add(p, r);
  figures.add(p + ".pearson", r);
  figures.add(p + ".p", correlation_p(r, n));
  figures.add(p + ".ci_lo", fisher.low);
  figures.add(p + ".ci_hi", fisher.high);
  figures.add(p + ".spearman", rho);
  figures.add(p + ".spearman_p", correlation_p(rho, n));
  figures.add_count(p + ".n", n);
}

void add_repeated_measures(const Pair& pair, Figures& figures) {
  const WithinGroups within = within_groups(pair.quality, pair.safety, pair.model);
  const std::string name = pair.set->name + "." + pair.name;
  const std::string p = "rmcorr." + name + ".";
  figures.add(p + "r", within.r);
  figures.add(p + "df", within.df);
  figures.add(p + "p", within.p);
  figures.add(p + "ci_lo", within.interval.low);
  figures.add(p + "ci_hi", within.interval.high);
  figures.add("within_model_slope." + name, within.slope);
  figures.add("within_model_slope_se." + name, within.slope_error);
}

struct Range {
  double low = kUnknown, high = kUnknown;
  void take(double v) {
    low = std::fmin(low, v);
    high = std::fmax(high, v);
  }
  std::string text() const { return std::isnan(low) ? "-" : fmt::format("{:+.2f} {:+.2f}", low, high); }
};

// The pooled correlation without all rows of one level or model.
Range add_left_out(const StudyRows& study, const Pair& pair, const std::string& kind,
                   const std::vector<std::string>& names, std::string MatrixRow::*field, Figures& figures) {
  Range range;
  for (const std::string& name : names) {
    const Pair rest =
        subset(pair, [&](std::size_t i) { return study.row(pair.set->rows[i]).*field != name; });
    if (rest.quality.size() == pair.quality.size()) continue;  // no such row in the set
    const std::string p = "loo." + kind + "." + pair.set->name + "." + pair.name + ".drop_" + name;
    const double r = pearson(rest.quality, rest.safety);
    figures.add(p + ".pearson", r);
    figures.add(p + ".p", correlation_p(r, rest.quality.size()));
    figures.add(p + ".spearman", spearman(rest.quality, rest.safety));
    range.take(r);
  }
  return range;
}

void add_table_line(RowBuilder& add, const Pair& pair,
                    const std::vector<std::pair<std::size_t, double>>& within, const Range& quant,
                    const Range& model) {
  const double r = pearson(pair.quality, pair.safety);
  const WithinGroups rm = within_groups(pair.quality, pair.safety, pair.model);
  std::size_t positive = 0, negative = 0;
  for (const auto& [m, value] : within) {
    positive += value > 0 ? 1 : 0;
    negative += value < 0 ? 1 : 0;
  }
  add.start();
  add.add("set", "rows", text_cell(pair.set->name), Where::kBoth, true);
  add.add("pair", "quality.safety", text_cell(pair.name), Where::kBoth, true);
  add.add("pearson", "Pearson", number_cell(r, 3));
  add.add("p", "p", p_cell(correlation_p(r, pair.quality.size())));
  add.add("spearman", "Spear-\nman", number_cell(spearman(pair.quality, pair.safety), 3));
  add.add("rmcorr", "within\nmodels", number_cell(rm.r, 3));
  add.add("models", "models\n+ / -", text_cell(fmt::format("{} / {}", positive, negative)));
  add.add("drop_quant", "a level left\nout, lo hi", text_cell(quant.text()));
  add.add("drop_model", "a model left\nout, lo hi", text_cell(model.text()));
}

// How many pairings of a set have a model with r > 0 and one with r < 0.
void add_reversals(const StudyRows& study, const RowSet& set, Scale scale, Figures& figures,
                   RowBuilder& add) {
  const std::string p =
      std::string("sign_reversal.") + (scale == Scale::kDelta ? "delta_scale." : "raw_scale.");
  std::size_t keyword = 0, judge = 0, keyword_split = 0, judge_split = 0;
  for (std::size_t q = 0; q < kQualities; ++q)
    for (std::size_t s = 0; s < kSafetyNames.size(); ++s) {
      const std::optional<Pair> pair = make_pair_of(study, set, scale, q, s);
      if (!pair) continue;
      const bool split = splits(within_models(study, *pair));
      figures.add(p + "split." + set.name + "." + pair->name, split ? 1 : 0);
      (s < kKeywordSafety ? keyword : judge) += 1;
      (s < kKeywordSafety ? keyword_split : judge_split) += split ? 1 : 0;
    }
  const auto line = [&](const char* scorer, const char* key, std::size_t split, std::size_t pairs) {
    if (pairs == 0) return;
    figures.add_count(p + key + "_pairs_split_of_" + std::to_string(pairs) + "." + set.name, split);
    add.start();
    add.add("scale", "scale", text_cell(scale == Scale::kDelta ? "deltas" : "row means"), Where::kBoth, true);
    add.add("set", "rows", text_cell(set.name), Where::kBoth, true);
    add.add("scorer", "safety by", text_cell(scorer), Where::kBoth, true);
    add.add("split", "pairings split",
            text_cell(count_of(static_cast<std::int64_t>(split), static_cast<std::int64_t>(pairs))));
  };
  line("keywords", "regex", keyword_split, keyword);
  line("judge", "judge_refusal", judge_split, judge);
}

}  // namespace

std::optional<std::set<std::string>> models_against_pooled(const StudyRows& study) {
  const std::optional<Pair> pair = make_pair_of(study, study.all, Scale::kDelta, 0, 0);
  if (!pair) return std::nullopt;
  const double pooled = pearson(pair->quality, pair->safety);
  std::set<std::string> out;
  for (const auto& [model, r] : within_models(study, *pair))
    if (r * pooled < 0) out.insert(study.models[model]);
  return out;
}

void analyze_correlations(const StudyRows& study, Analysis& out) {
  Table table{"correlations", "Quality against safety, deltas in points; p two-sided", {}, {}, {}};
  RowBuilder add(table);
  const std::vector<RowSet> sets = study.delta_sets();
  for (const RowSet& set : sets)
    for (std::size_t q = 0; q < kQualities; ++q)
      for (std::size_t s = 0; s < kSafetyNames.size(); ++s) {
        const std::optional<Pair> pair = make_pair_of(study, set, Scale::kDelta, q, s);
        if (!pair) continue;
        add_within(study, *pair, out.figures);
        add_pooled(*pair, out.figures);
        add_repeated_measures(*pair, out.figures);
        const Range quant = add_left_out(study, *pair, "quant", study.quants, &MatrixRow::quant, out.figures);
        const Range model = add_left_out(study, *pair, "model", study.models, &MatrixRow::model, out.figures);
        add_table_line(add, *pair, within_models(study, *pair), quant, model);
      }
  table.notes.push_back("rows: the set and its size. models: how many have a positive / negative Pearson.");
  out.tables.push_back(std::move(table));

  Table reversals{
      "sign_reversals", "Pairings of quality and safety on whose sign the models disagree", {}, {}, {}};
  RowBuilder line(reversals);
  for (const RowSet& set : sets) add_reversals(study, set, Scale::kDelta, out.figures, line);
  if (!study.complete_raw.rows.empty())
    add_reversals(study, study.complete_raw, Scale::kRaw, out.figures, line);
  out.tables.push_back(std::move(reversals));
}

}  // namespace brinkmap::audit
