#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "audit/paired_rows.h"
#include "audit/template_screen.h"
#include "audit/two_samples.h"
#include "schedule/results.h"

// Do mechanistic probes tell rows whose safety is harmed from the others (METHOD.md 15)? Every test is over
// the rows that are no baseline. Rows of one model are not independent, which no test here knows.
namespace brinkmap::audit {

// One figure a row. `sign` is the one-sided alternative: what harmed rows are expected to have, higher (+1)
// or lower (-1) values. The study tested the entropy, the norm and the error ratio in these directions; the
// others' are ours: a harmed row is less sure, and its refusal direction turned, shrank and tells less apart.
struct MechanismProbe {
  const char* key;
  const char* title;
  int sign;
  bool studied;
};
inline constexpr std::array<MechanismProbe, 9> kMechanismProbes = {
    {{"entropy_shift", "entropy shift", 1, true},
     {"top1_shift", "top-1 shift", -1, false},
     {"gini_shift", "Gini shift", 1, false},
     {"ece", "ECE", 1, false},
     {"direction_cosine", "cosine", -1, false},
     {"direction_norm", "norm", -1, true},
     {"direction_norm_ratio", "norm / base", -1, false},
     {"direction_auc_baseline", "AUC, base's", -1, false},
     {"neuron_ratio", "error ratio", 1, true}}};
inline constexpr std::size_t kNeuronRatioProbe = 8;

// What rows are divided by. Rows of neither kind are left out.
enum class MechanismSplit : std::uint8_t {
  kPoints,  // hidden or nearly hidden danger against neutral (audit/regimes.h)
  kTests,   // hidden danger against no fall shown (TestedRegime)
  kFallen   // refusals of harmful prompts shown to fall against the rest
};
inline constexpr std::array<const char*, 3> kMechanismSplitNames = {"by_points", "by_tests", "refusals_fell"};

// Values of the probes on one row; NaN: not measured.
struct MechanismRow {
  std::uint32_t row = 0;
  std::array<double, kMechanismProbes.size()> value{};
};
// One entry for each row that is no baseline, from the reduced values of an experiment.
std::vector<MechanismRow> mechanism_rows(const schedule::Results& results, std::uint32_t experiment);

enum class Separation : std::uint8_t {
  kNoRows,   // one side has no row
  kOneRow,   // one side has a single row, from which nothing is concluded
  kTooMany,  // more rows than the exact distribution is computed for
  kNotShown,
  kHigher,  // in harmed rows
  kLower
};
inline constexpr std::array<const char*, 6> kSeparationNames = {"no_rows",   "one_row", "too_many_rows",
                                                                "not_shown", "higher",  "lower"};

struct MechanismTest {
  std::size_t probe = 0;
  MechanismSplit split{};
  std::int64_t harmed_n = 0, rest_n = 0;
  double harmed_mean = 0, rest_mean = 0;  // NaN for no rows
  // NaN unless both sides have two rows or more.
  double u = 0, p_one_sided = 0, p = 0;
  double p_holm = 0;  // of p, over the probes of the split
  Separation found{};
};
// Every split, every probe, in this order.
std::vector<MechanismTest> separate(const std::vector<MechanismRow>& rows,
                                    const std::vector<RowChange>& changes);

// The error ratio against 1: is quantization harder on the safety neurons than on the rest? NaN below two
// rows.
struct RatioTest {
  std::int64_t n = 0;
  double mean = 0;
  TTest test;
};
RatioTest ratio_against_one(const std::vector<MechanismRow>& rows);

// Over the rows that have both; NaN below three.
struct MechanismCorrelation {
  std::int64_t n = 0;
  double pearson = 0, pearson_p = 0, spearman = 0, spearman_p = 0;
};
// [probe]: with the change of the share of harmful prompts refused, and with the job's own template screen.
std::vector<MechanismCorrelation> with_refusals(const std::vector<MechanismRow>& rows,
                                                const std::vector<RowChange>& changes);
std::vector<MechanismCorrelation> with_screen(const std::vector<MechanismRow>& rows,
                                              const TemplateScreen& screen);

}  // namespace brinkmap::audit
