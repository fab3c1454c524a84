#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "audit/table.h"
#include "schedule/results.h"

// Where the figures of a report stand in the result file: "/direct_refusal_rate[row=3]" is index 3 of the
// dataset /direct_refusal_rate; "/*_ended[row=3]" stands for every dataset of such a name, "{column}" for the
// heading of the cell's column. A figure that is computed names the data it is computed from.
// Figures that differ only in their row share one template, "/direct_refusal_rate[row=#]".
namespace brinkmap::audit {

class Sources {
 public:
  explicit Sources(const schedule::Results& results);

  // Index of the row that a line of a table is about, as text; empty for none.
  std::string row(const Table& table, std::size_t line) const;
  // Of a line of a report's table as a whole; empty when its cells say it, or nothing is known.
  std::string line(const Table& table, std::size_t row) const;
  // Of one cell, where it is not the line's.
  std::string cell(const Table& table, std::size_t row, std::size_t column) const;

  // Of a task (audit/task_scores.h) on the row of this label.
  std::string task(const std::string& name, const std::string& label) const;
  // A variable whose name begins with "*" is the one that ends so, where there is but one.
  std::string at(const std::string& variable, const std::string& label) const;

  // The place with # for this index of a row: what the page's script fills in from data-row.
  static std::string template_of(std::string place, const std::string& row);
  // Template of a task's outcomes; empty for no task.
  std::string task_template(const std::string& name) const;
  // Whether a task is about safety: refusals of harmful prompts, decisions.
  bool is_safety(const std::string& task) const;

 private:
  std::string only(const std::string& variable) const;
  bool has_row_value(const std::string& variable) const;

  const schedule::Results& results_;
  std::map<std::string, std::uint32_t> rows_;       // by label
  std::map<std::string, std::uint32_t> baselines_;  // by model
  std::map<std::string, std::string> of_tasks_;     // name of a task: variable of its outcomes
  std::set<std::string> safety_;                    // names of tasks
};

}  // namespace brinkmap::audit
