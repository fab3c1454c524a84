#pragma once

#include <array>
#include <cmath>
#include <string>

#include "tests/audit/paired_results.h"

// The paired sample with mechanistic probes on its direct and benign prompts. Every probe of a row depends on
// its number and the block only, so that a test can say what the reduction must give; the baselines' units
// and prompts are like the others'.
namespace brinkmap::sample {

// Values of a prompt: entropy row + 0.1 on harmful prompts, 2 on harmless ones, top-1 0.5, range 10.
inline void set_first_tokens(schedule::Results& r, const std::string& suite, std::uint32_t row) {
  const bool harmful = suite == "direct";
  const auto all = [&](const char* what, double value) {
    fill<double>(r, suite + "_first_" + what, row, [&](auto) { return value; });
  };
  all("entropy", harmful ? row + 0.1 : 2.0);
  all("top1", 0.5);
  all("top5", 0.9);
  all("gini", 0.6);
  all("range", 10);
  fill<std::int32_t>(r, suite + "_first_token", row, [&](std::uint32_t i) {
    return static_cast<std::int32_t>(i % 4 == 0 ? row : 1000);  // the baseline's on three of four prompts
  });
}

// Values of block b: norm 2 + row + b, cosine 0.9 - 0.1 b, AUC 0.9 and 0.8, error ratio 1 + 0.1 row + 0.01 b.
inline void set_blocks(schedule::Results& r, std::uint32_t row) {
  const bool baseline = row % 5 == 0;
  const auto by_block = [&](const char* what, auto value) {
    fill<double>(r, std::string("mechanisms_") + what, row, value);
  };
  by_block("norm", [&](std::uint32_t b) { return 2.0 + row + b; });
  by_block("cosine", [&](std::uint32_t b) { return baseline ? 1 : 0.9 - 0.1 * b; });
  by_block("auc_own", [](auto) { return 0.9; });
  by_block("auc_baseline", [](auto) { return 0.8; });
  by_block("neuron_error", [](auto) { return 0.2; });
  by_block("other_error", [](auto) { return 0.1; });
  by_block("error_ratio", [&](std::uint32_t b) { return baseline ? NAN : 1 + 0.1 * row + 0.01 * b; });
  by_block("error_share", [&](auto) { return baseline ? NAN : 0.1; });
  by_block("neuron_overlap", [](auto) { return 0.75; });
  fill<std::int32_t>(r, "mechanisms_harmful_n", row, [](auto) { return 100; });
  fill<std::int32_t>(r, "mechanisms_harmless_n", row, [](auto) { return 50; });
}

inline schedule::Results mechanism_results() {
  schedule::Job job = schedule::parse_job(kPairedJob + R"(experiments:
  - {id: mechanisms, kind: mechanistic_probes, suite: direct, harmless: benign}
)",
                                          "jobs/paired.yaml");
  schedule::Results r = schedule::Results::empty(schedule::expand(std::move(job), paired_facts()));
  fill_paired(r);
  for (std::uint32_t row = 0; row < kPairedRows; ++row) {
    for (const char* suite : {"direct", "benign"}) set_first_tokens(r, suite, row);
    set_blocks(r, row);
  }
  return r;
}

}  // namespace brinkmap::sample
