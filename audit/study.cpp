#include "audit/study.h"

#include <fmt/core.h>

#include <cmath>

#include "audit/row_totals.h"

namespace brinkmap::audit {

bool has_study(const schedule::Job& job) {
  using schedule::ExperimentKind;
  for (const schedule::ExperimentSpec& e : job.experiments)
    if (e.kind == ExperimentKind::kLayerProbes || e.kind == ExperimentKind::kEvidenceHead ||
        e.kind == ExperimentKind::kRerankedPrompts || e.kind == ExperimentKind::kSpeed || !e.against.empty())
      return true;
  return false;
}

Cell test_items_cell(const schedule::Results& results, const schedule::ExperimentSpec& e, std::uint32_t row) {
  std::int64_t n = 0;
  for (const std::int32_t count : results.at<std::int32_t>(e.id + "_cascade_confusion", row)) {
    if (count < 0) return count_cell(-1);
    n += count;
  }
  return marked_count(n);
}

Cell ratio_cell(std::int64_t k, std::int64_t n) {
  return k < 0 || n <= 0 ? Cell{"-", {}} : text_cell(fmt::format("{}/{}{}", k, n, few_mark(n)));
}

std::string points_text(double points) {
  const double rounded = std::round(10 * points) / 10;
  return rounded == 0 ? "0.0" : fmt::format("{:+.1f}", rounded);
}

Cell change_cell(double points, double low, double high) {
  if (std::isnan(points)) return {"-", {}};
  const bool known = !std::isnan(low) && !std::isnan(high);
  return text_cell(points_text(points) +
                   (known ? " (" + points_text(low) + ".." + points_text(high) + ")" : ""));
}

std::string feature(const schedule::Results& results, const schedule::ExperimentSpec& e, std::uint32_t row) {
  const schedule::Plan& plan = results.plan;
  const int depth = plan.facts.models.at(plan.rows.at(row).model).layers;
  return schedule::feature_name(e.method, schedule::resolve_layer(e.layer, depth), e.pooling) +
         (e.train_on == schedule::TrainOn::kBaseline ? " frozen" : "");
}

std::string layer_note(const schedule::Results& results, const schedule::ExperimentSpec& e) {
  int layer = -1;
  for (const schedule::ModelFacts& m : results.plan.facts.models) {
    const int here = schedule::resolve_layer(e.layer, m.layers);
    if (layer >= 0 && here != layer) return "";
    layer = here;
  }
  return layer < 0 ? "" : " L" + std::to_string(layer);
}

}  // namespace brinkmap::audit
