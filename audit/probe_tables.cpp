#include <fmt/core.h>

#include <algorithm>

#include "audit/evaluator_tables.h"
#include "audit/row_builder.h"
#include "audit/study.h"

namespace brinkmap::audit {
namespace {

using schedule::ExperimentKind;
using schedule::ExperimentSpec;
using schedule::Results;

constexpr std::size_t kSkills = schedule::kProbeSkillCount, kCited = 1, kDecision = 2;

// add(experiment, its index, row, blocks of the row's model)
template <class Add>
void each_probed(const Results& results, const Add& add) {
  const schedule::Plan& plan = results.plan;
  for (std::uint32_t index = 0; index < plan.job.experiments.size(); ++index)
    for (std::uint32_t r = 0;
         plan.job.experiments[index].kind == ExperimentKind::kLayerProbes && r < plan.rows.size(); ++r)
      add(plan.job.experiments[index], r, schedule::experiment_items(plan, index, r));
}

// What a skill is probed on: the evidence lines of all items, decisions the items themselves.
std::int64_t probed(const Results& results, const ExperimentSpec& e, std::size_t skill) {
  const schedule::Plan& plan = results.plan;
  const auto index = static_cast<std::uint32_t>(&e - plan.job.experiments.data());
  const schedule::SuiteFacts& facts = plan.facts.suites.at(schedule::suite_of(plan, index));
  if (skill == kDecision) return static_cast<std::int64_t>(facts.ids.size());
  std::int64_t lines = 0;
  for (const auto& item : facts.evidence) lines += static_cast<std::int64_t>(item.size());
  return lines;
}

void begin(RowBuilder& line, const Results& results, const ExperimentSpec& e, std::uint32_t r,
           std::size_t skill, Where where) {
  line.start();
  line.add("experiment", "", text_cell(e.id), Where::kFiles);
  line.add("row", "row", text_cell(results.plan.rows[r].label), where, true);
  line.add("skill", "skill", text_cell(schedule::kProbeSkills[skill]), where, true);
}

// Blocks shown of a model of `depth`: the first, the last, and as many between at equal distances.
std::vector<std::uint32_t> shown_blocks(std::uint32_t depth) {
  const std::uint32_t n = std::min(depth, kShownBlocks);
  std::vector<std::uint32_t> out;
  for (std::uint32_t i = 0; i < n; ++i)
    out.push_back(n == 1 ? 0 : (2 * i * (depth - 1) + n - 1) / (2 * (n - 1)));
  return out;
}

}  // namespace

Table probes_table(const Results& results) {
  Table table{"probes", "Layer probes", {}, {}, {}};
  RowBuilder line(table);
  each_probed(results, [&](const ExperimentSpec& e, std::uint32_t r, std::uint32_t) {
    for (std::size_t skill = 0; skill < kSkills; ++skill) {
      const auto number = [&](const char* what) { return results.at<double>(e.id + what, r)[skill]; };
      const std::uint8_t inverted = results.at<std::uint8_t>(e.id + "_inverted", r)[skill];
      begin(line, results, e, r, skill, Where::kBoth);
      line.add("n", "n", count_cell(probed(results, e, skill)));
      line.add("peak_block", "peak\nblock",
               count_cell(results.at<std::int32_t>(e.id + "_peak_block", r)[skill]));
      line.add("peak_depth", "of the\ndepth", number_cell(number("_peak_depth"), 2));
      line.add("peak", "right\nthere", number_cell(number("_peak"), 3));
      line.add("drop", "drop,\npoints", number_cell(number("_drop"), 1));
      line.add("largest_drop", "at one\nblock", number_cell(number("_largest_drop"), 1));
      line.add("inverted", "inverted",
               text_cell(inverted > 1    ? "-"
                         : inverted == 1 ? "yes"
                                         : "no"),
               Where::kBoth, true);
    }
  });
  table.notes = {
      "Held-out accuracy of L2 logistic regression on the states behind a block, five folds grouped by",
      "action; cited: AUC. drop: baseline's peak minus this one. inverted: the peak lies below 0.15 of the",
      "depth, the baseline's above 0.3. n: evidence lines, of `decision` items."};
  return table;
}

Table probe_blocks_table(const Results& results) {
  Table table{"probe_blocks", "Layer probes by block", {}, {}, {}};
  const std::vector<schedule::ModelFacts>& models = results.plan.facts.models;
  const bool one_depth =
      std::all_of(models.begin(), models.end(), [&](const auto& m) { return m.layers == models[0].layers; });
  std::size_t columns = 0;
  for (const schedule::ModelFacts& m : models)
    columns = std::max(columns, shown_blocks(static_cast<std::uint32_t>(m.layers)).size());
  RowBuilder line(table);
  each_probed(results, [&](const ExperimentSpec& e, std::uint32_t r, std::uint32_t depth) {
    const std::vector<std::uint32_t> blocks = shown_blocks(depth);
    for (std::size_t skill = 0; skill < kSkills; ++skill) {
      const auto values = results.at<double>(e.id + (skill == kCited ? "_auc" : "_accuracy"), r);
      begin(line, results, e, r, skill, Where::kText);
      for (std::size_t c = 0; c < columns; ++c)
        line.add(
            "block_" + std::to_string(c),
            one_depth && c < blocks.size() ? "L" + std::to_string(blocks[c]) : "#" + std::to_string(c + 1),
            c < blocks.size() ? number_cell(values[blocks[c] * kSkills + skill], 3) : Cell{"", {}},
            Where::kText);
    }
  });
  table.notes = {fmt::format(
      "Share right, cited: AUC, behind each block, or {} blocks at equal distances from the first to the\n"
      "last. The files have every block.",
      kShownBlocks)};
  return table;
}

Table probe_layers_table(const Results& results) {
  Table table{"probe_layers", "Layer probes by block, with every block", {}, {}, {}};
  RowBuilder line(table);
  each_probed(results, [&](const ExperimentSpec& e, std::uint32_t r, std::uint32_t depth) {
    const auto accuracy = results.at<double>(e.id + "_accuracy", r),
               auc = results.at<double>(e.id + "_auc", r);
    for (std::size_t skill = 0; skill < kSkills; ++skill)
      for (std::uint32_t b = 0; b < depth; ++b) {
        begin(line, results, e, r, skill, Where::kFiles);
        line.add("block", "", count_cell(b), Where::kFiles);
        line.add("accuracy", "", number_cell(accuracy[b * kSkills + skill], 3), Where::kFiles);
        line.add("auc", "", number_cell(auc[b * kSkills + skill], 3), Where::kFiles);
      }
  });
  table.notes = {
      "Held-out accuracy of each skill's probe on the states behind a block (0: the first); auc: of "
      "`cited`."};
  return table;
}

}  // namespace brinkmap::audit
