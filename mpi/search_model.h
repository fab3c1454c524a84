#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "audit/search_report.h"
#include "schedule/allocate.h"
#include "schedule/job.h"
#include "schedule/results.h"
#include "worker/search_pieces.h"

namespace brinkmap::mpi {

// One model's part of a search: which recipes a stage measures, and what follows from the results. A pure
// function of the job, the model's tensors and the results.
class ModelSearch {
 public:
  // Reads the model's tensors, not their data. Throws InputError when a format cannot be mixed, or when the
  // budget is below what every piece takes in its smallest format.
  ModelSearch(const schedule::Job& job, std::size_t model);

  // Rows "one piece in one format, the rest the baseline's", the baseline's first.
  std::vector<std::string> sensitivity_rows() const;
  // Throws InputError (naming the file) when the baseline's own damage cannot be measured.
  void take_sensitivities(const schedule::Results& results, const std::string& file);

  // Recipes of the next round, the baseline's first; only that one when the search of this model is over.
  std::vector<std::string> round_rows(int round);
  void take_round(const schedule::Results& results);

  // Recipes that the held-out items judge; only the baseline's when none passes so far.
  std::vector<std::string> verdict_rows();
  void take_verdict(const schedule::Results& results);

  // Whether data that a verdict needs are missing.
  bool undecided() const { return undecided_; }
  const audit::SearchResult& result() const { return result_; }
  audit::SearchResult& result() { return result_; }
  // The pick as a file for `quantize --to`.
  std::string pick_yaml() const;

 private:
  using Choice = std::vector<std::uint32_t>;  // [piece] index into offered_
  struct Mixture {
    std::string recipe, label;
    double predicted = 0;
    Choice choice;
    bool near = false;  // made from a recipe that passes, not for a budget
  };
  Mixture mixture(const Choice& choice) const;
  // Mixtures next to the smallest recipe that passes, where its pieces' formats are known.
  std::vector<Mixture> next_to_pass() const;
  std::optional<Choice> choice_of(const std::string& recipe) const;
  std::vector<std::uint64_t> budgets_of(int round) const;
  std::uint32_t row_of(const schedule::Results& results, const std::string& recipe) const;
  void count_vetoes(const schedule::Results& results, std::uint32_t row);
  std::uint64_t budget() const;  // of the whole model

  const schedule::Job& job_;
  std::size_t model_;
  const schedule::ModelSpec& spec_;
  std::vector<std::string> own_;      // the job's own recipes, `each` written out
  std::vector<std::string> formats_;  // the baseline's last
  worker::SearchPieces cut_;
  std::vector<std::vector<std::uint32_t>> offered_;          // [piece] formats whose damage is known
  std::vector<std::vector<schedule::PieceChoice>> choices_;  // [piece], as offered_
  std::optional<schedule::Frontier> frontier_;
  std::map<std::string, Choice> made_;  // mixtures judged so far, by recipe
  std::vector<Mixture> asked_;          // mixtures of the round under way
  std::vector<std::size_t> order_;      // rows that the held-out items judge
  bool undecided_ = false;
  audit::SearchResult result_;
};

}  // namespace brinkmap::mpi
