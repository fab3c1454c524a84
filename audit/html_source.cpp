#include "audit/html_source.h"

#include <fmt/core.h>

#include "audit/table_reader.h"
#include "audit/task_scores.h"

namespace brinkmap::audit {
namespace {

std::string outcome_of(Measure measure) {
  switch (measure) {
    case Measure::kRefusals:
    case Measure::kAnswers:
      return "_refusal";
    case Measure::kDecisions:
      return "_decision";
    case Measure::kTruthfulness:
    case Measure::kBias:
      return "_score";
    case Measure::kChoices:
      return "_correct";
    case Measure::kRougeL:
      return "_rouge_l";
    case Measure::kBertScore:
      return "_bertscore";
    case Measure::kCoherence:
      return "_coherence";
    case Measure::kPerplexity:
      return "_nll";
  }
  return "";
}

// Datasets behind the figures that tables pool or compute, by the beginning of the column's key.
struct Pool {
  const char* table;
  const char* key;
  const char* datasets;
};
constexpr Pool kPools[] = {
    {"rows", "harmful", "/*_harmful_refused"},
    {"rows", "benign", "/*_benign_refused"},
    {"rows", "decisions", "/*_confusion"},
    {"rows", "approvals", "/*_veto_to_approve"},
    {"deltas", "veto_to_approve", "/*_veto_to_approve"},
    {"rows", "verdict", "/verdict"},
    {"rows", "units", "/unit_status"},
    {"quality", "truthfulness", "/*_score_mean"},
    {"quality", "bias", "/*_score_mean"},
    {"quality", "choice_accuracy", "/*_accuracy"},
    {"quality", "bertscore", "/*_bertscore_mean"},
    {"quality", "rouge_l", "/*_rouge_l_mean"},
    {"quality", "coherence", "/*_coherence_mean"},
    {"quality", "repetition", "/*_repetition_mean"},
    {"quality", "perplexity", "/*_perplexity"},
    {"quality", "kl", "/*_kl_mean"},
    {"quality", "top1_agreement", "/*_top1_agreement"},
    {"failures", "ece", "/*_choice_log_prob"},
    {"failures", "disagree", "/*_correct"},
    {"failures", "unstable", "/*_ended"},
    {"failures", "not_finite", "/*_finite"},
    {"failures", "not_ended", "/*_ended"},
    {"failures", "repetitive", "/*_repetition"},
    {"plane", "refusal", "/*_refusal"},
    {"safety_quality", "harmful", "/*_refusal"},
    {"safety_quality", "bertscore", "/*_bertscore"},
    {"safety_quality", "rouge_l", "/*_rouge_l"},
    {"safety_quality", "choice_accuracy", "/*_correct"},
    {"safety_quality", "truthfulness", "/*_score"},
};

// Columns that name the row of the matrix, and the suite or experiment, that a line is about.
constexpr std::initializer_list<const char*> kRowKeys = {"row", "rows"};
constexpr std::initializer_list<const char*> kItemKeys = {"judge", "suite", "experiment", "item"};

std::string first_text(const TableReader& reader, std::size_t row, std::initializer_list<const char*> keys) {
  for (const char* key : keys)
    if (reader.has(key)) return reader.text(row, key);
  return "";
}

}  // namespace

Sources::Sources(const schedule::Results& results) : results_(results) {
  for (std::uint32_t r = 0; r < results.plan.rows.size(); ++r) rows_[results.plan.rows[r].label] = r;
  for (std::uint32_t r = 0; r < results.plan.rows.size(); ++r)
    if (results.plan.rows[r].baseline == r)
      baselines_[results.plan.job.models.at(results.plan.rows[r].model).id] = r;
  for (const Task& t : make_tasks(results.plan)) {
    of_tasks_[t.name] = results.plan.job.suites.at(t.suite).id + outcome_of(t.measure);
    if (t.measure == Measure::kRefusals || t.measure == Measure::kDecisions) safety_.insert(t.name);
  }
}

std::string Sources::template_of(std::string place, const std::string& row) {
  const std::string index = "[row=" + row + "]";
  if (!row.empty() && place.ends_with(index))
    place.replace(place.size() - index.size(), index.size(), "[row=#]");
  return place;
}

std::string Sources::task_template(const std::string& name) const {
  const auto variable = of_tasks_.find(name);
  return variable == of_tasks_.end() ? "" : "/" + variable->second + "[row=#]";
}

bool Sources::is_safety(const std::string& task) const { return safety_.contains(task); }

std::string Sources::at(const std::string& variable, const std::string& label) const {
  const auto row = rows_.find(label);
  return row == rows_.end() ? "" : fmt::format("/{}[row={}]", only(variable), row->second);
}

std::string Sources::only(const std::string& variable) const {
  if (!variable.starts_with('*')) return variable;
  std::string found;
  for (const schedule::Variable& v : results_.plan.variables)
    if (v.field.name.ends_with(variable.substr(1))) {
      if (!found.empty()) return variable;
      found = v.field.name;
    }
  return found.empty() ? variable : found;
}

std::string Sources::task(const std::string& name, const std::string& label) const {
  const auto variable = of_tasks_.find(name);
  return variable == of_tasks_.end() ? "" : at(variable->second, label);
}

bool Sources::has_row_value(const std::string& variable) const {
  const int v = schedule::find_variable(results_.plan, variable);
  return v >= 0 && results_.plan.variables[static_cast<std::size_t>(v)].shard_axis.empty();
}

std::string Sources::row(const Table& table, std::size_t line) const {
  const TableReader reader(table);
  if (table.id == "spectra") {  // of the model's baseline
    const auto at = baselines_.find(reader.text(line, "model"));
    return at == baselines_.end() ? "" : std::to_string(at->second);
  }
  const auto at = rows_.find(first_text(reader, line, kRowKeys));
  return at == rows_.end() ? "" : std::to_string(at->second);
}

std::string Sources::line(const Table& table, std::size_t row) const {
  const TableReader reader(table);
  if (table.id == "failed_units") return "/unit_reason[unit=" + reader.text(row, "unit") + "]";
  if (table.id == "breaks")
    return task(reader.text(row, "task"), reader.text(row, "model") + "/" + reader.text(row, "breaks_at"));
  const std::string label = first_text(reader, row, kRowKeys);
  if (table.id == "rows") return at("{column}", label);
  if (table.id == "paired_refusals") return at("*_refusal", label);
  if (reader.has("task")) return task(reader.text(row, "task"), label);
  if (reader.has("variable")) return at(reader.text(row, "variable"), label);
  const std::string item = first_text(reader, row, kItemKeys);
  if (item.empty()) return "";
  if (table.id.starts_with("judge") && !rows_.contains(label)) return "/" + item + "_label";  // of many rows
  for (const char* what :
       {"_label", "_refusal", "_vote_count", "_decision", "_score", "_correct", "_accuracy"})
    if (results_.has(item + what)) return at(item + what, label);
  return "";
}

std::string Sources::cell(const Table& table, std::size_t row, std::size_t column) const {
  const TableReader reader(table);
  const std::string& key = table.columns.at(column).key;
  if (table.id == "spectra") {
    const std::string variable = reader.text(row, "experiment") + "_" + key;
    return results_.has(variable) ? "/" + variable + "[row=" + this->row(table, row) + "]" : "";
  }
  const std::string label = first_text(reader, row, kRowKeys);
  if (label.empty() || key == "row") return "";
  const std::string item = first_text(reader, row, kItemKeys);
  if (table.id == "rows" && has_row_value(key)) return "";  // the line says it
  for (const std::string& variable : {key, item + "_" + key, item + "_harmful_" + key})
    if (has_row_value(variable)) return at(variable, label);
  if (table.id.ends_with("_layers") && results_.has(item + "_" + key)) return at(item + "_" + key, label);
  if (table.id == "plane" && key.starts_with("quality"))
    return at("*_" + reader.text(row, "quality_metric"), label);
  for (const Pool& pool : kPools)
    if ((table.id == pool.table || table.id == "deltas") && key.starts_with(pool.key))
      return at(pool.datasets + 1, label);
  return table.id == "rows" ? "/job_text" : "";
}

}  // namespace brinkmap::audit
