#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "schedule/job.h"
#include "schedule/unit.h"

// What there is to do: rows, units, dependencies, the variables of the result file.
namespace brinkmap::schedule {

struct Row {
  std::uint32_t model = 0;  // index in Job::models
  std::string recipe;
  std::string label;           // "llama-1m/q4_k_m", unique
  std::uint32_t baseline = 0;  // index in Plan::rows of the model's baseline row
  // The recipe with its matrices selected and listed; `recipe` itself where it selects none.
  std::string resolved = {};
};

// A variable of the result file. Its full shape is [row] + [shard axis, when sharded] + field.inner.
struct Variable {
  Field field;
  std::string shard_axis;  // name of the prompt or seed axis; empty: one value set a row, written by the root
  std::uint64_t shard_size = 0;  // length of that axis
  UnitKind kind{};               // of the units that fill it (sharded variables only)
  std::uint32_t item = 0;        // index of the suite or experiment it belongs to
};

// Rows that a model may have, those of `each` written out.
inline constexpr std::size_t kMostRowsOfModel = 4096;

// Facts measured before planning, in job order. Everything expand() needs besides the job text.
struct Facts {
  std::vector<ModelFacts> models;
  std::vector<SuiteFacts> suites;
  ModelFacts encoder;              // of the job's encoder; sha256 is empty when it has none
  std::vector<JudgeFacts> judges;  // [experiment]; empty when none is a judge
  std::string calibration_sha256;  // of the job's calibration text; empty when it has none
  // [model] recipes of its rows; empty: those that the job names. They differ where a recipe of the job is
  // one row for each part of the model: expand() puts them into its job.
  std::vector<std::vector<std::string>> recipes;
  // [model][recipe of `recipes`] bytes of all tensors of the row; empty: not known (bytes and
  // bits_per_weight stay unset).
  std::vector<std::vector<std::uint64_t>> recipe_bytes;
  // The same for Row::resolved; empty: no recipe selects matrices.
  std::vector<std::vector<std::string>> resolved_recipes;
};

struct Plan {
  Job job;
  Facts facts;
  std::vector<Row> rows;
  std::vector<Unit> units;                        // id == index
  std::vector<std::vector<std::uint32_t>> needs;  // [unit] units that must be done before
  std::vector<Variable> variables;                // all, unit-filled first
  std::string job_hash;  // hex; over everything that decides a result: job values, file hashes (not paths),
                         // schema version
};

// Position of a variable in Plan::variables, or -1.
int find_variable(const Plan& plan, const std::string& name);

// All axes of a variable in the result file, with labels: row, the shard axis when there is one, the inner
// axes.
std::vector<Dimension> dimensions(const Plan& plan, const Variable& variable);

// Fields that the units of a suite (kPrompts) or experiment (kHeads) fill, in slab order. See
// schedule/fields.cpp for the names and meanings.
std::vector<Field> unit_fields(const Plan& plan, UnitKind kind, std::uint32_t item);

// Blocks captured for a suite on a row, for the slots of the suite's layer axis from the first (not sorted,
// may repeat; fewer than slots where the axis has a block of a deeper model); empty when no experiment reads
// the suite.
std::vector<int> capture_layers(const Plan& plan, std::uint32_t suite, std::uint32_t row);

// What the prompt units of a suite keep of single tokens on a row; nothing when no experiment asks.
TokenCapture token_capture(const Plan& plan, std::uint32_t suite, std::uint32_t row);

// Whether mechanistic probes read the suite.
bool reads_mechanisms(const Plan& plan, std::uint32_t suite);

// Whether the suite's units of other rows read what its units of the baseline stored.
bool reads_baseline(const SuiteSpec& suite);

// Whether an experiment reads the suite's evidence lines.
bool reads_evidence(const Job& job, const SuiteSpec& suite);

// The axis that an experiment's units share: its seeds, or the suite's prompts or the models' blocks, or
// repetitions, or the models' matrices. `size` is the whole axis; a row's units fill the first
// experiment_items of it, of spectra those of the baseline all and others none.
Dimension experiment_axis(const Plan& plan, std::uint32_t experiment);
std::uint32_t experiment_items(const Plan& plan, std::uint32_t experiment, std::uint32_t row);

// Index in Job::experiments of an id; throws Error when there is none.
std::uint32_t experiment_named(const Job& job, const std::string& id);

// Most evidence lines of an item of the suite.
std::uint64_t most_evidence(const SuiteFacts& facts);

// "dirsup", and "dirsup_L19_mean": what the states were made with, the block, the pooling.
const char* suppression_name(Suppression method);
std::string feature_name(Suppression method, int layer, Pooling pooling);

// A block of a variable that a unit reads from the store before it runs: one row of it, [offset, offset +
// count) of each further axis.
struct Reading {
  std::string variable;
  std::uint32_t row = 0;
  std::vector<std::uint64_t> offset, count;
};

// What a unit reads, in the order in which the worker takes it; the units in Plan::needs have written it.
//   kHeads, by the experiment's kind; n are the suite's items, w the model's width:
//     decision_heads: pooled states [n, 1, w]; methods that change tokens: also span means [n, spans, 1, w],
//       span offsets [n, spans + 1] i32, prompt tokens [n] i32, evidence scores [1, n, spans] f64; reorder:
//       also the re-ranked prompts' pooled states [n, w]. Trained on another row: the same of the baseline
//       behind.
//     layer_probes: span means [n, spans, blocks of the unit, w], last tokens [n, blocks of the unit, w].
//     evidence_head: span tokens [n, 1, tokens, w] and span offsets as above. reranked_prompts: evidence
//     scores [1, prompts of the unit, spans] f64. speed, spectra: nothing. mechanistic_probes: last tokens
//     [n, blocks of the unit, w] of `suite`, then of `harmless` where that is another one; the same of the
//     baseline behind, on a row that is not its baseline. States are in the type that the job keeps them in
//     (Job::states).
//     judge: finite [prompts of the unit] u8 and text hashes [prompts, 32] u8; a model also tokens [prompts,
//     positions] i32 and token counts [prompts] i32 of the answers.
//   kPrompts on a row that is not its baseline, of the same prompts on the baseline's row: of a perplexity
//   suite with top_k top_token, top_logit and log_sum_exp; of a refusal suite with baseline_tokens tokens and
//   token_count.
//   Others: nothing.
std::vector<Reading> unit_readings(const Plan& plan, const Unit& unit);

// "rouge_l", "bertscore", "coherence": what a metric's variables are called after.
std::string metric_name(Metric metric);

// Index in Job::suites of the suite that an experiment reads.
std::uint32_t suite_of(const Plan& plan, std::uint32_t experiment);
// Of mechanistic probes: the suite of the prompts that should be answered.
std::uint32_t harmless_suite_of(const Plan& plan, std::uint32_t experiment);

// Block of the job's encoder whose states are read.
int encoder_layer(const Plan& plan);

// Expands a job into rows, units and variables. Pure: the same job and facts give the same plan on every
// machine, and the plan does not depend on the number of ranks. job_hash stays empty. Throws InputError when
// job and facts do not fit: a layer that a model lacks, a suite without test items for its heads, variable
// names that clash.
Plan expand(Job job, Facts facts);

// Everything that the states of a prompt's tokens on a row follow from beside the tokens, as text, one item a
// line: hash of the weights, recipe, activations, and of the calibration where the job has one.
std::string row_content(const Plan& plan, std::uint32_t row);

// Everything that decides a result, as text, one item a line: job values except its name, hashes instead of
// paths, the units. The caller hashes it (Plan::job_hash) together with the store's schema version.
std::string canonical_job(const Plan& plan);

}  // namespace brinkmap::schedule
