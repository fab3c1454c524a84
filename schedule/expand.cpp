#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "schedule/cost.h"
#include "schedule/fields.h"
#include "schedule/plan.h"
#include "schedule/recipe_text.h"

namespace brinkmap::schedule {
namespace {

constexpr std::size_t kMostItems = 10'000'000;  // prompts of one suite
constexpr std::size_t kMostMatrices = 100'000;  // of one model
constexpr int kMostLayers = 10'000;             // the same
constexpr std::size_t kMostEvidence = 250;      // lines of one prompt; their order is kept in bytes

// Number of answers an item of the kind can have; 0: its items have no expected answer.
int answers_of(const SuiteSpec& suite, const SuiteFacts& facts, std::size_t item) {
  switch (suite.kind) {
    case SuiteKind::kRefusal:
      return 2;
    case SuiteKind::kDecision:
      return kDecisionClasses;
    case SuiteKind::kBias:
      return kBiasChoices;
    case SuiteKind::kChoice:
      return facts.choices[item];
    case SuiteKind::kPerplexity:
    case SuiteKind::kTruthfulness:
    case SuiteKind::kQuality:
      return 0;
  }
  return 0;
}

void check_labels(const SuiteSpec& suite, const SuiteFacts& facts) {
  const std::size_t n = facts.ids.size();
  const bool choice = suite.kind == SuiteKind::kChoice;
  if (facts.choices.size() != (choice ? n : 0))
    throw Error(suite.file + ": facts hold another number of choices");
  for (const std::uint8_t choices : facts.choices)
    if (choices < 2 || choices > kMostChoices) throw Error(suite.file + ": facts hold an impossible choice");
  if (facts.expected.size() != (answers_of(suite, facts, 0) > 0 ? n : 0))
    throw Error(suite.file + ": facts hold another number of labels");
  for (std::size_t i = 0; i < facts.expected.size(); ++i)
    if (facts.expected[i] >= answers_of(suite, facts, i))
      throw Error(suite.file + ": facts hold an unknown label");
}

void check_evidence(const Job& job, std::size_t s, const SuiteFacts& facts) {
  const std::string& file = job.suites[s].file;
  const bool wanted = reads_evidence(job, job.suites[s]);
  if (facts.evidence.size() != (wanted ? facts.ids.size() : 0) ||
      facts.span_tokens.size() != (wanted ? job.models.size() : 0))
    throw Error(file + ": facts hold another number of evidence lines or spans");
  for (const std::vector<Evidence>& lines : facts.evidence) {
    if (lines.empty() || lines.size() > kMostEvidence)
      throw Error(file + ": facts hold an impossible number of evidence lines");
    for (const Evidence& line : lines)
      if (line.label >= kEvidenceClasses || line.cited > 1)
        throw Error(file + ": facts hold an unknown evidence label");
  }
}

void check_encoder(const Plan& plan) {
  const EncoderSpec& encoder = plan.job.encoder;
  if (encoder.path.empty()) return;
  const int layers = plan.facts.encoder.layers;
  if (layers < 1 || plan.facts.encoder.width < 1)
    throw InputError(encoder.path, "", "expected a model with layers and width, found none");
  if (encoder.layer >= layers)
    throw InputError(plan.job.path, "encoder.layer",
                     "expected a block of the encoder, 0.." + std::to_string(layers - 1) + ", found " +
                         std::to_string(encoder.layer));
}

void check_facts(const Plan& plan) {
  const Job& job = plan.job;
  const Facts& facts = plan.facts;
  if (facts.models.size() != job.models.size() || facts.suites.size() != job.suites.size())
    throw Error("facts do not fit the job: another number of models or suites");
  for (std::size_t m = 0; m < job.models.size(); ++m) {
    const ModelFacts& f = facts.models[m];
    if (f.layers < 1 || f.width < 1 || f.parameters == 0)
      throw InputError(job.models[m].path, "",
                       "expected a model with layers, width and parameters, found none");
    if (f.layers > kMostLayers)
      throw InputError(
          job.models[m].path, "",
          "expected at most " + std::to_string(kMostLayers) + " layers, found " + std::to_string(f.layers));
    for (const MatrixFacts& matrix : f.matrices)
      if (matrix.rows < 1 || matrix.cols < 1 || f.matrices.size() > kMostMatrices)
        throw Error("facts of " + job.models[m].id + " hold impossible matrices");
  }
  if (!facts.recipe_bytes.empty()) {
    if (facts.recipe_bytes.size() != job.models.size())
      throw Error("recipe_bytes do not fit the job's models");
    for (std::size_t m = 0; m < job.models.size(); ++m)
      if (facts.recipe_bytes[m].size() != job.models[m].recipes.size())
        throw Error("recipe_bytes do not fit the recipes of " + job.models[m].id);
  }
  if (!facts.resolved_recipes.empty()) {
    if (facts.resolved_recipes.size() != job.models.size())
      throw Error("resolved_recipes do not fit the job's models");
    for (std::size_t m = 0; m < job.models.size(); ++m)
      if (facts.resolved_recipes[m].size() != job.models[m].recipes.size())
        throw Error("resolved_recipes do not fit the recipes of " + job.models[m].id);
  }
  for (std::size_t s = 0; s < job.suites.size(); ++s) {
    const SuiteFacts& f = facts.suites[s];
    const std::size_t n = f.ids.size();
    const std::string& file = job.suites[s].file;
    if (n == 0 || n > kMostItems)
      throw InputError(file, "",
                       "expected 1.." + std::to_string(kMostItems) + " items, found " + std::to_string(n));
    check_labels(job.suites[s], f);
    if (job.suites[s].kind == SuiteKind::kDecision && f.splits.size() != n)
      throw Error(file + ": facts hold another number of splits");
    if (!f.groups.empty() && f.groups.size() != n)
      throw Error(file + ": facts hold another number of groups");
    if (!f.variants.empty() && f.variants.size() != n)
      throw Error(file + ": facts hold another number of variants");
    for (std::size_t m = 0; m < job.models.size(); ++m)
      if (job.suites[s].top_k > facts.models[m].vocab)
        throw InputError(job.path, "suites[" + std::to_string(s) + "].top_k",
                         "expected at most the vocabulary of " + job.models[m].id + ", " +
                             std::to_string(facts.models[m].vocab) + ", found " +
                             std::to_string(job.suites[s].top_k));
    check_evidence(job, s, f);
    if (f.tokens.size() != job.models.size()) throw Error(file + ": facts lack token counts of a model");
    for (const auto& tokens : f.tokens)
      if (tokens.size() != n) throw Error(file + ": facts hold another number of token counts");
  }
}

// Mechanistic probes compare prompts that should be refused with prompts that should be answered.
void check_mechanisms(const Plan& plan, std::uint32_t e) {
  for (const auto& [suite, label, word] :
       {std::tuple{suite_of(plan, e), std::uint8_t{1}, "refuse"},
        std::tuple{harmless_suite_of(plan, e), std::uint8_t{0}, "answer"}}) {
    const std::vector<std::uint8_t>& expected = plan.facts.suites[suite].expected;
    if (std::find(expected.begin(), expected.end(), label) == expected.end())
      throw InputError(
          plan.job.suites[suite].file, "expect",
          "experiment " + plan.job.experiments[e].id + " needs items with expect '" + word + "', found none");
  }
}

void check_experiments(const Plan& plan) {
  for (std::uint32_t e = 0; e < plan.job.experiments.size(); ++e) {
    const ExperimentSpec& spec = plan.job.experiments[e];
    for (std::size_t m = 0; m < plan.job.models.size(); ++m)
      if (spec.layer >= plan.facts.models[m].layers)
        throw InputError(plan.job.path, "experiments[" + std::to_string(e) + "].layer",
                         "expected a block of every model, found " + std::to_string(spec.layer) + "; " +
                             plan.job.models[m].id + " has blocks 0.." +
                             std::to_string(plan.facts.models[m].layers - 1));
    if (spec.kind == ExperimentKind::kMechanisms) check_mechanisms(plan, e);
    if (spec.kind == ExperimentKind::kSpectra && spec.matrices.empty())
      throw InputError(plan.job.path, "experiments[" + std::to_string(e) + "]",
                       "expected a model with matrices in its blocks, found none");
    if (!reads_decisions(spec.kind)) continue;
    const std::uint32_t suite = suite_of(plan, e);
    const std::vector<Split>& splits = plan.facts.suites[suite].splits;
    for (const auto& [split, name] :
         {std::pair{Split::kTrain, "train"}, std::pair{Split::kValidation, "validation"},
          std::pair{Split::kTest, "test"}})
      if (std::find(splits.begin(), splits.end(), split) == splits.end())
        throw InputError(plan.job.suites[suite].file, "split",
                         "experiment " + spec.id + " needs items of split '" + name + "', found none");
  }
}

// The job's recipes become those of the rows.
void take_recipes(Plan& plan) {
  std::vector<std::vector<std::string>>& recipes = plan.facts.recipes;
  if (!recipes.empty() && recipes.size() != plan.job.models.size())
    throw Error("recipes do not fit the job's models");
  for (std::size_t m = 0; m < recipes.size(); ++m) {
    if (recipes[m].size() > kMostRowsOfModel ||
        std::set(recipes[m].begin(), recipes[m].end()).size() != recipes[m].size())
      throw Error("facts hold too many recipes or one twice");
    plan.job.models[m].recipes = recipes[m];
  }
}

void check_judges(const Plan& plan) {
  const std::vector<JudgeFacts>& judges = plan.facts.judges;
  for (std::size_t e = 0; e < plan.job.experiments.size(); ++e) {
    const ExperimentSpec& spec = plan.job.experiments[e];
    if (spec.kind != ExperimentKind::kJudge) continue;
    if (judges.size() != plan.job.experiments.size() ||
        judges[e].model.sha256.empty() != spec.judge.model.empty())
      throw Error("facts do not fit the job's judges");
  }
}

void make_rows(Plan& plan) {
  for (std::uint32_t m = 0; m < plan.job.models.size(); ++m) {
    const ModelSpec& model = plan.job.models[m];
    const auto first = static_cast<std::uint32_t>(plan.rows.size());
    const auto at = std::find(model.recipes.begin(), model.recipes.end(), model.baseline);
    if (at == model.recipes.end()) throw Error("baseline of " + model.id + " is not among its recipes");
    for (std::size_t r = 0; r < model.recipes.size(); ++r) {
      const std::string& recipe = model.recipes[r];
      const auto& resolved = plan.facts.resolved_recipes;
      plan.rows.push_back({m, recipe, model.id + "/" + recipe_label(recipe),
                           first + static_cast<std::uint32_t>(at - model.recipes.begin()),
                           resolved.empty() ? recipe : resolved[m][r]});
    }
  }
}

// Costs of everything on one model's rows.
struct ModelCosts {
  std::vector<std::vector<double>> prompts;  // [suite][line]
  std::vector<double> items;                 // [experiment] seconds a seed, block, prompt or repetition
  double total = 0;                          // of one row
};

ModelCosts model_costs(const Plan& plan, std::size_t m) {
  const CostModel model;
  const std::uint64_t encoder = plan.facts.encoder.parameters;
  ModelCosts out;
  for (std::size_t s = 0; s < plan.job.suites.size(); ++s) {
    out.prompts.emplace_back();
    for (const std::uint32_t tokens : plan.facts.suites[s].tokens[m]) {
      out.prompts.back().push_back(
          prompt_cost(model, plan.facts.models[m], plan.job.suites[s], tokens, encoder));
      out.total += out.prompts.back().back();
    }
  }
  for (std::uint32_t e = 0; e < plan.job.experiments.size(); ++e) {
    out.items.push_back(experiment_item_cost(model, plan, e, m));
    out.total += out.items.back() * static_cast<double>(experiment_axis(plan, e).size);
  }
  return out;
}

// The units of one row; every row of a model is cut alike, so that rows stay comparable shard by shard.
class RowUnits {
 public:
  RowUnits(Plan& plan, std::uint32_t row, const ModelCosts& costs, double share_seconds)
      : plan_(plan), row_(row), costs_(costs), share_seconds_(share_seconds) {}

