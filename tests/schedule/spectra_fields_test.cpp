#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schedule/recipe_parts.h"
#include "tests/schedule/sample.h"

namespace brinkmap::schedule {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string with_spectra(const std::string& more = "") {
  std::string text = sample::kJob;
  const std::string from = "experiments:\n";
  return text.replace(text.find(from), from.size(), from + "  - {id: spectra, kind: spectra" + more + "}\n");
}

std::string error_of(const std::string& text) {
  try {
    parse_job(text, "jobs/x.yaml");
  } catch (const InputError& e) {
    return e.what();
  }
  return "no error";
}

Facts facts_with_matrices() {
  Facts facts = sample::facts();
  for (const char* name : {"blk.0.attn_q", "blk.0.ffn_up", "blk.2.attn_q", "blk.10.attn_q"})
    facts.models[0].matrices.push_back({name, 64, 128});
  return facts;
}

TEST(SpectraExperiment, HasUnitsOfMatricesOnTheBaselineOnly) {
  const Plan plan = expand(parse_job(with_spectra(), "jobs/x.yaml"), facts_with_matrices());
  const Dimension axis = experiment_axis(plan, 0);
  EXPECT_EQ(axis.name, "spectra_matrix");
  EXPECT_THAT(axis.labels, ElementsAre("blk.0.attn_q", "blk.0.ffn_up", "blk.2.attn_q", "blk.10.attn_q"))
      << "by number of the block";
  std::uint32_t covered = 0;
  for (const Unit& u : plan.units) {
    if (u.kind != UnitKind::kHeads || u.item != 0) continue;
    EXPECT_EQ(u.row, plan.rows[u.row].baseline);
    EXPECT_EQ(u.begin, covered);
    covered = u.end;
    EXPECT_TRUE(plan.needs[u.id].empty());
    EXPECT_TRUE(unit_readings(plan, u).empty());
  }
  EXPECT_EQ(covered, 4u);
  const int at = find_variable(plan, "spectra_histogram");
  ASSERT_GE(at, 0);
  const std::vector<Dimension> dims = dimensions(plan, plan.variables[static_cast<std::size_t>(at)]);
  ASSERT_EQ(dims.size(), 3u);
  EXPECT_EQ(dims[1].labels, axis.labels);
  EXPECT_EQ(dims[2].size, 40u);
}

TEST(SpectraExperiment, OfTwoModelsCoversTheMatricesOfBoth) {
  Facts facts = facts_with_matrices();
  facts.models.push_back(facts.models[0]);
  facts.models[1].matrices = {{"blk.1.attn_q", 8, 8}};
  facts.suites.clear();
  for (const auto kind : {SuiteKind::kRefusal, SuiteKind::kDecision, SuiteKind::kPerplexity})
    facts.suites.push_back(sample::suite_facts(kind, 24, 30, 2));
  facts.recipe_bytes.clear();
  Job job = parse_job(with_spectra(), "jobs/x.yaml");
  job.models.push_back(job.models[0]);
  job.models[1].id = "other";
  EXPECT_THAT(expand(job, facts).job.experiments[0].matrices,
              ElementsAre("blk.0.attn_q", "blk.0.ffn_up", "blk.1.attn_q", "blk.2.attn_q", "blk.10.attn_q"));
}

TEST(SpectraExperiment, WantsMatricesAndNoSuite) {
  EXPECT_THROW(expand(parse_job(with_spectra(), "jobs/x.yaml"), sample::facts()), InputError);
  EXPECT_THAT(error_of(with_spectra(", suite: text")), AllOf(HasSubstr("suite"), HasSubstr("means nothing")));
  EXPECT_THAT(error_of(with_spectra(", seeds: 3")), HasSubstr("means nothing"));
  std::string text = sample::kJob;
  text.replace(text.find("suite: decisions, seeds"), 23, "seeds");
  EXPECT_THAT(error_of(text), HasSubstr("key 'suite' is missing"));
}

TEST(RecipePartsOf, AHybridAreWhatItsStringSays) {
  const auto alpha = recipe_parts("nf4+bf16(alpha,top,25%)");
  ASSERT_TRUE(alpha);
  EXPECT_EQ(alpha->rest, "nf4");
  EXPECT_EQ(alpha->keep, "bf16");
  EXPECT_EQ(alpha->by, "alpha");
  EXPECT_EQ(alpha->side, "top");
  EXPECT_EQ(alpha->amount, "25%");
  EXPECT_EQ(alpha->frame(), recipe_parts("nf4+bf16(random,25%,draw3)")->frame());
  EXPECT_NE(alpha->frame(), recipe_parts("nf4+bf16(random,25%,model,draw3)")->frame());
  EXPECT_EQ(recipe_parts("bf16+nf4(list,blk.0.attn_q)")->of, "blk.0.attn_q");
  EXPECT_EQ(recipe_parts("bf16+nf4(list,a,b)")->of, "");
  EXPECT_EQ(recipe_parts("bf16+nf4(type,attn_q)")->of, "attn_q");
  for (const char* other : {"", "bf16", "a+b", "a(b+c)", "a+b(list,c)+d(list,e)", "a+b(", "a+b)(", ")+("})
    EXPECT_FALSE(recipe_parts(other)) << other;
}

}  // namespace
}  // namespace brinkmap::schedule
