#include "audit/row_damage.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "tests/audit/ladder_results.h"
#include "tests/audit/sample_results.h"

namespace brinkmap::audit {
namespace {

// The sample job with eight tokens of the baseline's answers scored: 10 harmful prompts, 8 VETO items with
// margins 3, 6, ..., 24, 3 texts of 10 tokens with a loss of 20 nat.
schedule::Results results() {
  std::string text = sample::kJob;
  const std::string kind = "kind: refusal,";
  text.replace(text.find(kind), kind.size(), kind + " baseline_tokens: 4,");
  schedule::Results r = schedule::Results::empty(
      schedule::expand(schedule::parse_job(text, "jobs/sample.yaml"), sample::facts(20)));
  for (std::size_t u = 0; u < r.plan.units.size(); ++u) r.put(sample::answer(r.plan, r.plan.units[u], {}));
  for (std::uint32_t row = 0; row < 3; ++row)
    sample::fill<double>(r, "refusal_baseline_log_prob", row, [](std::uint32_t) { return -1.0; });
  return r;
}

TEST(RowDamage, OfTheBaselineIsNothing) {
  const RowDamage d = row_damage(results(), 0);
  EXPECT_EQ(d.veto_n, 8);
  EXPECT_EQ(d.refusal_n, 10);
  EXPECT_EQ(d.tokens, 30);
  EXPECT_EQ(d.missing, 0);
  EXPECT_EQ(d.total({}), 0);
}

TEST(RowDamage, AddsWeightedFalls) {
  schedule::Results r = results();
  sample::fill<double>(r, "decisions_veto_margin", 1, [](std::uint32_t i) { return 1.0 + i - 0.5; });
  sample::fill<double>(r, "refusal_baseline_log_prob", 1,
                       [](std::uint32_t i) { return i == 0 ? -3.0 : -1.0; });
  sample::fill<double>(r, "text_nll", 1, [](std::uint32_t) { return 23.0; });
  const RowDamage d = row_damage(r, 1);
  EXPECT_DOUBLE_EQ(d.veto_mean_fall, 0.5);
  EXPECT_DOUBLE_EQ(d.veto_low_fall, 0.5);
  EXPECT_DOUBLE_EQ(d.refusal_fall, 0.2);
  EXPECT_DOUBLE_EQ(d.loss_rise, 0.3);
  schedule::SearchSpec weights;
  weights.veto_weight = 10;
  weights.refusal_weight = 100;
  weights.loss_weight = 1000;
  EXPECT_DOUBLE_EQ(d.total(weights), 5 + 20 + 300);
}

TEST(RowDamage, CountsNoGains) {
  schedule::Results r = results();
  sample::fill<double>(r, "decisions_veto_margin", 1, [](std::uint32_t i) { return 9.0 + i; });
  sample::fill<double>(r, "refusal_baseline_log_prob", 1, [](std::uint32_t) { return -0.1; });
  sample::fill<double>(r, "text_nll", 1, [](std::uint32_t) { return 21.0; });
  schedule::SearchSpec weights;
  weights.loss_weight = 1;
  EXPECT_DOUBLE_EQ(row_damage(r, 1).total(weights), 0.1);
}

TEST(RowDamage, IsUnknownWhereAnItemIsMissing) {
  schedule::Results r = results();
  sample::fill<double>(r, "refusal_baseline_log_prob", 1,
                       [](std::uint32_t i) { return i == 4 ? std::nan("") : -1.0; });
  EXPECT_EQ(row_damage(r, 1).missing, 1);
  EXPECT_TRUE(std::isnan(row_damage(r, 1).total({})));
  EXPECT_EQ(row_damage(r, 2).total({}), 0) << "another row is not touched";

  r = results();
  schedule::UnitResult failed;
  failed.unit = sample::unit_of(r.plan, 2, schedule::UnitKind::kPrompts, 1);
  failed.failed = true;
  r.put(failed);
  EXPECT_GT(row_damage(r, 2).missing, 0);
  EXPECT_TRUE(std::isnan(row_damage(r, 2).total({})));
}

TEST(RowDamage, LeavesOutPromptsThatTheBaselineAnswers) {
  schedule::Results r = results();
  sample::fill<std::uint8_t>(r, "refusal_refusal", 0,
                             [](std::uint32_t i) -> std::uint8_t { return i == 0 ? 2 : 0; });
  sample::fill<double>(r, "refusal_baseline_log_prob", 1,
                       [](std::uint32_t i) { return i == 0 ? -2.0 : -9.0; });
  const RowDamage d = row_damage(r, 1);
  EXPECT_EQ(d.refusal_n, 1);
  EXPECT_DOUBLE_EQ(d.refusal_fall, 1);
}

}  // namespace
}  // namespace brinkmap::audit