  void add() {
    const UnitLimits limits;
    const double cap = std::max(limits.shortest, std::min(limits.longest, share_seconds_));
    for (std::uint32_t s = 0; s < plan_.job.suites.size(); ++s) {
      std::uint32_t begin = 0;
      for (const std::uint32_t end : cut_prompts(costs_.prompts[s], cap, limits.shortest)) {
        double cost = 0;
        for (std::uint32_t i = begin; i < end; ++i) cost += costs_.prompts[s][i];
        push({0, UnitKind::kPrompts, row_, s, begin, end, cost});
        begin = end;
      }
    }
    for (std::uint32_t e = 0; e < plan_.job.experiments.size(); ++e) add_experiment(limits, e);
  }

 private:
  void add_experiment(const UnitLimits& limits, std::uint32_t e) {
    const std::uint32_t items = experiment_items(plan_, e, row_);
    if (items == 0) return;
    const ExperimentKind kind = plan_.job.experiments[e].kind;
    const bool whole = kind == ExperimentKind::kSpeed;  // repetitions are compared with each other
    UnitLimits own = limits;
    // Seeds go out in leases of fewest_seeds to most_seeds however quick they are.
    if (kind == ExperimentKind::kDecisionHeads) own.shortest = 0;
    if (kind == ExperimentKind::kLayerProbes || kind == ExperimentKind::kMechanisms) own.fewest_seeds = 1;
    if (kind == ExperimentKind::kRerankedPrompts) own.most_seeds = 10000;
    if (kind == ExperimentKind::kSpectra) own.fewest_seeds = 1;
    if (kind == ExperimentKind::kJudge) {
      own.fewest_seeds = 1;
      own.most_seeds = 10000;
    }
    const auto size =
        whole ? items : static_cast<std::uint32_t>(seeds_per_unit(own, costs_.items[e], share_seconds_));
    // Equal ranges rather than full ones and a rest.
    const std::uint32_t units = std::max(1U, (items + size - 1) / size);
    for (std::uint32_t u = 0; u < units; ++u) {
      const auto begin = static_cast<std::uint32_t>(std::uint64_t{items} * u / units);
      const auto end = static_cast<std::uint32_t>(std::uint64_t{items} * (u + 1) / units);
      push({0, UnitKind::kHeads, row_, e, begin, end, costs_.items[e] * (end - begin)});
    }
  }

