#include "audit/spectral_study.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <string_view>

#include "audit/spectral_parts.h"

namespace brinkmap::audit {
namespace {

using schedule::Plan;
using schedule::RecipeParts;
using schedule::Results;

constexpr std::array<std::string_view, 5> kSpectral{"alpha", "slope", "k90", "entropy", "stable_rank"};
constexpr std::array<std::string_view, 3> kControls{"nf4_error", "kurtosis", "depth"};

bool among(std::string_view by, const auto& names) {
  return std::find(names.begin(), names.end(), by) != names.end();
}

// Row of a model with this recipe.
std::optional<std::uint32_t> row_of(const Plan& plan, std::uint32_t model, const std::string& recipe) {
  for (std::uint32_t r = 0; r < plan.rows.size(); ++r)
    if (plan.rows[r].model == model && plan.rows[r].recipe == recipe) return r;
  return std::nullopt;
}

// Resampled blocks are the same in all comparisons of a model, so that these pair.
class Losses {
 public:
  explicit Losses(const Results& results) : results_(results) {}

  const BlockLosses& of(std::uint32_t row) {
    const auto at = rows_.find(row);
    return at != rows_.end() ? at->second : rows_.emplace(row, block_losses(results_, row)).first->second;
  }

  KeyedRandom random(std::uint32_t row) const {
    return {results_.plan.job.seed, "text blocks of model " + std::to_string(results_.plan.rows[row].model)};
  }

  LossChange against(std::uint32_t row, std::uint32_t other) {
    return compare_losses(of(row).nll, of(other).nll, of(row).tokens, random(row));
  }

