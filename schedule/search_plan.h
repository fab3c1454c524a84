#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schedule/job.h"

// What a search asks to be measured: recipes of pieces, budgets of rounds, the jobs of its stages.
namespace brinkmap::schedule {

// A recipe that gives every listed matrix its own format.
struct MixedRecipe {
  std::string rest;
  std::vector<std::pair<std::string, std::vector<std::string>>> lists;  // format, matrices
};

// As a job's `recipes` takes it: "q2_k+q6_k(list,blk.0.attn_q)"; the rest alone where nothing is listed.
std::string recipe_string(const MixedRecipe& recipe);
// A recipe's string as a file for `quantize --to`; lists of matrices become a map {hybrid: ...}.
std::string recipe_file(std::string_view recipe);

// `n` byte budgets from least to most, each the same multiple of the one before: where nothing passes yet.
std::vector<std::uint64_t> first_budgets(std::uint64_t least, std::uint64_t most, int n);

// A recipe that was judged.
struct Judged {
  std::uint64_t bytes = 0;
  bool passes = false;
  bool allocated = false;  // by the search; else one recipe for the whole model
};
// `n` budgets, evenly spaced, strictly between the smallest recipe that passes and the largest allocated one
// below it that does not. None where nothing passes or nothing smaller failed.
std::vector<std::uint64_t> next_budgets(std::span<const Judged> judged, int n);

// A stage of a search: a job like the one searched, with these recipes and one half of the items.
struct Stage {
  std::string name;
  std::vector<std::vector<std::string>> recipes;  // [model] the baseline among them
  Half half = Half::kFirst;
  // Only what damages are measured on: refusals, decisions (their margins, nothing generated beyond a token)
  // and texts.
  bool damage_only = false;
};
// Tokens of the baseline's answers that a search scores.
inline constexpr int kSearchBaselineTokens = 8;

inline constexpr int kMostSearchRounds = 10;

// Throws InputError for a job that cannot be searched: it takes halves already, has nothing a damage is
// measured on, or a judge whose labels stand in a file, which knows no row that a search makes.
void check_search(const Job& job);

// The stage's job file, which reads its paths relative to the same folder as the job's.
std::string stage_text(const Job& job, const Stage& stage);

}  // namespace brinkmap::schedule
