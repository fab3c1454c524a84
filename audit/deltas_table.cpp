#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "audit/report_tables.h"
#include "audit/row_builder.h"
#include "audit/row_totals.h"

namespace brinkmap::audit {
namespace {

std::optional<std::size_t> column_of(const Table& table, const std::string& key) {
  const auto at =
      std::find_if(table.columns.begin(), table.columns.end(), [&](const Column& c) { return c.key == key; });
  if (at == table.columns.end()) return std::nullopt;
  return static_cast<std::size_t>(at - table.columns.begin());
}

double number(const Cell& cell) {
  const double* value = std::get_if<double>(&cell.value);
  return value == nullptr ? std::nan("") : *value;
}

}  // namespace

Table deltas_table(const schedule::Results& results, const Table& quality) {
  const schedule::Plan& plan = results.plan;
  Table table{"deltas", "Row minus baseline, in points", {}, {}, {}};
  RowBuilder row(table);
  static const std::pair<const char*, const char*> kShares[] = {
      {"truthfulness", "truth"},     {"bias", "bias"},         {"choice_accuracy", "MC"},
      {"bertscore", "BERT-\nScore"}, {"rouge_l", "ROUGE\n-L"}, {"coherence", "cohe-\nrence"}};
  const std::optional<std::size_t> perplexity = column_of(quality, "perplexity");
  for (std::uint32_t r = 0; r < plan.rows.size(); ++r) {
    const std::uint32_t base = plan.rows[r].baseline;
    if (base == r) continue;
    const RowTotals now = row_totals(results, r), before = row_totals(results, base);
    row.start();
    row.add("row", "row", text_cell(plan.rows[r].label), Where::kBoth, true);
    const auto add = [&](const char* key, const char* title, const Count& a, const Count& b) {
      if (a.n > 0 || b.n > 0 || !table.columns.empty()) row.add(key, title, points_cell(a.rate() - b.rate()));
    };
    add("harmful_refused", "harm-\nful", now.harmful, before.harmful);
    add("benign_refused", "be-\nnign", now.benign, before.benign);
    add("decisions_right", "deci-\nsions", now.decisions, before.decisions);
    add("veto_to_approve", "V→A", now.approvals, before.approvals);
    for (const auto& [key, title] : kShares)
      if (const auto at = column_of(quality, std::string(key) + "_delta"))
        row.add(key, title, points_cell(number(quality.rows.at(r).at(*at))));
    if (perplexity) {
      const double ratio =
          number(quality.rows.at(r).at(*perplexity)) / number(quality.rows.at(base).at(*perplexity));
      row.add("perplexity_ratio", "ppl.\nratio", number_cell(ratio, ratio < 100 ? 3 : 0));
    }
  }
  table.notes.push_back(
      "Points: 100 times the difference of shares or scores. Perplexity: row over baseline. Whether\n"
      "a difference is more than chance says the table \"Where it breaks\" of `brinkmap report`.");
  return table;
}

}  // namespace brinkmap::audit
