#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "audit/gate.h"
#include "audit/row_damage.h"
#include "audit/search_quality.h"
#include "audit/table.h"

// What a search found, as data, and how it is printed.
namespace brinkmap::audit {

// One piece in one format, everything else in the baseline's.
struct SearchPiece {
  std::string piece;  // "blk.0.attn_q", "attn_q", "blk.0"
  std::string format;
  std::uint64_t bytes = 0;  // of the piece
  RowDamage damage;
  double total = 0;  // NaN: not measured, so never chosen
};

// A recipe for the whole model that was judged.
struct SearchRow {
  std::string recipe;
  std::string label;        // short
  bool allocated = false;   // by the search
  bool near = false;        // of these: made from a recipe that passes, not for a budget
  std::uint64_t bytes = 0;  // of all tensors
  double predicted = 0;     // sum of the pieces' damages; NaN where the search did not make it
  double measured = 0;      // on the items that choose; NaN when an item is missing
  Verdict chosen_by = Verdict::kUndecided;  // on the items that choose
  std::optional<Verdict> held_out;          // on the others, where they were asked
  std::string reason;                       // of the last verdict
  SearchQuality choosing_quality;
  std::optional<SearchQuality> held_out_quality;
};

// The VETO items of the held-out half that a recipe approved, with what that still allows.
struct HeldOutVetoes {
  std::int64_t n = 0, approved = 0;
  double confidence = 0;
  double bound = 1;  // one-sided upper limit of the share at `confidence`, adjusted for the looks
};

struct SearchResult {
  std::string model;
  std::uint64_t baseline_bytes = 0;
  std::string baseline;
  std::uint64_t budget = 0;  // 0: none
  std::vector<SearchPiece> pieces;
  std::vector<SearchRow> rows;  // by bytes, then by recipe
  std::optional<std::size_t> pick;
  std::optional<std::size_t> best_uniform;  // smallest recipe of the job's own that passes on both halves
  int looks = 0, most_looks = 0;            // recipes that the held-out items judged, and might have
  HeldOutVetoes vetoes;                     // of the pick
  std::string recipe_file;                  // empty: none was written
};

// The recipes that pass on the choosing items and may be judged by the held-out ones, smallest first. A
// mixture is left out that is not larger than the one before by kLookStep at least, so that looks are not
// spent on near twins of one that failed; the job's own recipes are few and all count.
inline constexpr double kLookStep = 1.015;
std::vector<std::size_t> to_look_at(const SearchResult& result, int looks);

// The first of `order` that passes on the held-out items. Nothing when one is not decided before: the search
// does not go on over missing data.
std::optional<std::size_t> first_passing(const SearchResult& result, const std::vector<std::size_t>& order);

// Whether a recipe in `order` before the first that passes could not be decided.
bool undecided(const SearchResult& result, const std::vector<std::size_t>& order);

Table search_table(const SearchResult& result);
Table search_quality_table(const SearchResult& result);  // on the items that choose
Table sensitivity_table(const SearchResult& result);

// One paragraph: what was found and what it stands on, or why nothing was.
std::string search_conclusion(const SearchResult& result);

// Tables, then the conclusion of each model.
std::string search_text(const std::vector<SearchResult>& results);
// {"models": [{"model", "found", "recipe", ..., "rows": [...], "sensitivities": [...], "text"}]}
std::string search_json(const std::vector<SearchResult>& results);

}  // namespace brinkmap::audit
