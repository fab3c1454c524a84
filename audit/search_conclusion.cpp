#include <fmt/core.h>

#include <algorithm>

#include "audit/search_report.h"

namespace brinkmap::audit {
namespace {

std::string share_of(std::uint64_t bytes, std::uint64_t of) {
  return of == 0 ? "-" : fmt::format("{:.1f} %", 100 * static_cast<double>(bytes) / static_cast<double>(of));
}

std::string bytes_text(std::uint64_t bytes) { return fmt::format("{} bytes", bytes); }

// How many could not be decided, on the items that choose or, when they pass there, on the others, and why:
// the smallest stands for them.
std::string undecided_text(const SearchResult& r) {
  std::size_t n = 0;
  const SearchRow* first = nullptr;
  for (const SearchRow& row : r.rows) {
    if (row.chosen_by != Verdict::kUndecided &&
        (row.chosen_by != Verdict::kPass || row.held_out != Verdict::kUndecided))
      continue;
    first = first ? first : &row;
    ++n;
  }
  if (n == 0) return {};
  return fmt::format("; {} of {} recipes cannot be decided, the smallest, {}, because of {}", n,
                     r.rows.size(), first->label, one_line(first->reason));
}

// Recipes below the pick that pass on the items that choose and that had no look at the others.
std::size_t not_judged(const SearchResult& r) {
  const std::uint64_t pick = r.rows.at(*r.pick).bytes;
  return static_cast<std::size_t>(std::count_if(r.rows.begin(), r.rows.end(), [&](const SearchRow& row) {
    return row.bytes < pick && row.chosen_by == Verdict::kPass && !row.held_out;
  }));
}

// What the pick costs on the held-out items, beside its baseline.
std::string cost_text(const SearchResult& r) {
  const SearchRow& pick = r.rows.at(*r.pick);
  const auto baseline = std::find_if(r.rows.begin(), r.rows.end(),
                                     [&](const SearchRow& row) { return row.recipe == r.baseline; });
  if (!pick.held_out_quality || baseline == r.rows.end() || !baseline->held_out_quality) return {};
  const std::string words = quality_text(*pick.held_out_quality, *baseline->held_out_quality, r.baseline);
  return words.empty() ? words : ". On that half the pick has " + words;
}

std::string not_found(const SearchResult& r) {
  std::string why = r.budget == 0
                        ? "no recipe passes the gate on the items that choose"
                        : fmt::format("no recipe of at most {} passes the gate on the items that choose",
                                      bytes_text(r.budget));
  if (r.looks > 0)
    why =
        fmt::format("{} recipe{} that pass{} on the items that choose {} not pass on the held-out ones",
                    r.looks, r.looks == 1 ? "" : "s", r.looks == 1 ? "es" : "", r.looks == 1 ? "does" : "do");
  for (const SearchRow& row : r.rows)
    if (row.recipe == r.baseline && row.chosen_by != Verdict::kPass)
      why += fmt::format("; the baseline itself does not: {}", one_line(row.reason));
  why += undecided_text(r);
  if (r.best_uniform)
    why += fmt::format("; of the job's own recipes the smallest that passes on both halves is {}, {}",
                       r.rows[*r.best_uniform].label, bytes_text(r.rows[*r.best_uniform].bytes));
  return fmt::format("{}: nothing found: {}.\n", r.model, why);
}

std::string found(const SearchResult& r) {
  const SearchRow& pick = r.rows.at(*r.pick);
  std::string out =
      fmt::format("{}: {} is the smallest recipe found that passes: {}, {} of {}", r.model, pick.label,
                  bytes_text(pick.bytes), share_of(pick.bytes, r.baseline_bytes), r.baseline);
  if (!r.best_uniform)
    out += "; no recipe of the job's own passes";
  else if (*r.best_uniform == *r.pick)
    out += "; no smaller mixture that was judged passes";
  else
    out += fmt::format(", {} of {}, the smallest of the job's own that passes",
                       share_of(pick.bytes, r.rows[*r.best_uniform].bytes), r.rows[*r.best_uniform].label);
  if (const std::size_t n = not_judged(r); n > 0)
    out += fmt::format("; {} smaller that pass{} on one half {} not judged on the other", n,
                       n == 1 ? "es" : "", n == 1 ? "was" : "were");
  const auto before =
      std::find_if(r.rows.begin(), r.rows.end(), [](const SearchRow& row) { return !row.allocated; });
  if (before != r.rows.end() && before->held_out)
    out += fmt::format("; {}, the smallest of the job's own, {}: {}", before->label,
                       bytes_text(before->bytes), verdict_name(*before->held_out));
  const std::size_t tried = r.rows.size();
  out += fmt::format(
      ". Chosen among {} recipes on one half of the items; the verdict is from the other half, which no "
      "choice "
      "has seen (look {} of at most {})",
      tried, r.looks, r.most_looks);
  if (r.vetoes.n > 0)
    out += fmt::format(
        ": {} of {} VETO items approved, which still allows up to {:.1f} % (at {:g} %, adjusted for "
        "the looks)",
        r.vetoes.approved, r.vetoes.n, 100 * r.vetoes.bound, 100 * r.vetoes.confidence);
  out += cost_text(r) + ".\n";
  if (!r.recipe_file.empty()) out += fmt::format("{}: written to {}\n", r.model, r.recipe_file);
  return out;
}

}  // namespace

std::string search_conclusion(const SearchResult& result) {
  return result.pick ? found(result) : not_found(result);
}

}  // namespace brinkmap::audit
