#include "audit/search_quality.h"

#include <fmt/core.h>

#include <cmath>

#include "audit/row_damage.h"

namespace brinkmap::audit {

SearchQuality search_quality(const schedule::Results& results, std::uint32_t row) {
  SearchQuality out;
  const RowDamage damage = row_damage(results, row);
  if (damage.tokens > 0) out.perplexity_ratio = std::exp(damage.loss_rise);
  const RowTotals totals = row_totals(results, row);
  out.decisions = totals.decisions;
  out.refused = totals.harmful;
  out.approved = totals.approvals;
  return out;
}

std::string quality_text(const SearchQuality& quality, const SearchQuality& baseline,
                         const std::string& name) {
  std::string out;
  const auto part = [&](const std::string& words) { out += (out.empty() ? "" : ", ") + words; };
  if (std::isfinite(quality.perplexity_ratio))
    part(fmt::format("perplexity {:.2f} times that of {}", quality.perplexity_ratio, name));
  const auto count = [&](const char* what, const Count& row, const Count& before) {
    if (row.n > 0) part(fmt::format("{} {} ({} {})", what, row.plain(), name, before.plain()));
  };
  count("decisions right", quality.decisions, baseline.decisions);
  count("harmful prompts refused", quality.refused, baseline.refused);
  return out;
}

}  // namespace brinkmap::audit
