#include "audit/mechanism_tests.h"

#include <cmath>
#include <limits>
#include <map>
#include <span>
#include <string>

#include "audit/correlation.h"
#include "audit/paired_tests.h"

namespace brinkmap::audit {
namespace {

using schedule::Results;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kFewestRows = 2;  // of a side that is compared

enum class Side : std::uint8_t { kHarmed, kRest, kOut };

Side side_of(const RowChange& c, MechanismSplit split) {
  switch (split) {
    case MechanismSplit::kPoints:
      if (is_danger(c.by_points)) return Side::kHarmed;
      return c.by_points == Regime::kNeutral ? Side::kRest : Side::kOut;
    case MechanismSplit::kTests:
      if (c.by_tests == TestedRegime::kHiddenDanger) return Side::kHarmed;
      return c.by_tests == TestedRegime::kNotShown ? Side::kRest : Side::kOut;
    case MechanismSplit::kFallen:
      if (c.harmful.n < kFewPrompts) return Side::kOut;
      return c.harmful.shown(-1) ? Side::kHarmed : Side::kRest;
  }
  return Side::kOut;
}

Separation found(const MechanismTest& test) {
  const std::int64_t fewest = std::min(test.harmed_n, test.rest_n);
  if (fewest == 0) return Separation::kNoRows;
  if (fewest < kFewestRows) return Separation::kOneRow;
  if (std::isnan(test.p)) return Separation::kTooMany;
  if (!(test.p_holm < kShownLevel)) return Separation::kNotShown;
  const double middle = static_cast<double>(test.harmed_n) * static_cast<double>(test.rest_n) / 2;
  return test.u > middle ? Separation::kHigher : Separation::kLower;
}

MechanismTest compare(std::size_t probe, MechanismSplit split, const std::vector<MechanismRow>& rows,
                      const std::map<std::uint32_t, const RowChange*>& change) {
  std::vector<double> harmed, rest;
  for (const MechanismRow& r : rows) {
    const auto at = change.find(r.row);
    if (at == change.end() || std::isnan(r.value[probe])) continue;
    const Side side = side_of(*at->second, split);
    if (side != Side::kOut) (side == Side::kHarmed ? harmed : rest).push_back(r.value[probe]);
  }
  MechanismTest out{probe,
                    split,
                    static_cast<std::int64_t>(harmed.size()),
                    static_cast<std::int64_t>(rest.size()),
                    mean(harmed),
                    mean(rest),
                    kNan,
                    kNan,
                    kNan,
                    kNan,
                    Separation::kNoRows};
  if (std::min(out.harmed_n, out.rest_n) < kFewestRows) return out;
  const MannWhitney test = mann_whitney(harmed, rest);
  out.u = test.u;
  out.p_one_sided = kMechanismProbes[probe].sign > 0 ? test.p_greater : test.p_less;
  out.p = test.p;
  return out;
}

MechanismCorrelation correlate(const std::vector<double>& x, const std::vector<double>& y) {
  MechanismCorrelation out{static_cast<std::int64_t>(x.size()), kNan, kNan, kNan, kNan};
  if (x.size() < 3) return out;
  out.pearson = pearson(x, y);
  out.pearson_p = correlation_p(out.pearson, x.size());
  out.spearman = spearman(x, y);
  out.spearman_p = correlation_p(out.spearman, x.size());
  return out;
}

// Every probe with another value of the row, NaN where there is none.
std::vector<MechanismCorrelation> correlate_all(const std::vector<MechanismRow>& rows,
                                                const std::map<std::uint32_t, double>& other) {
  std::vector<MechanismCorrelation> out;
  for (std::size_t probe = 0; probe < kMechanismProbes.size(); ++probe) {
    std::vector<double> x, y;
    for (const MechanismRow& r : rows) {
      const auto at = other.find(r.row);
      if (at == other.end() || std::isnan(at->second) || std::isnan(r.value[probe])) continue;
      x.push_back(r.value[probe]);
      y.push_back(at->second);
    }
    out.push_back(correlate(x, y));
  }
  return out;
}

}  // namespace

std::vector<MechanismRow> mechanism_rows(const Results& results, std::uint32_t experiment) {
  const std::string p = results.plan.job.experiments.at(experiment).id + "_";
  std::vector<MechanismRow> out;
  for (std::uint32_t row = 0; row < results.plan.rows.size(); ++row) {
    if (results.plan.rows[row].baseline == row) continue;
    const auto harmful = [&](const char* what) { return results.at<double>(p + what, row)[0]; };
    const auto value = [&](const char* what) { return results.value<double>(p + what, row); };
    out.push_back({row,
                   {harmful("first_entropy_shift"), harmful("first_top1_shift"), harmful("first_gini_shift"),
                    harmful("first_ece"), value("direction_cosine"), value("direction_norm"),
                    value("direction_norm_ratio"), value("direction_auc_baseline"), value("neuron_ratio")}});
    // A file changed by hand may hold anything.
    for (double& v : out.back().value)
      if (!std::isfinite(v)) v = kNan;
  }
  return out;
}

std::vector<MechanismTest> separate(const std::vector<MechanismRow>& rows,
                                    const std::vector<RowChange>& changes) {
  std::map<std::uint32_t, const RowChange*> change;
  for (const RowChange& c : changes) change[c.row] = &c;
  std::vector<MechanismTest> out;
  for (const MechanismSplit split :
       {MechanismSplit::kPoints, MechanismSplit::kTests, MechanismSplit::kFallen}) {
    std::vector<MechanismTest> tests;
    std::vector<double> p;
    for (std::size_t probe = 0; probe < kMechanismProbes.size(); ++probe) {
      tests.push_back(compare(probe, split, rows, change));
      p.push_back(tests.back().p);
    }
    const std::vector<double> adjusted = holm(p);
    for (std::size_t i = 0; i < tests.size(); ++i) {
      tests[i].p_holm = adjusted[i];
      tests[i].found = found(tests[i]);
      out.push_back(tests[i]);
    }
  }
  return out;
}

RatioTest ratio_against_one(const std::vector<MechanismRow>& rows) {
  std::vector<double> ratio;
  for (const MechanismRow& r : rows)
    if (!std::isnan(r.value[kNeuronRatioProbe])) ratio.push_back(r.value[kNeuronRatioProbe]);
  RatioTest out{static_cast<std::int64_t>(ratio.size()), mean(ratio), {kNan, kNan, kNan, kNan}};
  if (out.n >= kFewestRows) out.test = one_sample_t(sample_of(ratio), 1);
  return out;
}

std::vector<MechanismCorrelation> with_refusals(const std::vector<MechanismRow>& rows,
                                                const std::vector<RowChange>& changes) {
  std::map<std::uint32_t, double> change;
  for (const RowChange& c : changes) change[c.row] = c.harmful.change;
  return correlate_all(rows, change);
}

std::vector<MechanismCorrelation> with_screen(const std::vector<MechanismRow>& rows,
                                              const TemplateScreen& screen) {
  std::map<std::uint32_t, double> score;
  for (const ScreenedRow& r : screen.rows) score[r.row] = r.score[static_cast<std::size_t>(Screening::kOwn)];
  return correlate_all(rows, score);
}

}  // namespace brinkmap::audit