  void push(Unit unit) {
    unit.id = static_cast<std::uint32_t>(plan_.units.size());
    plan_.units.push_back(unit);
  }

  Plan& plan_;
  std::uint32_t row_;
  const ModelCosts& costs_;
  double share_seconds_;
};

// What each unit waits for: experiments for the states of their suite and for the experiment they read, units
// that compare logits with the baseline's for the baseline's unit of the same prompts.
void add_needs(Plan& plan) {
  std::map<std::tuple<std::uint32_t, UnitKind, std::uint32_t>, std::vector<std::uint32_t>>
      units;  // of row, kind, item
  for (const Unit& u : plan.units) units[{u.row, u.kind, u.item}].push_back(u.id);
  plan.needs.assign(plan.units.size(), {});
  for (const Unit& u : plan.units) {
    std::vector<std::uint32_t>& needs = plan.needs[u.id];
    const std::uint32_t baseline = plan.rows[u.row].baseline;
    if (u.kind == UnitKind::kPrompts) {
      if (!reads_baseline(plan.job.suites[u.item]) || u.row == baseline) continue;
      for (const std::uint32_t other : units.at({baseline, UnitKind::kPrompts, u.item}))
        if (plan.units[other].begin == u.begin) needs.push_back(other);
      continue;
    }
    const ExperimentSpec& e = plan.job.experiments[u.item];
    if (e.kind == ExperimentKind::kSpeed || e.kind == ExperimentKind::kSpectra) continue;
    std::vector<std::uint32_t> rows{u.row};
    const bool compares = e.train_on == TrainOn::kBaseline || e.kind == ExperimentKind::kMechanisms;
    if (compares && u.row != baseline) rows.push_back(baseline);
    for (const std::uint32_t row : rows) {
      const auto wait = [&](UnitKind kind, std::uint32_t item) {
        const std::vector<std::uint32_t>& all = units.at({row, kind, item});
        needs.insert(needs.end(), all.begin(), all.end());
      };
      wait(UnitKind::kPrompts, suite_of(plan, u.item));
      if (e.kind == ExperimentKind::kMechanisms && e.harmless != e.suite)
        wait(UnitKind::kPrompts, harmless_suite_of(plan, u.item));
      if (!e.reads.empty()) wait(UnitKind::kHeads, experiment_named(plan.job, e.reads));
    }
  }
}

void check_names(const Plan& plan) {
  std::set<std::string> names;
  for (const Variable& v : plan.variables)
    if (!names.insert(v.field.name).second)
      throw InputError(plan.job.path, "",
                       "two variables would be called '" + v.field.name + "': rename a suite or experiment");
}

}  // namespace

Plan expand(Job job, Facts facts) {
  Plan plan;
  plan.job = std::move(job);
  plan.facts = std::move(facts);
  take_recipes(plan);
  check_facts(plan);
  check_encoder(plan);
  check_judges(plan);
  make_rows(plan);
  for (ExperimentSpec& e : plan.job.experiments)
    if (e.kind == ExperimentKind::kSpectra) e.matrices = all_matrices(plan.facts);
  check_experiments(plan);
  std::vector<ModelCosts> costs;
  double total = 0;
  for (std::size_t m = 0; m < plan.job.models.size(); ++m) {
    costs.push_back(model_costs(plan, m));
    total += costs.back().total * static_cast<double>(plan.job.models[m].recipes.size());
  }
  const double share_seconds = UnitLimits{}.share * total;
  for (std::uint32_t r = 0; r < plan.rows.size(); ++r)
    RowUnits(plan, r, costs[plan.rows[r].model], share_seconds).add();
  add_needs(plan);
  plan.variables = make_variables(plan);
  check_names(plan);
  return plan;
}

}  // namespace brinkmap::schedule
