#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/thread_pool.h"
#include "schedule/job.h"
#include "schedule/unit.h"
#include "worker/suite.h"

// What one rank computes for one unit.
namespace brinkmap::worker {

// Everything a rank needs to turn units into results. Holds the mapped base models and the row used last, so
// units of the same row should follow each other. One thread calls run(); the pool's threads do the work.
class UnitRunner {
 public:
  // (model index, recipe) of Plan::rows, and its label, by which files of labels name it.
  struct Row {
    int model = 0;
    std::string recipe;
    std::string content = {};  // what its states follow from beside the prompt (schedule::row_content)
    std::string label = {};
  };

  // Reads the phrase lists of refusal suites; throws InputError. Suites that experiments read have passed
  // check_for_heads. Models are opened when a unit first needs them.
  // `judges`: of Facts, one an experiment; none where no experiment is a judge.
  UnitRunner(const schedule::Job& job, std::vector<Suite> suites, std::vector<Row> rows, int threads,
             std::vector<schedule::JudgeFacts> judges = {});
  ~UnitRunner();

  // Computes a unit. `fields`: the fields of the unit's item; slabs come back in that order and in their
  // types. `capture_layers`: for kPrompts, one block for every slot of the suite's layer axis, in any order,
  // repeats allowed; empty when no states are wanted. `inputs`: what the unit reads from the store
  // (schedule's unit_readings, in that order, which says what they are), states as f32. `tokens`: for
  // kPrompts, the states of single tokens that are kept. `width` is the model's. Never throws: an exception
  // becomes a failed result with its reason.
  schedule::UnitResult run(const schedule::Unit& unit, std::span<const schedule::Field> fields,
                           std::span<const int> capture_layers, std::span<const schedule::Slab> inputs,
                           int width, const schedule::TokenCapture& tokens = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace brinkmap::worker
