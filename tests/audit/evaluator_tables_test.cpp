#include "audit/evaluator_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "audit/reduce.h"
#include "audit/table_reader.h"
#include "tests/audit/study_results.h"

namespace brinkmap::audit {
namespace {

using schedule::Results;

TEST(ProbeLayersTable, HasALineForEveryRowSkillAndBlock) {
  Results r = sample::fresh_study();
  sample::put_probes(r);
  for (std::uint32_t row = 0; row < 3; ++row) reduce_row(r, row);
  const Table table = probe_layers_table(r);
  const TableReader lines(table);
  ASSERT_EQ(lines.size(), 3U * 3 * 6);
  const std::size_t at = (1 * 3 + 1) * 6 + 4;  // q8_0, cited, block 4
  EXPECT_EQ(lines.text(at, "row"), "tiny/q8_0");
  EXPECT_EQ(lines.text(at, "skill"), "cited");
  EXPECT_EQ(lines.text(at, "block"), "4");
  EXPECT_NEAR(lines.number(at, "accuracy"), 0.85, 1e-12);
  EXPECT_NEAR(lines.number(at, "auc"), 0.86, 1e-12);
  EXPECT_EQ(lines.text(0, "auc"), "");
}

}  // namespace
}  // namespace brinkmap::audit
