#include "audit/search_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace brinkmap::audit {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostShown = 12;  // lines of the sensitivity table on a terminal

std::string word(Verdict verdict) { return verdict_name(verdict); }

Cell verdict_cell(const std::optional<Verdict>& verdict) {
  return verdict ? text_cell(word(*verdict)) : Cell{"", {}};
}

// Two digits that count, whatever the size.
Cell damage_cell(double damage) {
  if (!std::isfinite(damage)) return number_cell(damage, 3);
  return shown_cell(damage == 0     ? "0"
                    : damage < 0.01 ? fmt::format("{:.1e}", damage)
                                    : fmt::format("{:.3f}", damage),
                    damage);
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json damage_json(const RowDamage& d) {
  return {{"veto_n", d.veto_n},
          {"veto_margin_mean_fall", number(d.veto_mean_fall)},
          {"veto_margin_p5_fall", number(d.veto_low_fall)},
          {"refusal_n", d.refusal_n},
          {"refusal_log_prob_fall", number(d.refusal_fall)},
          {"tokens", d.tokens},
          {"loss_rise", number(d.loss_rise)},
          {"missing", d.missing}};
}

Json quality_json(const SearchQuality& q) {
  return {{"perplexity_ratio", number(q.perplexity_ratio)},
          {"decisions_right", q.decisions.k},
          {"decisions_n", q.decisions.n},
          {"harmful_refused", q.refused.k},
          {"harmful_n", q.refused.n},
          {"veto_to_approve", q.approved.k},
          {"veto_n", q.approved.n}};
}

Json row_json(const SearchRow& row) {
  return {{"recipe", row.recipe},
          {"allocated", row.allocated},
          {"bytes", row.bytes},
          {"predicted_damage", number(row.predicted)},
          {"measured_damage", number(row.measured)},
          {"verdict_choosing", word(row.chosen_by)},
          {"verdict_held_out", row.held_out ? Json(word(*row.held_out)) : Json(nullptr)},
          {"reason", one_line(row.reason)},
          {"quality_choosing", quality_json(row.choosing_quality)},
          {"quality_held_out", row.held_out_quality ? quality_json(*row.held_out_quality) : Json(nullptr)}};
}

Json result_json(const SearchResult& r) {
  Json out{{"model", r.model}, {"found", r.pick.has_value()}};
  out["recipe"] = r.pick ? Json(r.rows.at(*r.pick).recipe) : Json(nullptr);
  out["bytes"] = r.pick ? Json(r.rows.at(*r.pick).bytes) : Json(nullptr);
  out["recipe_file"] = r.recipe_file.empty() ? Json(nullptr) : Json(r.recipe_file);
  out["baseline"] = r.baseline;
  out["baseline_bytes"] = r.baseline_bytes;
  out["budget"] = r.budget == 0 ? Json(nullptr) : Json(r.budget);
  out["smallest_uniform"] = r.best_uniform ? Json(r.rows.at(*r.best_uniform).recipe) : Json(nullptr);
  out["looks"] = r.looks;
  out["most_looks"] = r.most_looks;
  out["held_out_vetoes"] = {
      {"n", r.vetoes.n}, {"approved", r.vetoes.approved}, {"bound", number(r.vetoes.bound)}};
  out["rows"] = Json::array();
  for (const SearchRow& row : r.rows) out["rows"].push_back(row_json(row));
  out["sensitivities"] = Json::array();
  for (const SearchPiece& p : r.pieces) {
    Json piece{{"piece", p.piece}, {"format", p.format}, {"bytes", p.bytes}, {"damage", number(p.total)}};
    piece.update(damage_json(p.damage));
    out["sensitivities"].push_back(std::move(piece));
  }
  out["text"] = search_conclusion(r);
  return out;
}

}  // namespace

std::vector<std::size_t> to_look_at(const SearchResult& result, int looks) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < result.rows.size() && out.size() < static_cast<std::size_t>(looks); ++i) {
    const SearchRow& row = result.rows[i];
    const bool fits = result.budget == 0 || row.bytes <= result.budget;
    const bool apart =
        !row.allocated || out.empty() ||
        static_cast<double>(row.bytes) >= kLookStep * static_cast<double>(result.rows[out.back()].bytes);
    if (row.recipe != result.baseline && fits && apart && row.chosen_by == Verdict::kPass) out.push_back(i);
  }
  return out;
}

std::optional<std::size_t> first_passing(const SearchResult& result, const std::vector<std::size_t>& order) {
  for (const std::size_t i : order) {
    const std::optional<Verdict>& verdict = result.rows.at(i).held_out;
    if (!verdict || *verdict == Verdict::kUndecided) return std::nullopt;
    if (*verdict == Verdict::kPass) return i;
  }
  return std::nullopt;
}

