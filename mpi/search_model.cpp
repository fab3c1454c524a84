#include "mpi/search_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "audit/stats.h"
#include "schedule/error.h"
#include "schedule/recipe_text.h"
#include "schedule/search_plan.h"
#include "worker/checkpoint.h"
#include "worker/decoded.h"
#include "worker/hybrid.h"
#include "worker/recipe.h"

namespace brinkmap::mpi {
namespace {

constexpr std::size_t kLongestLabel = 33;  // columns, so that the table fits a terminal

std::string sensitivity_recipe(const std::string& baseline, const std::string& format,
                               const std::vector<std::string>& modules) {
  return schedule::recipe_string({baseline, {{format, modules}}});
}

}  // namespace

ModelSearch::ModelSearch(const schedule::Job& job, std::size_t model)
    : job_(job), model_(model), spec_(job.models.at(model)), formats_(job.search.formats) {
  std::erase(formats_, spec_.baseline);
  formats_.push_back(spec_.baseline);
  const auto file = worker::Checkpoint::open(spec_.path);
  for (const std::string& recipe : spec_.recipes)
    for (std::string& row : worker::expand_each(*file, recipe)) own_.push_back(std::move(row));
  // The model as its rows are made from it: decoded where it is quantized already.
  cut_ = worker::search_pieces(spec_.requantize ? *worker::decoded_shapes(file) : *file, formats_,
                               job.search.of);
  if (cut_.pieces.empty()) throw InputError(spec_.path, "", "the model has no matrices to search over");
  std::uint64_t least = cut_.other_bytes;
  for (const worker::SearchPiece& piece : cut_.pieces)
    least += *std::min_element(piece.bytes.begin(), piece.bytes.end());
  result_.model = spec_.id;
  result_.baseline = spec_.baseline;
  result_.baseline_bytes = cut_.baseline_bytes;
  result_.most_looks = job.search.looks;
  result_.budget = budget();
  if (result_.budget != 0 && result_.budget < least)
    throw InputError(
        job.path, "budget",
        fmt::format("expected at least {} bytes, which {} takes with every piece in its smallest "
                    "format, found {}",
                    least, spec_.id, result_.budget));
}

std::uint64_t ModelSearch::budget() const {
  const double b = job_.search.budget;
  if (b <= 0) return 0;
  return static_cast<std::uint64_t>(b > 1 ? b : b * static_cast<double>(cut_.baseline_bytes));
}

std::vector<std::string> ModelSearch::sensitivity_rows() const {
  std::vector<std::string> out{spec_.baseline};
  for (const worker::SearchPiece& piece : cut_.pieces)
    for (std::size_t f = 0; f + 1 < formats_.size(); ++f)
      if (piece.same_as[f] == f && piece.same_as.back() != f)
        out.push_back(sensitivity_recipe(spec_.baseline, formats_[f], piece.modules));
  return out;
}

std::uint32_t ModelSearch::row_of(const schedule::Results& results, const std::string& recipe) const {
  for (std::uint32_t r = 0; r < results.plan.rows.size(); ++r)
    if (results.plan.rows[r].model == model_ && results.plan.rows[r].recipe == recipe) return r;
  throw Error("search: a stage has no row " + recipe);
}

void ModelSearch::take_sensitivities(const schedule::Results& results, const std::string& file) {
  const std::uint32_t baseline = row_of(results, spec_.baseline);
  if (!std::isfinite(audit::row_damage(results, baseline).total(job_.search)))
    throw InputError(file, spec_.id + "/" + spec_.baseline,
                     "the baseline lacks results that damages are measured against");
  const auto format_count = formats_.size();
  for (const worker::SearchPiece& piece : cut_.pieces) {
    choices_.emplace_back();
    offered_.emplace_back();
    for (std::size_t f = 0; f < format_count; ++f) {
      const std::size_t measured = piece.same_as[f];
      // What the baseline's format makes costs nothing, whatever it is called.
      const bool free = measured == piece.same_as.back();
      audit::RowDamage damage;
      if (!free)
        damage = audit::row_damage(
            results, row_of(results, sensitivity_recipe(spec_.baseline, formats_[measured], piece.modules)));
      const double total = free ? 0 : damage.total(job_.search);
      if (!free) result_.pieces.push_back({piece.name, formats_[f], piece.bytes[f], damage, total});
      if (!std::isfinite(total)) continue;
      choices_.back().push_back({piece.bytes[f], total});
      offered_.back().push_back(static_cast<std::uint32_t>(f));
    }
  }
  frontier_.emplace(choices_);
}

ModelSearch::Mixture ModelSearch::mixture(const Choice& choice) const {
  Mixture out;
  out.choice = choice;
  std::vector<std::size_t> format;  // [piece]
  std::vector<std::size_t> count(formats_.size());
  for (std::size_t p = 0; p < cut_.pieces.size(); ++p) {
    out.predicted += choices_[p][choice[p]].damage;
    format.push_back(offered_[p][choice[p]]);
    count[format[p]] += cut_.pieces[p].modules.size();
  }
  const auto rest = static_cast<std::size_t>(std::max_element(count.begin(), count.end()) - count.begin());
  std::vector<std::vector<std::string>> modules(formats_.size());
  for (std::size_t p = 0; p < cut_.pieces.size(); ++p) {
    const worker::SearchPiece& piece = cut_.pieces[p];
    // What the rest makes of it anyway need not be listed.
    const std::size_t f = piece.same_as[format[p]] == piece.same_as[rest] ? rest : format[p];
    modules[f].insert(modules[f].end(), piece.modules.begin(), piece.modules.end());
  }
  schedule::MixedRecipe recipe{formats_[rest], {}};
  bool whole = true;
  for (std::size_t f = 0; f < formats_.size(); ++f) {
    if (modules[f].empty()) continue;
    if (f != rest) recipe.lists.emplace_back(formats_[f], modules[f]);
    const std::string part =
        fmt::format("{}{}×{}", out.label.empty() ? "" : " ", formats_[f], modules[f].size());
    if (whole && audit::display_width(out.label + part) > kLongestLabel) {
      out.label += " …";
      whole = false;
    }
    if (whole) out.label += part;
  }
  out.recipe = schedule::recipe_string(recipe);
  return out;
}

// The first round judges the job's own recipes and the smallest mixture; what passes there is the upper end
// of what is worth trying.
std::vector<std::uint64_t> ModelSearch::budgets_of(int round) const {
  const std::uint64_t least = cut_.other_bytes + frontier_->least_bytes();
  if (round == 0) return {least};
  std::vector<schedule::Judged> judged;
  for (const audit::SearchRow& row : result_.rows)
    if (result_.budget == 0 || row.bytes <= result_.budget)
      judged.push_back({row.bytes, row.chosen_by == audit::Verdict::kPass, row.allocated && !row.near});
  const bool any = std::any_of(judged.begin(), judged.end(), [](const auto& j) { return j.passes; });
  if (any || round > 1) return schedule::next_budgets(judged, job_.search.candidates);
  std::uint64_t most = cut_.other_bytes + frontier_->most_bytes();
  if (result_.budget != 0) most = std::clamp(result_.budget, least, most);
  return schedule::first_budgets(least, most, job_.search.candidates);
}

std::vector<std::string> ModelSearch::round_rows(int round) {
  std::vector<std::string> rows{spec_.baseline};
  if (round == 0)
    for (const std::string& recipe : own_)
      if (recipe != spec_.baseline) rows.push_back(recipe);
  asked_.clear();
  const auto known = [&](const std::string& recipe) {
    return std::find(rows.begin(), rows.end(), recipe) != rows.end() ||
           std::any_of(result_.rows.begin(), result_.rows.end(),
                       [&](const audit::SearchRow& row) { return row.recipe == recipe; });
  };
  const auto ask = [&](Mixture m) {
    if (known(m.recipe)) return;
    rows.push_back(m.recipe);
    made_[m.recipe] = m.choice;
    asked_.push_back(std::move(m));
  };
  for (const std::uint64_t b : budgets_of(round)) {
    const std::uint64_t pieces = b - std::min(b, cut_.other_bytes);
    ask(mixture(frontier_->best(std::max(pieces, frontier_->least_bytes())).choice));
  }
  if (round > 0)
    for (Mixture& m : next_to_pass()) ask(std::move(m));
  return rows;
}

std::optional<ModelSearch::Choice> ModelSearch::choice_of(const std::string& recipe) const {
  if (const auto made = made_.find(recipe); made != made_.end()) return made->second;
  const auto f = std::find(formats_.begin(), formats_.end(), recipe) - formats_.begin();
  Choice out;
  for (const std::vector<std::uint32_t>& offered : offered_) {
    const auto at = std::find(offered.begin(), offered.end(), static_cast<std::uint32_t>(f));
    if (at == offered.end()) return std::nullopt;
    out.push_back(static_cast<std::uint32_t>(at - offered.begin()));
  }
  return out;
}

std::vector<ModelSearch::Mixture> ModelSearch::next_to_pass() const {
  std::vector<Mixture> out;
  for (const audit::SearchRow& row : result_.rows) {  // smallest first
    if (row.chosen_by != audit::Verdict::kPass) continue;
    if (const std::optional<Choice> choice = choice_of(row.recipe))
      for (const Choice& next : schedule::lowered(choices_, *choice, job_.search.candidates)) {
        out.push_back(mixture(next));
        out.back().near = true;
      }
    break;
  }
  return out;
}

void ModelSearch::take_round(const schedule::Results& results) {
  const schedule::Plan& plan = results.plan;
  for (std::uint32_t r = 0; r < plan.rows.size(); ++r) {
    const schedule::Row& planned = plan.rows[r];
    if (planned.model != model_) continue;
    const auto same = [&](const auto& other) { return other.recipe == planned.recipe; };
    if (std::any_of(result_.rows.begin(), result_.rows.end(), same)) continue;
    const auto made = std::find_if(asked_.begin(), asked_.end(), same);
    audit::SearchRow row;
    row.recipe = planned.recipe;
    row.allocated = made != asked_.end();
    row.near = row.allocated && made->near;
    row.label = row.allocated ? made->label : schedule::recipe_label(planned.recipe);
    row.predicted = row.allocated ? made->predicted : std::nan("");
    row.bytes = plan.facts.recipe_bytes.at(model_).at(
        static_cast<std::size_t>(std::find(plan.job.models[model_].recipes.begin(),
                                           plan.job.models[model_].recipes.end(), planned.recipe) -
                                 plan.job.models[model_].recipes.begin()));
    row.measured = audit::row_damage(results, r).total(job_.search);
    const audit::RowVerdict verdict = audit::judge(results, r);
    row.chosen_by = verdict.verdict;
    row.reason = verdict.reason;
    row.choosing_quality = audit::search_quality(results, r);
    undecided_ = undecided_ || verdict.verdict == audit::Verdict::kUndecided;
    result_.rows.push_back(std::move(row));
  }
  std::sort(result_.rows.begin(), result_.rows.end(),
            [](const audit::SearchRow& a, const audit::SearchRow& b) {
              return std::tie(a.bytes, a.recipe) < std::tie(b.bytes, b.recipe);
            });
}

std::vector<std::string> ModelSearch::verdict_rows() {
  std::vector<std::string> rows{spec_.baseline};
  order_ = audit::to_look_at(result_, job_.search.looks);
  const auto add = [&](const std::string& recipe) {
    if (std::find(rows.begin(), rows.end(), recipe) == rows.end()) rows.push_back(recipe);
  };
  for (const std::string& recipe : own_) add(recipe);
  for (const std::size_t i : order_) add(result_.rows[i].recipe);
  return rows;
}

void ModelSearch::take_verdict(const schedule::Results& results) {
  for (audit::SearchRow& row : result_.rows)
    for (std::uint32_t r = 0; r < results.plan.rows.size(); ++r) {
      if (results.plan.rows[r].model != model_ || results.plan.rows[r].recipe != row.recipe) continue;
      const audit::RowVerdict verdict = audit::judge(results, r);
      row.held_out = verdict.verdict;
      row.held_out_quality = audit::search_quality(results, r);
      if (row.chosen_by == audit::Verdict::kPass) row.reason = verdict.reason;
    }
  undecided_ = undecided_ || audit::undecided(result_, order_);
  result_.pick = audit::first_passing(result_, order_);
  result_.looks = static_cast<int>(order_.size());
  for (std::size_t i = 0; i < order_.size(); ++i)
    if (result_.pick == order_[i]) result_.looks = static_cast<int>(i) + 1;
  for (std::size_t i = 0; i < result_.rows.size() && !result_.best_uniform; ++i) {
    const audit::SearchRow& row = result_.rows[i];
    if (!row.allocated && row.recipe != spec_.baseline && row.chosen_by == audit::Verdict::kPass &&
        row.held_out == audit::Verdict::kPass)
      result_.best_uniform = i;
  }
  if (result_.pick) count_vetoes(results, row_of(results, result_.rows[*result_.pick].recipe));
}

void ModelSearch::count_vetoes(const schedule::Results& results, std::uint32_t row) {
  for (const schedule::SuiteSpec& suite : results.plan.job.suites) {
    if (suite.kind != schedule::SuiteKind::kDecision) continue;
    result_.vetoes.n += std::max(0, results.value<std::int32_t>(suite.id + "_veto_n", row));
    result_.vetoes.approved += std::max(0, results.value<std::int32_t>(suite.id + "_veto_to_approve", row));
  }
  // Bonferroni over the looks that the job allows, whether taken or not.
  const double alpha = (1 - job_.gate.confidence) / result_.most_looks;
  result_.vetoes.confidence = job_.gate.confidence;
  result_.vetoes.bound = audit::upper_bound(result_.vetoes.approved, result_.vetoes.n, 1 - alpha);
}

std::string ModelSearch::pick_yaml() const {
  const audit::SearchRow& row = result_.rows.at(result_.pick.value());
  const std::string head =
      fmt::format("# The smallest recipe found for {} that passes the gate of {}: {} bytes.\n", spec_.id,
                  audit::one_line(job_.name), row.bytes);
  return head + schedule::recipe_file(row.recipe);
}

}  // namespace brinkmap::mpi
