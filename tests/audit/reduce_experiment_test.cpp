#include <gtest/gtest.h>

#include <cmath>

#include "audit/reduce.h"
#include "tests/audit/study_results.h"

namespace brinkmap::audit {
namespace {

using sample::fresh_study;
using sample::put_experiment;
using sample::put_heads;
using schedule::Results;
using schedule::SlabSet;

TEST(ReduceExperiment, ComparesHeadsSeedBySeed) {
  Results r = fresh_study();
  put_heads(r, "decision", 3);
  put_heads(r, "frozen", 3);
  put_heads(r, "dirsup", 5);
  put_heads(r, "reorder", 3, true);
  for (std::uint32_t row = 0; row < 3; ++row) reduce_row(r, row);
  EXPECT_NEAR(r.value<double>("dirsup_shift", 1), 100.0 * 2 / 6, 1e-9);
  EXPECT_NEAR(r.value<double>("dirsup_p_wilcoxon", 1), std::pow(0.5, 19),
              1e-12);                                                          // 20 equal signs, two-sided
  EXPECT_NEAR(r.value<double>("dirsup_p_holm", 1), std::pow(0.5, 18), 1e-12);  // over two that are no no-op
  EXPECT_EQ(r.value<std::int32_t>("dirsup_cascade_gained", 1), 2);
  EXPECT_EQ(r.value<double>("frozen_p_wilcoxon", 1), 1.0);
  EXPECT_EQ(r.value<std::uint8_t>("frozen_no_op", 1), 0);
}

TEST(ReduceExperiment, ReportsANoOpAsNoResult) {
  Results r = fresh_study();
  put_heads(r, "decision", 3);
  put_heads(r, "reorder", 5, true);
  reduce_row(r, 2);
  EXPECT_EQ(r.value<std::uint8_t>("reorder_no_op", 2), 1);
  EXPECT_TRUE(std::isnan(r.value<double>("reorder_p_wilcoxon", 2)));
  EXPECT_TRUE(std::isnan(r.value<double>("reorder_shift", 2)));
}

TEST(ReduceExperiment, ComparesNothingWhileASeedIsMissing) {
  Results r = fresh_study();
  put_heads(r, "decision", 3);
  reduce_row(r, 0);
  EXPECT_TRUE(std::isnan(r.value<double>("dirsup_p_wilcoxon", 0)));
  EXPECT_EQ(r.value<std::int32_t>("dirsup_missing", 0), 20);
  EXPECT_EQ(r.value<std::int32_t>("decision_best_veto", 0), 50);
  EXPECT_EQ(r.value<std::int32_t>("dirsup_best_veto", 0), -1);
}

TEST(ReduceExperiment, SeesAnInvertedProbe) {
  Results r = fresh_study();
  sample::put_probes(r);
  for (std::uint32_t row = 0; row < 3; ++row) reduce_row(r, row);
  EXPECT_EQ(r.at<std::int32_t>("probes_peak_block", 0)[0], 4);
  EXPECT_EQ(r.at<std::int32_t>("probes_peak_block", 2)[0], 0);
  EXPECT_EQ(r.at<std::uint8_t>("probes_inverted", 2)[0], 1);
  EXPECT_EQ(r.at<std::uint8_t>("probes_inverted", 2)[1], 0);
  EXPECT_NEAR(r.at<double>("probes_drop", 2)[0], 10, 1e-9);
  EXPECT_NEAR(r.at<double>("probes_peak", 0)[1], 0.91, 1e-9);
  EXPECT_NEAR(r.at<double>("probes_largest_drop", 2)[0], 10 + 40, 1e-9);
}

TEST(ReduceExperiment, JudgesEvidenceOnTheTestLines) {
  Results r = fresh_study();
  put_experiment(r, "cited", [&](SlabSet& slabs, std::uint32_t row, std::uint32_t, std::size_t) {
    for (std::size_t item = 0; item < r.plan.facts.suites[1].ids.size(); ++item)
      for (std::size_t j = 0; j < 3 + item % 2; ++j)
        slabs.get<double>("score")[item * 4 + j] = row == 0 ? 0.5 : item % 2 == 1 ? 0.9 : 0.1;
  });
  for (std::uint32_t row = 0; row < 3; ++row) reduce_row(r, row);
  EXPECT_EQ(r.value<double>("cited_auc", 0), 0.5);
  EXPECT_EQ(r.value<double>("cited_auc", 1), 1.0);
  // Test items 9 to 11 and 21 to 23: the odd ones, 9, 11, 21 and 23, have four cited lines.
  EXPECT_EQ(r.value<std::int32_t>("cited_cited_n", 1), 16);
  EXPECT_EQ(r.value<std::int32_t>("cited_other_n", 1), 6);
}

TEST(ReduceExperiment, GivesTheMedianSpeedAndItsRange) {
  Results r = fresh_study();
  put_experiment(r, "speed", [](SlabSet& slabs, std::uint32_t, std::uint32_t repetition, std::size_t at) {
    slabs.get<double>("seconds")[at] = 2.0;
    slabs.get<double>("baseline_seconds")[at] = 3.0 + repetition;
    slabs.get<std::int64_t>("tokens")[at] = 100;
  });
  reduce_row(r, 1);
  EXPECT_DOUBLE_EQ(r.value<double>("speed_ratio", 1), 2.0);
  EXPECT_DOUBLE_EQ(r.value<double>("speed_ratio_low", 1), 1.5);
  EXPECT_DOUBLE_EQ(r.value<double>("speed_ratio_high", 1), 2.5);
  EXPECT_DOUBLE_EQ(r.value<double>("speed_tokens_per_second", 1), 50);
  EXPECT_TRUE(std::isnan(r.value<double>("speed_ratio", 2)));
}

}  // namespace
}  // namespace brinkmap::audit
