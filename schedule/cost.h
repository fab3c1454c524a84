#pragma once

#include <cstdint>
#include <vector>

#include "schedule/job.h"
#include "schedule/plan.h"
#include "schedule/unit.h"

// Estimated work, in seconds on one core. Only ratios matter for balance; the absolute scale sets unit sizes
// and lease deadlines, so it need not be better than a factor of a few.
namespace brinkmap::schedule {

// Rates of one core, constants and never measured at run time, because unit boundaries follow from them. The
// defaults make the plan of jobs/first.yaml agree with what one Sapphire Rapids core takes for it (AVX-512
// VNNI, two busy ranks).
struct CostModel {
  double prompt_flops = 140e9;    // per second, products over many columns
  double decode_flops = 50e9;     // per second, one new column for each sequence of the batch
  double attention_flops = 50e9;  // per second
  double head_flops = 70e9;       // per second, training steps of small heads
  double prompt_seconds = 2e-4;   // per prompt: tokenizing, scoring, bookkeeping
  double head_seconds = 1e-2;     // per seed: set-up, evaluation
  double row_bytes = 200e6;       // parameters quantized per second when a rank takes up a row
  // Parameters times tokens of calibration text per second (METHODS-evaluator 2.3, 2.4 say what is computed).
  double gptq_rate = 16e9;
  double awq_rate = 11e9;
  double probe_flops = 4e9;    // per second, f64 products of layer probes
  int probe_evaluations = 60;  // of a fold until its gradient is small
  double state_bytes = 100e6;  // per second, stored states read and compared by mechanistic probes
  int evidence_epochs = 30;    // that an evidence head typically runs
  double decode_share = 0.5;   // of max_new_tokens that a typical answer uses
  double epoch_share = 0.5;    // of max_epochs that a typical head runs before patience ends it
  int choice_tokens = 24;      // tokens of the three scored labels of a decision item
  int letter_tokens = 2;       // fed to score a choice item's letters; most are read off the prompt's end
};

// Limits of unit sizes.
struct UnitLimits {
  double share = 0.05;    // of the job's cost, at most (one item is never split)
  double longest = 8.0;   // seconds, at most
  double shortest = 0.2;  // seconds, at least, unless the whole item of a row is smaller; wins over `share`
  int fewest_seeds = 5;   // of a head unit, unless that breaks `share`
  int most_seeds = 10;    // unless that breaks `shortest`
};

// Seconds for one prompt of a suite. `encoder_parameters`: of the job's encoder, for suites that need it.
double prompt_cost(const CostModel& model, const ModelFacts& facts, const SuiteSpec& suite,
                   std::uint32_t tokens, std::uint64_t encoder_parameters = 0);

// Seconds for one seed of an experiment on `train_items` items.
double seed_cost(const CostModel& model, const ModelFacts& facts, const ExperimentSpec& experiment,
                 std::uint64_t train_items);

// Seconds for one seed, block, prompt or repetition of an experiment on a model, by the experiment's kind.
double experiment_item_cost(const CostModel& model, const Plan& plan, std::uint32_t experiment,
                            std::size_t of_model);

// Seconds for one answer of a judge (judge_fields.cpp).
double judge_item_cost(const CostModel& model, const Plan& plan, std::uint32_t experiment,
                       std::size_t of_model);

// Seconds to take up a row: reading and quantizing the base, and calibrating it where the recipe does.
double row_cost(const CostModel& model, const Plan& plan, std::uint32_t row);

// Cuts prompts with these costs into contiguous shards of about equal cost. Returns the ends, ascending, the
// last is costs.size(); empty for no prompts. No shard above `cap` seconds unless it is one prompt; none
// below `floor` unless the whole is.
std::vector<std::uint32_t> cut_prompts(const std::vector<double>& costs, double cap, double floor);

// Seeds of one head unit. `share_seconds`: UnitLimits::share of the job's cost.
int seeds_per_unit(const UnitLimits& limits, double seconds_a_seed, double share_seconds);

}  // namespace brinkmap::schedule