 private:
  const Results& results_;
  std::map<std::uint32_t, BlockLosses> rows_;
};

// Means of the draws on the blocks that all have, and the row's place among them.
struct Draws {
  std::vector<double> mean;
  std::size_t rank = 0;
};

Draws draws_of(Losses& losses, const Contest& c, std::vector<double> BlockLosses::*measure) {
  const std::vector<double>& own = losses.of(c.row).*measure;
  Draws out{std::vector<double>(own.size(), 0.0), 0};
  for (const std::uint32_t draw : c.draws)
    for (std::size_t i = 0; i < own.size(); ++i) out.mean[i] += (losses.of(draw).*measure)[i];
  for (double& m : out.mean) m /= static_cast<double>(c.draws.size());
  const auto total = [&](const std::vector<double>& of) {
    double sum = 0;
    for (std::size_t i = 0; i < of.size(); ++i)
      if (std::isfinite(own[i]) && std::isfinite(out.mean[i])) sum += of[i];
    return sum;
  };
  const bool any = std::any_of(out.mean.begin(), out.mean.end(), [](double m) { return std::isfinite(m); });
  if (!any) return out;
  const double mine = total(own);
  out.rank = 1;
  for (const std::uint32_t draw : c.draws) out.rank += total(losses.of(draw).*measure) <= mine ? 1 : 0;
  return out;
}

void settle(const Results& results, Losses& losses, Contest& c) {
  const BlockLosses& own = losses.of(c.row);
  const Draws loss = draws_of(losses, c, &BlockLosses::nll), kl = draws_of(losses, c, &BlockLosses::kl);
  c.loss = compare_losses(own.nll, loss.mean, own.tokens, losses.random(c.row));
  c.kl = compare_losses(own.kl, kl.mean, own.tokens, losses.random(c.row));
  const auto differences = [&](const std::vector<double>& mine, const std::vector<double>& mean) {
    BlockDifferences out{mine, own.tokens};
    for (std::size_t i = 0; i < mine.size(); ++i) out.nat[i] -= mean[i];
    return out;
  };
  c.loss_blocks = differences(own.nll, loss.mean);
  c.kl_blocks = differences(own.kl, kl.mean);
  c.loss_rank = c.loss.blocks > 0 ? loss.rank : 0;
  c.kl_rank = c.kl.blocks > 0 ? kl.rank : 0;
  c.bytes = results.value<std::int64_t>("bytes", c.row);
  c.least_bytes = std::numeric_limits<std::int64_t>::max();
  for (const std::uint32_t draw : c.draws) {
    const auto bytes = results.value<std::int64_t>("bytes", draw);
    c.least_bytes = std::min(c.least_bytes, bytes);
    c.most_bytes = std::max(c.most_bytes, bytes);
  }
}

void find_contests(const Results& results, Losses& losses, std::vector<Contest>& out) {
  const Plan& plan = results.plan;
  std::map<std::pair<std::uint32_t, std::string>, std::vector<std::uint32_t>> draws;
  std::vector<std::optional<RecipeParts>> parts;
  for (std::uint32_t r = 0; r < plan.rows.size(); ++r) {
    parts.push_back(schedule::recipe_parts(plan.rows[r].recipe));
    if (parts[r] && parts[r]->by == "random") draws[{plan.rows[r].model, parts[r]->frame()}].push_back(r);
  }
  for (std::uint32_t r = 0; r < plan.rows.size(); ++r) {
    if (!parts[r] || !(among(parts[r]->by, kSpectral) || among(parts[r]->by, kControls))) continue;
    const auto random = draws.find({plan.rows[r].model, parts[r]->frame()});
    if (random == draws.end()) continue;
    Contest& c = out.emplace_back();
    c.row = r;
    c.parts = *parts[r];
    c.draws = random->second;
    settle(results, losses, c);
  }
  std::vector<LossChange*> loss, kl;
  for (Contest& c : out) {
    loss.push_back(&c.loss);
    kl.push_back(&c.kl);
  }
  adjust(loss);
  adjust(kl);
}

void compare_rows(const Results& results, Losses& losses, SpectralStudy& study) {
  const Plan& plan = results.plan;
  // Each model's hybrids that take part in a contest, and what their rest is.
  std::map<std::uint32_t, std::optional<std::uint32_t>> rest;
  for (const Contest& c : study.contests) {
    const auto plain = row_of(plan, plan.rows[c.row].model, c.parts.rest);
    rest[c.row] = plain;
    for (const std::uint32_t draw : c.draws) rest[draw] = plain;
    if (plain && plan.rows[*plain].baseline != *plain) rest.emplace(*plain, std::nullopt);
  }
  std::vector<LossChange*> to_base, to_rest;
  for (const auto& [row, plain] : rest) {
    SpectralRow& out = study.rows.emplace_back();
    out.row = row;
    out.to_base = losses.against(row, plan.rows[row].baseline);
    out.to_rest = plain ? losses.against(row, *plain) : compare_losses({}, {}, {}, losses.random(row));
  }
  for (SpectralRow& row : study.rows) {
    to_base.push_back(&row.to_base);
    to_rest.push_back(&row.to_rest);
  }
  adjust(to_base);
  adjust(to_rest);
}

void find_sensitivities(const Results& results, Losses& losses, std::vector<Sensitivity>& out) {
  const Plan& plan = results.plan;
  for (std::uint32_t r = 0; r < plan.rows.size(); ++r) {
    const auto parts = schedule::recipe_parts(plan.rows[r].recipe);
    const std::uint32_t baseline = plan.rows[r].baseline;
    if (!parts || parts->of.empty() || parts->rest != plan.rows[baseline].recipe) continue;
    const BlockLosses& own = losses.of(r);
    const std::vector<double> zero(own.kl.size(), 0.0);
    out.push_back(
        {r, *parts, losses.against(r, baseline), compare_losses(own.kl, zero, own.tokens, losses.random(r))});
  }
  std::vector<LossChange*> loss;
  for (Sensitivity& s : out) loss.push_back(&s.loss);
  adjust(loss);
}

}  // namespace

bool Contest::spectral() const { return among(parts.by, kSpectral); }

bool Contest::equal_bytes() const {
  const double mean = (static_cast<double>(least_bytes) + static_cast<double>(most_bytes)) / 2;
  const auto near = [&](std::int64_t b) {
    return std::fabs(static_cast<double>(b) - mean) <= kEqualBytes * mean;
  };
  return bytes > 0 && least_bytes > 0 && near(bytes) && near(least_bytes) && near(most_bytes);
}

SpectralStudy spectral_study(const Results& results) {
  SpectralStudy study;
  Losses losses(results);
  find_contests(results, losses, study.contests);
  compare_rows(results, losses, study);
  find_sensitivities(results, losses, study.sensitivities);
  study.associations = find_associations(results, study.sensitivities);
  study.by_loss = spectral_records(study.contests, false, results.plan.job.seed);
  study.by_kl = spectral_records(study.contests, true, results.plan.job.seed);
  study.findings = spectral_findings(results, study);
  return study;
}

}  // namespace brinkmap::audit
