#pragma once

#include <functional>
#include <span>

#include "kernels/thread_pool.h"
#include "schedule/job.h"
#include "schedule/unit.h"
#include "worker/prompt.h"
#include "worker/run_prompts.h"
#include "worker/suite.h"
#include "worker/text_judge.h"
#include "worker/tokenizer.h"

// The units of experiments, by kind: from the blocks read from the store (schedule's unit_readings) to slabs.
// All throw Error when the inputs do not fit the unit.
namespace brinkmap::worker {

struct ExperimentUnit {
  const schedule::Job& job;
  const schedule::ExperimentSpec& spec;
  const Suite& suite;
  const schedule::Unit& unit;
  std::span<const schedule::Slab> inputs;
  std::int64_t width = 0;  // of the row's states
  kernels::ThreadPool& pool;
  schedule::SlabSet& slabs;
  std::string content = {};  // of the row, UnitRunner::Row

  // The values of a block that the unit read.
  template <class T>
  std::span<const T> input(std::size_t i) const {
    if (i >= inputs.size()) throw Error("the unit lacks its input " + std::to_string(i + 1));
    const std::vector<std::byte>& bytes = inputs[i].bytes;
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }

  // `spec` with the id that keys its random numbers: experiments that are compared with another draw the
  // same.
  schedule::ExperimentSpec keyed_spec() const;
};

// decision_heads: the features of the method, then seeds [begin, end).
void run_heads(const ExperimentUnit& u);

// layer_probes: blocks [begin, end), folds grouped by action group and the same for every row.
void run_probes(const ExperimentUnit& u);

// evidence_head: one head, trained on the lines of the train split; scores of every line.
void run_evidence(const ExperimentUnit& u);

// reranked_prompts: prompts [begin, end) with their lines by falling score. `run` keeps the states of one
// block.
void run_reranked(const ExperimentUnit& u, const Tokenizer& tokenizer, const PromptTemplate& around,
                  const RunRequests& run);

// mechanistic_probes: blocks [begin, end); u.suite has the prompts that should be refused, `harmless`, which
// may be the same suite, those that should be answered (run_mechanisms.cpp).
void run_mechanisms(const ExperimentUnit& u, const Suite& harmless);

// judge by a model: labels of the answers to prompts [begin, end), read from the store and decoded by the
// row's tokenizer. Error when they decode to another text than was hashed.
void run_judge(const ExperimentUnit& u, const Tokenizer& tokenizer, const LabelTexts& label);

// judge by a file: the labels of this row among its lines. InputError when one is of another answer's text.
void run_imported_labels(const ExperimentUnit& u, const std::string& row_label,
                         std::span<const schedule::OutsideLabel> lines);

// Seconds that a row or its baseline takes for the requests.
using TimeRequests = std::function<double(std::span<const Request>)>;

// speed: repetitions [begin, end), row and baseline in turn, after one of each that is not counted. Greedy
// tokens up to the suite's limit, whatever they are: the engines must know no end token.
void run_speed(const ExperimentUnit& u, const Tokenizer& tokenizer, const PromptTemplate& around,
               const TimeRequests& row, const TimeRequests& baseline);

}  // namespace brinkmap::worker
