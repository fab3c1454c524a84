#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "schedule/results.h"
#include "tests/audit/sample_results.h"
#include "tests/schedule/sample_study.h"

// Results of the sample study (tests/schedule/sample_study.h) made by hand: rows bf16 (baseline), q8_0,
// q4_k_m; six test items, two of each class in turn; six blocks.
namespace brinkmap::sample {

inline schedule::Results fresh_study() {
  return schedule::Results::empty(schedule::expand(study(), study_facts()));
}

// Fills every unit of one experiment: fill(slabs, row, item, place of the item in its slab).
template <class Fill>
void put_experiment(schedule::Results& results, const std::string& experiment, Fill fill) {
  const schedule::Plan plan = results.plan;
  for (const schedule::Unit& u : plan.units) {
    if (u.kind != schedule::UnitKind::kHeads || plan.job.experiments[u.item].id != experiment) continue;
    const auto fields = schedule::unit_fields(plan, u.kind, u.item);
    schedule::SlabSet slabs(fields, u.end - u.begin);
    for (std::uint32_t i = u.begin; i < u.end; ++i) fill(slabs, u.row, i, i - u.begin);
    results.put({u.id, false, "", slabs.take(), 0.5, 0});
  }
}

// Heads that are right on the first `right` of the six test items and say the next class elsewhere; `no_op`
// of those with a method.
inline void put_heads(schedule::Results& results, const std::string& experiment, std::size_t right,
                      bool no_op = false) {
  put_experiment(
      results, experiment, [&](schedule::SlabSet& slabs, std::uint32_t, std::uint32_t, std::size_t at) {
        const std::size_t tests = 6;
        for (std::size_t t = 0; t < tests; ++t) {
          slabs.get<std::uint8_t>("prediction")[at * tests + t] =
              static_cast<std::uint8_t>(t < right ? t % 3 : (t + 1) % 3);
          slabs.get<std::uint8_t>("validation_class")[at * tests + t] = static_cast<std::uint8_t>(t % 3);
          for (std::size_t c = 0; c < 3; ++c) slabs.get<float>("logit")[(at * tests + t) * 3 + c] = 0;
        }
        if (slabs.has("same_features")) slabs.get<std::uint8_t>("same_features")[at] = no_op ? 1 : 0;
      });
}

// Curves that peak at block 4, 5 points lower on each row, but for the kind of a line on the last row, which
// peaks at block 0.
inline void put_probes(schedule::Results& results) {
  put_experiment(results, "probes",
                 [](schedule::SlabSet& slabs, std::uint32_t row, std::uint32_t block, std::size_t at) {
                   for (std::size_t skill = 0; skill < 3; ++skill) {
                     const double best = row == 2 && skill == 0 ? 0.0 : 4.0;
                     const double value = 0.9 - 0.05 * row - 0.1 * std::abs(block - best);
                     slabs.get<double>("accuracy")[at * 3 + skill] = value;
                     slabs.get<double>("auc")[at * 3 + skill] = skill == 1 ? value + 0.01 : std::nan("");
                   }
                 });
}

// Everything but the re-ranked prompts is done. Prompts and plain heads are right, but the last row approves
// VETO items 2 and 5 and says nothing readable of VETO item 8. Of six test items the plain heads are right on
// four, frozen ones on three, dirsup on five; reorder is a no-op. The evidence head is perfect, every row is
// twice as fast as the baseline in the median.
inline schedule::Results finished_study() {
  schedule::Results r = fresh_study();
  Answers answers;
  answers.decision = [](std::uint32_t row, std::uint32_t i) {
    return row < 2 || i > 8 || i % 3 != 2 ? static_cast<int>(i % 3) : i == 8 ? 3 : 0;
  };
  const schedule::Plan plan = r.plan;
  for (const schedule::Unit& u : plan.units)
    if (u.kind == schedule::UnitKind::kPrompts) r.put(answer(plan, u, answers));
  put_heads(r, "decision", 4);
  put_heads(r, "frozen", 3);
  put_heads(r, "dirsup", 5);
  put_heads(r, "reorder", 3, true);
  put_probes(r);
  put_experiment(r, "cited", [&](schedule::SlabSet& slabs, std::uint32_t, std::uint32_t, std::size_t) {
    for (std::size_t item = 0; item < plan.facts.suites[1].ids.size(); ++item)
      for (std::size_t j = 0; j < 3 + item % 2; ++j)
        slabs.get<double>("score")[item * 4 + j] = item % 2 == 1 ? 0.9 : 0.1;
  });
  put_experiment(r, "speed",
                 [](schedule::SlabSet& slabs, std::uint32_t, std::uint32_t repetition, std::size_t at) {
                   slabs.get<double>("seconds")[at] = 2.0;
                   slabs.get<double>("baseline_seconds")[at] = 3.0 + repetition;
                   slabs.get<std::int64_t>("tokens")[at] = 100;
                 });
  return r;
}

}  // namespace brinkmap::sample
