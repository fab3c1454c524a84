#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "schedule/plan.h"

// The variables of the result file: one place that says what exists, its shape, unit and meaning. Internal to
// schedule; others read Plan::variables.
namespace brinkmap::schedule {

// All variables of a plan whose job, facts and rows are set, unit-filled first.
std::vector<Variable> make_variables(const Plan& plan);

// What the units of a suite (unit_fields.cpp) or an experiment (experiment_fields.cpp) fill, per entry of
// their axis.
std::vector<Field> suite_unit_fields(const Plan& plan, std::uint32_t suite);
std::vector<Field> experiment_unit_fields(const Plan& plan, std::uint32_t experiment);

// Those of a spectra experiment (spectra_fields.cpp), and the union of the models' matrices, its axis.
std::vector<Field> spectra_unit_fields(const std::string& id);
std::vector<Field> spectra_row_fields(const std::string& id);
std::vector<std::string> all_matrices(const Facts& facts);

// What the reduction fills, one value set a row (row_fields.cpp, experiment_fields.cpp).
std::vector<Field> suite_row_fields(const Plan& plan, std::uint32_t suite);
std::vector<Field> experiment_row_fields(const Plan& plan, std::uint32_t experiment);

// Mechanistic probes (mechanism_fields.cpp): what the prompts of a suite that they read leave for them, what
// their units and their reduction fill.
void add_mechanism_inputs(const Plan& plan, std::uint32_t suite, std::vector<Field>& out);
std::vector<Field> mechanism_unit_fields(const std::string& id);
std::vector<Field> mechanism_row_fields(const std::string& id);

// Approvals of VETO items against the baseline (approval_fields.cpp): of a decision suite's answers, and of
// the cascade of an experiment's heads. `p`: beginning of their names.
std::vector<Field> approval_fields(const std::string& p);
std::vector<Field> cascade_fields(const std::string& p);

// A field with the fill value of its type: 255, -1, 2^32 - 1 or NaN.
Field make_field(std::string name, DType dtype, std::vector<Dimension> inner, std::string units,
                 std::string long_name);
// Codes 0, 1, 2, ... with these meanings.
Field make_flags(std::string name, std::vector<Dimension> inner, std::string long_name,
                 std::vector<std::string> meanings);

// Of a judge (judge_fields.cpp).
std::vector<Field> judge_unit_fields(const ExperimentSpec& e);
std::vector<Field> judge_row_fields(const Plan& plan, std::uint32_t experiment);

// Axes that unit and row fields share.
Dimension class_axis();                                           // APPROVE, REVISE, VETO
Dimension test_axis(const Plan& plan, std::uint32_t experiment);  // the experiment's test items
Dimension validation_axis(const Plan& plan, std::uint32_t experiment);
Dimension skill_axis();  // of layer probes

Dimension block_axis(const Plan& plan);  // blocks of the deepest model

// Width of the widest model.
std::uint64_t widest(const Plan& plan);

// The same field, marked as too large to be loaded whole.
Field bulk(Field f);

// Hidden states, in the type that the job keeps them in; the last axis is the width.
Field make_state(const Plan& plan, std::string name, std::vector<Dimension> axes, std::string long_name);
// What says of a prompt's states whether they are there and what they follow from.
void add_state_records(const std::string& prefix, std::vector<Field>& out);

// Blocks whose pooled states a suite keeps: all of them where an experiment probes them, else the distinct
// `layer` keys of the decision heads that read it.
Dimension layer_axis(const Plan& plan, std::uint32_t suite);
// Whether the pooled states of a suite are read, and the means of its evidence lines.
bool keeps_pooled(const Plan& plan, std::uint32_t suite, Pooling pooling);
bool keeps_span_means(const Plan& plan, std::uint32_t suite);
// Distinct `layer` keys of the evidence heads on a suite: the slots of its tokens.
std::vector<int> token_slots(const Plan& plan, std::uint32_t suite);

}  // namespace brinkmap::schedule