bool undecided(const SearchResult& result, const std::vector<std::size_t>& order) {
  for (const std::size_t i : order) {
    const std::optional<Verdict>& verdict = result.rows.at(i).held_out;
    if (!verdict || *verdict == Verdict::kUndecided) return true;
    if (*verdict == Verdict::kPass) return false;
  }
  return false;
}

Table search_table(const SearchResult& result) {
  Table t;
  t.id = "search";
  t.title = "Search of " + result.model;
  t.columns = {{"pick", "", true, Where::kText},
               {"recipe", "recipe", true},
               {"bytes", "bytes"},
               {"bytes_share", "of the\nbaseline"},
               {"predicted_damage", "damage\npredicted"},
               {"measured_damage", "damage\nmeasured"},
               {"verdict_choosing", "verdict,\nchoosing half", true},
               {"verdict_held_out", "verdict,\nheld-out half", true}};
  for (std::size_t i = 0; i < result.rows.size(); ++i) {
    const SearchRow& row = result.rows[i];
    t.rows.push_back(
        {text_cell(result.pick == i ? "→" : ""), text_cell(row.label),
         count_cell(static_cast<std::int64_t>(row.bytes)),
         percent_cell(static_cast<double>(row.bytes) / static_cast<double>(result.baseline_bytes), 1),
         damage_cell(row.predicted), damage_cell(row.measured), text_cell(word(row.chosen_by)),
         verdict_cell(row.held_out)});
  }
  t.notes = {"→: the pick. Damage: weighted falls of VETO margins and of the log-probability of refusals and",
             "texts, in nat; predicted: sum over the pieces. Of the mixtures, held-out items judge a few."};
  return t;
}

Table search_quality_table(const SearchResult& result) {
  Table t;
  t.id = "search_quality";
  t.title = "What the recipes cost in " + result.model;
  t.columns = {{"pick", "", true, Where::kText},           {"recipe", "recipe", true},
               {"perplexity_ratio", "perplexity,\ntimes"}, {"decisions_right", "decisions\nright"},
               {"harmful_refused", "harmful\nrefused"},    {"veto_to_approve", "VETO to\nAPPROVE"}};
  for (std::size_t i = 0; i < result.rows.size(); ++i) {
    const SearchRow& row = result.rows[i];
    const SearchQuality& q = row.choosing_quality;
    t.rows.push_back({text_cell(result.pick == i ? "→" : ""), text_cell(row.label),
                      number_cell(q.perplexity_ratio, 2), text_cell(q.decisions.plain()),
                      text_cell(q.refused.plain()), text_cell(q.approved.plain())});
  }
  t.notes = {"On the half of the items that chooses; perplexity as a multiple of the baseline's."};
  return t;
}

Table sensitivity_table(const SearchResult& result) {
  Table t;
  t.id = "search_sensitivity";
  t.title = "What one piece alone costs in " + result.model;
  t.columns = {{"piece", "piece", true},
               {"format", "format", true},
               {"bytes", "bytes"},
               {"veto_margin_mean_fall", "VETO margin\nfall, mean"},
               {"veto_margin_p5_fall", "fall,\n5th perc."},
               {"refusal_log_prob_fall", "refusals'\nlog-p fall"},
               {"loss_rise", "loss rise\na token"},
               {"damage", "damage"}};
  std::vector<const SearchPiece*> order;
  for (const SearchPiece& p : result.pieces) order.push_back(&p);
  std::stable_sort(order.begin(), order.end(), [](const SearchPiece* a, const SearchPiece* b) {
    if (std::isnan(a->total) || std::isnan(b->total)) return std::isnan(a->total) && !std::isnan(b->total);
    return a->total > b->total;
  });
  for (std::size_t i = 0; i < std::min(order.size(), kMostShown); ++i) {
    const SearchPiece& p = *order[i];
    t.rows.push_back({text_cell(p.piece), text_cell(p.format), count_cell(static_cast<std::int64_t>(p.bytes)),
                      number_cell(p.damage.veto_mean_fall, 3), number_cell(p.damage.veto_low_fall, 3),
                      number_cell(p.damage.refusal_fall, 4), number_cell(p.damage.loss_rise, 4),
                      damage_cell(p.total)});
  }
  if (order.size() > kMostShown)
    t.notes.push_back(fmt::format("The {} largest of {}; --json has all.", kMostShown, order.size()));
  return t;
}

std::string search_text(const std::vector<SearchResult>& results) {
  std::string out;
  for (const SearchResult& r : results) {
    if (!r.pieces.empty()) out += to_text(sensitivity_table(r)) + "\n";
    out += to_text(search_table(r)) + "\n" + to_text(search_quality_table(r)) + "\n";
  }
  for (const SearchResult& r : results) out += search_conclusion(r);
  return out;
}

std::string search_json(const std::vector<SearchResult>& results) {
  Json models = Json::array();
  for (const SearchResult& r : results) models.push_back(result_json(r));
  return Json{{"models", models}}.dump(2) + "\n";
}

}  // namespace brinkmap::audit
