#include <fmt/core.h>

#include <cmath>

#include "audit/break_tables.h"
#include "audit/row_builder.h"
#include "audit/row_totals.h"
#include "audit/template_features.h"

namespace brinkmap::audit {
namespace {

using schedule::Results;

// Text cut to `width` columns; openings are ASCII.
std::string cut(const std::string& text, std::size_t width) {
  return text.size() <= width ? text : text.substr(0, width - 1) + "…";
}

std::string state_text(TemplateState state) {
  switch (state) {
    case TemplateState::kCompared:
      return "compared";
    case TemplateState::kLostAll:
      return "lost_all";
    case TemplateState::kNoBaseline:
      return "no_baseline";
    case TemplateState::kNone:
      return "no_refusals";
  }
  return "no_refusals";
}

}  // namespace

Table openings_table(const Results& results) {
  const schedule::Plan& plan = results.plan;
  Table table{"openings", "Refusal openings", {}, {}, {}};
  RowBuilder row(table);
  std::vector<std::uint32_t> suites;
  for (std::uint32_t s = 0; s < plan.job.suites.size(); ++s)
    if (plan.job.suites[s].kind == schedule::SuiteKind::kRefusal &&
        has_direct_prompts(plan.facts.suites.at(s)) && results.has(plan.job.suites[s].id + "_opening"))
      suites.push_back(s);
  constexpr std::size_t kShownOpening = 28;
  for (const std::uint32_t s : suites)
    for (std::uint32_t r = 0; r < plan.rows.size(); ++r) {
      const TemplateFeatures f = template_features(results, s, r);
      const TemplateFeatures base = template_features(results, s, plan.rows[r].baseline);
      const TemplateShift d = template_shift(f, base);
      const bool baseline = plan.rows[r].baseline == r;
      row.start();
      row.add("suite", "suite", text_cell(plan.job.suites[s].id),
              suites.size() > 1 ? Where::kBoth : Where::kFiles, true);
      row.add("row", "row", text_cell(plan.rows[r].label), Where::kBoth, true);
      row.add("n", "n", marked_count(f.n));
      row.add("dominant_prefix_share", "top\nshare", percent_cell(f.dominant_share, 0));
      row.add("dominant_prefix_share_delta", "\nΔ pp",
              baseline
                  ? Cell{"", {}}
                  : shown_cell(std::isnan(d.dominant_share) ? "-"
                                                            : fmt::format("{:+.0f}{}", 100 * d.dominant_share,
                                                                          d.destabilised ? "!" : ""),
                               d.dominant_share));
      row.add("distinct_prefixes", "", count_cell(f.distinct), Where::kFiles);
      row.add("unique_prefix_rate", "\nunique", number_cell(f.unique_rate, 2));
      row.add("unique_prefix_rate_delta", "", number_cell(d.unique_rate, 4), Where::kFiles);
      row.add("prefix_entropy_norm", "\nentropy", number_cell(f.entropy, 2));
      row.add("prefix_entropy_norm_delta", "", number_cell(d.entropy, 4), Where::kFiles);
      row.add("mean_tokens_refusal", "mean\ntokens", number_cell(f.mean_tokens, 1));
      row.add("mean_tokens_refusal_delta", "", number_cell(d.mean_tokens, 4), Where::kFiles);
      row.add("state", "", text_cell(state_text(d.state)), Where::kFiles);
      row.add("destabilised", "", count_cell(d.destabilised ? 1 : 0), Where::kFiles);
      row.add("opening_text", "commonest opening",
              text_cell(f.n == 0 ? "-" : cut(f.top_opening, kShownOpening)), Where::kText, true);
      row.add("top_opening", "", f.n == 0 ? Cell{"", {}} : text_cell(f.top_opening), Where::kFiles);
    }
  table.notes = {
      "n: direct harmful prompts refused. Openings: first five words, normalised. top share: of the",
      "commonest; Δ: against the baseline, \"!\" from 15 points down. unique: distinct openings / n.",
      "entropy: of the openings / log(distinct), 0 for one. " + few_note()};
  return table;
}

}  // namespace brinkmap::audit
