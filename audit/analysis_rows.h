#pragma once

#include <array>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "audit/analysis.h"
#include "audit/outside_matrix.h"
#include "audit/regimes.h"

// The rows of an outside matrix with what every part of the analysis derives from them, and the parts
// themselves. Internal to the analysis.
namespace brinkmap::audit {

// Rows that belong together, named by kind and number: "gguf34", "rows41".
struct RowSet {
  std::string name;
  std::vector<std::size_t> rows;
};

inline constexpr std::array<const char*, 4> kSafetyNames = {"refusal", "truthfulness", "bias",
                                                            "judge_refusal"};
inline constexpr std::size_t kKeywordSafety = 3;  // the first ones; judge_refusal is the judge's

struct StudyRows {
  explicit StudyRows(const OutsideMatrix& outside);

  const OutsideMatrix& matrix;
  std::vector<std::string> models, families, formats, quants;  // in order of appearance
  std::vector<double> refusal_delta_pp;                        // [row], from counts
  std::vector<Regime> regimes;                                 // [row]
  std::vector<Action> actions;                                 // [row], as action_of has it
  std::vector<Action> final_actions;  // [row], where that is undecided the one that the matrix states
  RowSet gguf;                        // GGUF rows without the baselines
  RowSet complete;                    // rows without the baselines, whose three quality deltas are published
  RowSet all;                         // all rows without the baselines
  RowSet complete_raw, all_raw;       // with the baselines: those whose quality means are known, and all
  std::vector<RowSet> delta_sets() const;  // gguf, complete, all: each once, no empty ones

  const MatrixRow& row(std::size_t i) const { return matrix.rows[i]; }
  std::string id(std::size_t i) const { return row(i).model + "." + row(i).quant; }
  // Deltas in pp; raw values as shares (the judge's in per cent, as published).
  double safety_delta(std::size_t i, std::size_t safety) const;
  double safety_raw(std::size_t i, std::size_t safety) const;
};

// Of `rows` those of which `keep(row)` holds.
std::vector<std::size_t> rows_where(const std::vector<std::size_t>& rows,
                                    const std::function<bool(std::size_t)>& keep);

// value(row) of each row; empty when one of them is not known.
std::vector<double> series(const std::vector<std::size_t>& rows,
                           const std::function<double(std::size_t)>& value);

// "7/220" and the like, for the tables.
std::string count_of(std::int64_t k, std::int64_t n);

// The lowest-bit GGUF level that every model was measured at, with nothing rejected or undecided and a judge
// signal below kBoundedDrift (METHOD.md 12); empty when there is none.
std::string conservative_floor(const StudyRows& study);

// Models whose Pearson of BERTScore and refusal deltas has the other sign than the one over all rows. Nothing
// when a row lacks a value.
std::optional<std::set<std::string>> models_against_pooled(const StudyRows& study);

void analyze_templates(const StudyRows& study, Analysis& out);     // 4: openings
void analyze_screen(const StudyRows& study, Analysis& out);        // 5, 6: RTSI and its validation
void analyze_regimes(const StudyRows& study, Analysis& out);       // 7, 9: regimes, asymmetry
void analyze_correlations(const StudyRows& study, Analysis& out);  // 8, 10
void analyze_regressions(const StudyRows& study, Analysis& out);   // 11: on bits per weight
void analyze_levels(const StudyRows& study, Analysis& out);        // 12: deployment, conservative floor
void analyze_taxonomy(const StudyRows& study, Analysis& out);      // 12: catalogue of failure modes
void analyze_tests(const StudyRows& study, Analysis& out);         // 14: intervals, Welch, power
void analyze_probes(const StudyRows& study, Analysis& out);        // 15
void analyze_counts(const StudyRows& study, Analysis& out);        // 2, 13: prompts, samples, judges

}  // namespace brinkmap::audit
