#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "audit/paired_rows.h"
#include "audit/paired_tests.h"
#include "audit/spectral_parts.h"

namespace brinkmap::audit {
namespace {

using schedule::Results;

std::string p_text(double p) {
  return std::isnan(p) ? "p unknown" : p < 0.001 ? "p < 0.001" : fmt::format("p {:.3f}", p);
}

std::string name_of(const Record& r) { return r.side.empty() ? r.by : r.by + " (" + r.side + ")"; }

std::string text_of(const Record& r) {
  return fmt::format(
      "{}, won {} of {}, {} after Holm, {:+.4f} nat a token in the mean, 95 % {:+.4f} to {:+.4f}", name_of(r),
      r.won, r.contests, p_text(r.p_holm), r.change, r.interval.low, r.interval.high);
}

bool is_spectral(const Record& r) {
  Contest c;
  c.parts.by = r.by;
  return c.spectral();
}

// What one measure says, as a clause.
std::string verdict(const std::vector<Record>& records, bool kl) {
  std::string better;
  std::size_t ways = 0;
  const Record* best = nullptr;
  for (const Record& r : records) {
    if (!is_spectral(r)) continue;
    ++ways;
    if (best == nullptr) best = &r;
    if (r.p_holm < kShownLevel) better += (better.empty() ? "" : "; ") + text_of(r);
  }
  const std::string measure = kl ? "KL divergence from the baseline" : "text loss";
  if (best == nullptr) return "by " + measure + " nothing could be tested";
  if (!better.empty()) return "by " + measure + " it beats random draws (" + better + ")";
  return fmt::format("by {} none of {} ways is shown to beat random draws (the best: {})", measure, ways,
                     text_of(*best));
}

std::string answer(const Results& results, const SpectralStudy& study) {
  const std::vector<Contest>& contests = study.contests;
  std::set<std::uint32_t> models;
  std::set<std::size_t> draws;
  std::int64_t blocks = 0;
  std::size_t unequal = 0;
  bool with_kl = false;
  for (const Contest& c : contests) {
    models.insert(results.plan.rows[c.row].model);
    draws.insert(c.draws.size());
    blocks = std::max(blocks, c.loss.blocks);
    with_kl = with_kl || c.kl_rank > 0;
    if (!c.equal_bytes()) ++unequal;
  }
  const std::string drawn = draws.size() == 1 ? std::to_string(*draws.begin())
                                              : fmt::format("{}-{}", *draws.begin(), *draws.rbegin());
  return "Choosing the matrices to keep by a spectral figure, at equal bytes: " +
         verdict(study.by_loss, false) + (with_kl ? ", " + verdict(study.by_kl, true) : "") +
         fmt::format(
             ", where won means less lost than with each of {} draws, and shown over {} text blocks; {} "
             "model{} whose contests share texts and matrices, so that this says little about others{}.",
             drawn, blocks, models.size(), models.size() == 1 ? "" : "s",
             unequal > 0
                 ? fmt::format(" ({} hybrids differ in bytes from their draws and do not count)", unequal)
                 : "");
}

std::string against_baseline(const Results& results, const std::vector<SpectralRow>& rows) {
  std::string names;
  std::size_t shown = 0, tested = 0;
  const SpectralRow* lowest = nullptr;
  for (const SpectralRow& r : rows) {
    if (std::isnan(r.to_base.change)) continue;
    ++tested;
    if (lowest == nullptr || r.to_base.change < lowest->to_base.change) lowest = &r;
    if (!r.to_base.shown(-1)) continue;
    if (++shown <= 3) names += (names.empty() ? "" : ", ") + results.plan.rows[r.row].label;
  }
  if (lowest == nullptr) return "Lower perplexity than the baseline: not tested, no row has results.";
  const LossChange& c = lowest->to_base;
  return fmt::format(
      "Lower perplexity than the baseline: {} of {} quantized rows{}; the lowest is {}, {:+.4f} nat "
      "a token (95 % {:+.4f} to {:+.4f}, {} after Holm).",
      shown == 0 ? "shown for none" : fmt::format("shown for {}", shown), tested,
      names.empty() ? "" : " (" + names + (shown > 3 ? ", ..." : "") + ")",
      results.plan.rows[lowest->row].label, c.change, c.interval.low, c.interval.high, p_text(c.p_holm));
}

}  // namespace

std::vector<Record> spectral_records(const std::vector<Contest>& contests, bool kl, std::uint64_t seed) {
  std::map<std::pair<std::string, std::string>, std::vector<const Contest*>> ways;
  for (const Contest& c : contests)
    if (c.equal_bytes() && (kl ? c.kl_rank : c.loss_rank) > 0) ways[{c.parts.by, c.parts.side}].push_back(&c);
  std::vector<Record> out;
  for (const auto& [way, members] : ways) {
    Record& r = out.emplace_back();
    r.by = way.first;
    r.side = way.second;
    r.contests = members.size();
    std::vector<double> chances;
    std::vector<const BlockDifferences*> differences;
    for (const Contest* c : members) {
      differences.push_back(kl ? &c->kl_blocks : &c->loss_blocks);
      const LossChange& change = kl ? c->kl : c->loss;
      const std::size_t rank = kl ? c->kl_rank : c->loss_rank;
      r.won += rank == 1 && change.shown(-1) ? 1 : 0;
      r.lost += rank == c->draws.size() + 1 && change.shown(1) ? 1 : 0;
      const double n = static_cast<double>(members.size());
      r.change += change.change / n;
      r.least = chances.empty() ? change.change : std::min(r.least, change.change);
      r.most = chances.empty() ? change.change : std::max(r.most, change.change);
      chances.push_back(1 / static_cast<double>(c->draws.size() + 1));
    }
    r.interval = mean_change_interval(
        differences, KeyedRandom(seed, "contests " + r.by + " " + r.side + (kl ? " kl" : " loss")));
    r.p = at_least(static_cast<std::int64_t>(r.won), chances);
  }
  // The question is asked of the spectral figures; controls keep their own p.
  std::vector<double> p;
  for (const Record& r : out) p.push_back(is_spectral(r) ? r.p : std::nan(""));
  const std::vector<double> adjusted = holm(p);
  for (std::size_t i = 0; i < out.size(); ++i) out[i].p_holm = is_spectral(out[i]) ? adjusted[i] : out[i].p;
  std::stable_sort(out.begin(), out.end(), [](const Record& a, const Record& b) {
    return a.won != b.won ? a.won > b.won : a.change < b.change;
  });
  return out;
}

std::vector<std::string> spectral_findings(const Results& results, const SpectralStudy& study) {
  if (study.contests.empty()) return {};
  return {answer(results, study), against_baseline(results, study.rows)};
}

}  // namespace brinkmap::audit
