#include "audit/spectral_tables.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "audit/paired_tables.h"
#include "audit/row_builder.h"
#include "audit/row_totals.h"

namespace brinkmap::audit {
namespace {

using schedule::Results;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

// "+0.0123": nat a token, with its sign.
Cell change_cell(double change) {
  return std::isnan(change) ? Cell{"-", {}} : Cell{fmt::format("{:+.4f}", change), change};
}

// "-0.0013..+0.0002"
Cell range_cell(const Interval& i) {
  return {std::isnan(i.low) ? "-" : fmt::format("{:+.4f}..{:+.4f}", i.low, i.high), {}};
}

Cell rank_cell(std::size_t rank, std::size_t of) {
  return rank == 0 ? Cell{"-", {}} : Cell{fmt::format("{}/{}", rank, of), static_cast<std::int64_t>(rank)};
}

// What of a change stands in text; files have all.
enum class Said { kNothing, kChange, kWithP, kWithInterval };

void add_change(RowBuilder& row, const std::string& key, const std::string& title, const LossChange& c,
                Said said) {
  row.add(key, title, change_cell(c.change), said == Said::kNothing ? Where::kFiles : Where::kBoth);
  if (said == Said::kWithInterval) row.add(key + "_interval", "\n95 %", range_cell(c.interval), Where::kText);
  row.add(key + "_p_holm", "p,\nHolm", p_cell(c.p_holm), said < Said::kWithP ? Where::kFiles : Where::kBoth);
  row.add(key + "_low", "", number_cell(c.interval.low, 5), Where::kFiles);
  row.add(key + "_high", "", number_cell(c.interval.high, 5), Where::kFiles);
  row.add(key + "_p", "", p_cell(c.p), Where::kFiles);
  row.add(key + "_blocks", "", count_cell(c.blocks), Where::kFiles);
  row.add(key + "_tokens", "", count_cell(c.tokens), Where::kFiles);
}

// Sums over the perplexity suites of a row.
struct TextTotals {
  double nll = 0, kl = 0, kl_tokens = 0, agreed = 0;
  std::int64_t tokens = 0;

  double perplexity() const { return tokens > 0 ? std::exp(nll / static_cast<double>(tokens)) : kNone; }
  double mean_kl() const { return kl_tokens > 0 ? kl / kl_tokens : kNone; }
  double agreement() const { return kl_tokens > 0 ? agreed / kl_tokens : kNone; }
};

TextTotals text_totals(const Results& results, std::uint32_t row) {
  TextTotals out;
  for (const schedule::SuiteSpec& suite : results.plan.job.suites) {
    if (suite.kind != schedule::SuiteKind::kPerplexity) continue;
    const auto tokens = results.value<std::int64_t>(suite.id + "_tokens", row);
    const double perplexity = results.value<double>(suite.id + "_perplexity", row);
    if (tokens > 0 && perplexity > 0) {
      out.tokens += tokens;
      out.nll += std::log(perplexity) * static_cast<double>(tokens);
    }
    if (suite.top_k == 0) continue;
    const auto compared = static_cast<double>(results.value<std::int64_t>(suite.id + "_kl_tokens", row));
    if (!(compared > 0)) continue;
    out.kl_tokens += compared;
    out.kl += compared * results.value<double>(suite.id + "_kl_mean", row);
    out.agreed += compared * results.value<double>(suite.id + "_top1_agreement", row);
  }
  return out;
}

void add_row(RowBuilder& out, const Results& results, std::uint32_t row, const LossChange& to_base,
             const LossChange& to_rest) {
  const TextTotals text = text_totals(results, row);
  const RowTotals answers = row_totals(results, row);
  out.start();
  out.add("row", "row", text_cell(results.plan.rows[row].label), Where::kBoth, true);
  out.add("bytes", "bytes", count_cell(results.value<std::int64_t>("bytes", row)));
  out.add("bits_per_weight", "", number_cell(results.value<double>("bits_per_weight", row), 3),
          Where::kFiles);
  out.add("perplexity", "perpl.", number_cell(text.perplexity(), 3));
  out.add("tokens", "", count_cell(text.tokens), Where::kFiles);
  add_change(out, "to_baseline", "to base,\nnat", to_base, Said::kWithP);
  add_change(out, "to_rest", "to\nrest", to_rest, Said::kChange);
  out.add("kl", "KL,\nnat", number_cell(text.mean_kl(), 4));
  out.add("top1_agreement", "", number_cell(text.agreement(), 4), Where::kFiles);
  const schedule::Job& job = results.plan.job;
  const auto asks = [&](schedule::SuiteKind kind) {
    return std::any_of(job.suites.begin(), job.suites.end(), [&](const auto& s) { return s.kind == kind; });
  };
  if (asks(schedule::SuiteKind::kRefusal))
    out.add("refused", "refused", text_cell(answers.harmful.plain()), Where::kText);
  if (asks(schedule::SuiteKind::kDecision))
    out.add("approvals", "V→A",
            text_cell(answers.approvals.plain() + unread_mark(answers.unread.k, answers.unread.n)),
            Where::kText);
  out.add("harmful_refused", "", count_cell(answers.harmful.n > 0 ? answers.harmful.k : -1), Where::kFiles);
  out.add("harmful_n", "", count_cell(answers.harmful.n), Where::kFiles);
  out.add("veto_to_approve", "", count_cell(answers.approvals.n > 0 ? answers.approvals.k : -1),
          Where::kFiles);
  out.add("veto_n", "", count_cell(answers.approvals.n), Where::kFiles);
  for (const schedule::ExperimentSpec& e : job.experiments) {
    if (e.kind != schedule::ExperimentKind::kSpeed) continue;
    out.add(e.id + "_ratio", e.id, number_cell(results.value<double>(e.id + "_ratio", row), 2));
    for (const char* what : {"_ratio_low", "_ratio_high", "_tokens_per_second"})
      out.add(e.id + what, "", number_cell(results.value<double>(e.id + what, row), 4), Where::kFiles);
  }
}

// Smallest 5th percentile of the VETO margin over the decision suites.
double veto_margin(const Results& results, std::uint32_t row) {
  double least = kNone;
  for (const schedule::SuiteSpec& suite : results.plan.job.suites)
    if (suite.kind == schedule::SuiteKind::kDecision)
      least = std::fmin(least, results.value<double>(suite.id + "_veto_margin_p5", row));
  return least;
}

// The histogram of a matrix as "0 0 3 12 ...", empty where it has none.
std::string histogram_text(std::span<const std::int32_t> counts) {
  std::string out;
  for (const std::int32_t n : counts) {
    if (n < 0) return "";
    out += (out.empty() ? "" : " ") + std::to_string(n);
  }
  return out;
}

}  // namespace

Table spectra_table(const Results& results) {
  Table table{"spectra", "Spectra of the matrices", {}, {}, {}};
  RowBuilder out(table);
  const schedule::Plan& plan = results.plan;
  for (const schedule::ExperimentSpec& e : plan.job.experiments)
    for (std::uint32_t row = 0; e.kind == schedule::ExperimentKind::kSpectra && row < plan.rows.size();
         ++row) {
      if (plan.rows[row].baseline != row) continue;
      const auto histogram = results.at<std::int32_t>(e.id + "_histogram", row);
      for (std::size_t i = 0; i < e.matrices.size(); ++i) {
        const auto value = [&](const char* name) { return results.at<double>(e.id + "_" + name, row)[i]; };
        if (std::isnan(value("kurtosis")) && std::isnan(value("alpha")) && std::isnan(value("slope")))
          continue;
        out.start();
        out.add("experiment", "", text_cell(e.id), Where::kFiles);
        out.add("model", "model", text_cell(plan.job.models[plan.rows[row].model].id), Where::kBoth, true);
        out.add("matrix", "matrix", text_cell(e.matrices[i]), Where::kBoth, true);
        out.add("alpha", "alpha", number_cell(value("alpha"), 2));
        out.add("sigma", "+-", number_cell(value("sigma"), 2));
        out.add("distance", "D", number_cell(value("distance"), 3));
        out.add("xmin", "xmin", number_cell(value("xmin"), 3));
        out.add("tail", "", number_cell(value("tail"), 0), Where::kFiles);
        out.add("lambda_max", "", number_cell(value("lambda_max"), 3), Where::kFiles);
        out.add("slope", "slope", number_cell(value("slope"), 3));
        out.add("k90", "k90", number_cell(value("k90"), 3));
        out.add("entropy", "entropy\nrank", number_cell(value("entropy"), 3));
        out.add("stable_rank", "stable\nrank", number_cell(value("stable_rank"), 1));
        out.add("kurtosis", "kur-\ntosis", number_cell(value("kurtosis"), 2));
        out.add("nf4_error", "NF4\nerror", number_cell(value("nf4_error"), 4));
        out.add("histogram", "",
                text_cell(
                    histogram_text(histogram.subspan(i * schedule::kSpectrumBins, schedule::kSpectrumBins))),
                Where::kFiles);
      }
    }
  return table;
}

Table spectral_table(const Results& results, const SpectralStudy& study) {
  Table table{"spectral", "Hybrids: text loss against the baseline and against the rest alone", {}, {}, {}};
  RowBuilder out(table);
  const LossChange none{0, 0, kNone, {kNone, kNone}, kNone, kNone};
  std::int64_t model = -1;
  for (const SpectralRow& r : study.rows) {
    const schedule::Row& row = results.plan.rows[r.row];
    if (row.model != model) add_row(out, results, row.baseline, none, none);
    model = row.model;
    add_row(out, results, r.row, r.to_base, r.to_rest);
  }
  table.notes = wrapped(
      "Differences in nat a token on the same text blocks, positive: loses more. p: Wilcoxon's signed ranks "
      "over blocks, adjusted after Holm over the rows; the files hold bootstrap intervals and blocks. "
      "refused: harmful prompts; V→A: VETO items approved. A speed experiment's column: the baseline's time "
      "over the row's, "
      "median.");
  return table;
}

Table spectral_contests_table(const Results& results, const SpectralStudy& study) {
  Table table{"spectral_contests", "Hybrids against random ones of the same bytes", {}, {}, {}};
  RowBuilder out(table);
  for (const Contest& c : study.contests) {
    const std::size_t of = c.draws.size() + 1;
    out.start();
    out.add("row", "row", text_cell(results.plan.rows[c.row].label), Where::kBoth, true);
    out.add("by", "", text_cell(c.parts.by), Where::kFiles);
    out.add("side", "", text_cell(c.parts.side), Where::kFiles);
    out.add("amount", "", text_cell(c.parts.amount), Where::kFiles);
    out.add("draws", "", count_cell(static_cast<std::int64_t>(c.draws.size())), Where::kFiles);
    out.add("bytes", "", count_cell(c.bytes), Where::kFiles);
    out.add("draws_bytes_low", "", count_cell(c.least_bytes), Where::kFiles);
    out.add("draws_bytes_high", "", count_cell(c.most_bytes), Where::kFiles);
    out.add("equal_bytes", "bytes",
            Cell{c.equal_bytes() ? "equal" : "differ", c.equal_bytes() ? "yes" : "no"});
    add_change(out, "loss", "loss,\nnat", c.loss, Said::kWithInterval);
    out.add("loss_rank", "\nrank", rank_cell(c.loss_rank, of));
    add_change(out, "kl", "", c.kl, Said::kNothing);
    out.add("kl_rank", "", rank_cell(c.kl_rank, of), Where::kFiles);
  }
  table.notes = wrapped(
      "Text loss against the mean of the random draws with the same formats and share, block by block; "
      "negative: loses less. 95 %: bootstrap over blocks. rank: among the row and its draws, 1 is below "
      "every draw. p adjusted after Holm over these rows; it treats the draws as they are, the rank says how "
      "the row stands among them. The files hold the same of the KL divergence.");
  return table;
}

Table spectral_records_table(const SpectralStudy& study) {
  Table table{
      "spectral_records", "Ways to select matrices against random selection at equal bytes", {}, {}, {}};
  RowBuilder out(table);
  for (const bool kl : {false, true})
    for (const Record& r : kl ? study.by_kl : study.by_loss) {
      out.start();
      out.add("measure", "measure", text_cell(kl ? "kl" : "loss"), Where::kBoth, true);
      out.add("by", "by", text_cell(r.by), Where::kBoth, true);
      out.add("side", "side", text_cell(r.side), Where::kBoth, true);
      out.add("contests", "con-\ntests", count_cell(static_cast<std::int64_t>(r.contests)));
      out.add("won", "won", count_cell(static_cast<std::int64_t>(r.won)));
      out.add("lost", "lost", count_cell(static_cast<std::int64_t>(r.lost)));
      out.add("change", "mean,\nnat", change_cell(r.change));
      out.add("interval", "\n95 %", range_cell(r.interval), Where::kText);
      out.add("low", "", number_cell(r.interval.low, 5), Where::kFiles);
      out.add("high", "", number_cell(r.interval.high, 5), Where::kFiles);
      out.add("least", "\nleast", change_cell(r.least));
      out.add("most", "\nmost", change_cell(r.most));
      out.add("p", "", p_cell(r.p), Where::kFiles);
      out.add("p_holm", "p", p_cell(r.p_holm));
    }
  table.notes = wrapped(
      "won: below every draw, and shown to be below their mean; lost: the opposite. 95 %: of the mean, "
      "bootstrap over the text blocks of all contests at once, the draws as they are. p: of so many "
      "won by chance, one in draws + 1 each, adjusted after Holm over the spectral figures (controls: as it "
      "is).");
  return table;
}

Table sensitivity_table(const Results& results, const SpectralStudy& study) {
  Table table{"sensitivity", "One part of the model changed at a time", {}, {}, {}};
  RowBuilder out(table);
  for (const Sensitivity& s : study.sensitivities) {
    const std::uint32_t base = results.plan.rows[s.row].baseline;
    const RowTotals own = row_totals(results, s.row), before = row_totals(results, base);
    const auto bytes = results.value<std::int64_t>("bytes", s.row),
               all = results.value<std::int64_t>("bytes", base);
    const bool refusals = own.harmful.n > 0 && before.harmful.n > 0;
    out.start();
    out.add("row", "row", text_cell(results.plan.rows[s.row].label), Where::kBoth, true);
    out.add("part", "", text_cell(s.parts.of), Where::kFiles);
    out.add("format", "", text_cell(s.parts.keep), Where::kFiles);
    out.add("bytes_saved", "bytes\nsaved",
            bytes < 0 || all < 0 ? Cell{"-", {}} : Cell{std::to_string(all - bytes), all - bytes});
    add_change(out, "loss", "loss,\nnat", s.loss, Said::kWithP);
    out.add("kl", "KL,\nnat", number_cell(s.kl.change, 5));
    out.add("kl_low", "", number_cell(s.kl.interval.low, 6), Where::kFiles);
    out.add("kl_high", "", number_cell(s.kl.interval.high, 6), Where::kFiles);
    out.add("refusal_change", "refused,\npoints",
            points_cell(refusals ? own.harmful.rate() - before.harmful.rate() : kNone));
    out.add("harmful_n", "", count_cell(own.harmful.n), Where::kFiles);
    out.add("veto_margin_p5_change", "VETO\nmargin",
            change_cell(veto_margin(results, s.row) - veto_margin(results, base)));
  }
  table.notes = wrapped(
      "Against the baseline on the same items; loss and its p as in the table of hybrids. VETO margin: "
      "change of "
      "the 5th percentile of log p(VETO) - log p(APPROVE) on VETO items, nat.");
  return table;
}

Table spectral_correlation_table(const Results& results, const SpectralStudy& study) {
  Table table{"spectral_correlation", "Figures of the matrices against what changing them costs", {}, {}, {}};
  RowBuilder out(table);
  for (const Association& a : study.associations) {
    out.start();
    out.add("model", "model", text_cell(results.plan.job.models[a.model].id), Where::kBoth, true);
    out.add("format", "format", text_cell(a.keep), Where::kBoth, true);
    out.add("measure", "measure", text_cell(a.kl ? "kl" : "loss"), Where::kBoth, true);
    out.add("scope", "within", text_cell(a.within_type ? "type" : "model"), Where::kBoth, true);
    out.add("figure", "figure", text_cell(a.figure), Where::kBoth, true);
    out.add("n", "n", count_cell(a.n));
    out.add("rho", "Spearman", number_cell(a.rho, 2));
    out.add("interval", "95 %",
            text_cell(std::isnan(a.interval.low)
                          ? "-"
                          : fmt::format("{:.2f}..{:.2f}", a.interval.low, a.interval.high)),
            Where::kText);
    out.add("low", "", number_cell(a.interval.low, 4), Where::kFiles);
    out.add("high", "", number_cell(a.interval.high, 4), Where::kFiles);
    out.add("p", "", p_cell(a.p), Where::kFiles);
    out.add("p_holm", "p, Holm", p_cell(a.p_holm));
  }
  table.notes = wrapped(
      "Over the matrices that rows of their own changed. type: ranks within each kind of matrix, pooled, so "
      "that "
      "shape does not decide. p adjusted after Holm over the table.");
  return table;
}

}  // namespace brinkmap::audit
