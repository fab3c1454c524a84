#include "audit/spectral_study.h"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "audit/keyed_random.h"
#include "audit/reduce.h"
#include "audit/reduce_suite.h"
#include "audit/report.h"
#include "tests/audit/ladder_results.h"

namespace brinkmap::audit {
namespace {

using schedule::Results;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr std::uint32_t kBlocks = 40;
constexpr int kMatrices = 12;  // two types in six blocks

std::string matrix_name(int m) {
  return "blk." + std::to_string(m / 2) + (m % 2 == 0 ? ".attn_q" : ".ffn_up");
}

std::string job_text() {
  std::string recipes = "bf16, nf4";
  for (const char* share : {"10%", "25%", "52%"}) {
    for (const char* way : {"alpha,top", "slope,bottom", "kurtosis,top"})
      recipes += ", \"nf4+bf16(" + std::string(way) + "," + share + ")\"";
    for (int draw = 0; draw < 5; ++draw)
      recipes += ", \"nf4+bf16(random," + std::string(share) + ",draw" + std::to_string(draw) + ")\"";
  }
  for (int m = 0; m < kMatrices; ++m) recipes += ", \"bf16+nf4(list," + matrix_name(m) + ")\"";
  std::string text = "name: planted\nseed: 3\nmodels:\n";
  for (const char* id : {"one", "two"})
    text += "  - {id: " + std::string(id) +
            ", path: a.gguf, template: \"{prompt}\", baseline: bf16, recipes: [" + recipes + "]}\n";
  return text +
         "suites:\n  - {id: text, file: text.jsonl, kind: perplexity, top_k: 4}\n"
         "experiments:\n  - {id: spectra, kind: spectra}\n";
}

// Nat a token that a row loses, and that the matrix m's figure alpha says.
struct Planted {
  double alpha = 0, slope = 0, random = 0.10;
  bool alpha_tells_sensitivity = false;
};

// Uniform in -0.5..0.5.
double noise(std::uint32_t row, std::uint32_t block) {
  return static_cast<double>(KeyedRandom(row, "noise").bits(block) >> 11) * 0x1p-53 - 0.5;
}

double cost_of(int m) { return 0.001 * (1 + (m * 5) % kMatrices); }

double effect_of(const std::string& recipe, const Planted& planted) {
  const auto parts = schedule::recipe_parts(recipe);
  if (!parts) return recipe == "bf16" ? 0 : 0.2;
  if (parts->by == "alpha") return planted.alpha;
  if (parts->by == "slope") return planted.slope;
  if (parts->by == "list")
    for (int m = 0; m < kMatrices; ++m)
      if (parts->of == matrix_name(m)) return cost_of(m);
  return planted.random;
}

Results planted_results(const Planted& planted) {
  schedule::Facts facts;
  for (int m = 0; m < 2; ++m) {
    facts.models.push_back(sample::model_facts());
    for (int i = 0; i < kMatrices; ++i) facts.models.back().matrices.push_back({matrix_name(i), 64, 64});
  }
  facts.suites.push_back(sample::suite_facts(schedule::SuiteKind::kPerplexity, kBlocks, 100, 2));
  const schedule::Job job = schedule::parse_job(job_text(), "jobs/planted.yaml");
  for (const schedule::ModelSpec& model : job.models) {
    facts.recipe_bytes.emplace_back();
    for (const std::string& recipe : model.recipes) {
      const auto parts = schedule::recipe_parts(recipe);
      facts.recipe_bytes.back().push_back(parts && !parts->amount.empty() ? 5'000'000 : 9'000'000);
    }
  }
  Results r = Results::empty(schedule::expand(job, facts));
  r.unit_state.assign(r.unit_state.size(), schedule::UnitState::kDone);
  for (std::uint32_t row = 0; row < r.plan.rows.size(); ++row) {
    const double effect = effect_of(r.plan.rows[row].recipe, planted);
    const auto extra = [&](std::uint32_t i) {
      return effect == 0 ? 0 : 100 * effect * (1 + 0.2 * noise(row, i)) + 0.5 * noise(row + 77, i);
    };
    sample::fill<std::uint8_t>(r, "text_finite", row, [](auto) { return 1; });
    sample::fill<std::int32_t>(r, "text_token_count", row, [](auto) { return 100; });
    sample::fill<double>(r, "text_nll", row, [&](std::uint32_t i) { return 200 + i % 7 + extra(i); });
    sample::fill<double>(r, "text_kl", row, [&](std::uint32_t i) { return std::fabs(extra(i)); });
    sample::fill<std::int32_t>(r, "text_top1_agree", row, [](auto) { return 90; });
    if (r.plan.rows[row].baseline != row) continue;
    sample::fill<double>(r, "spectra_alpha", row, [&](std::uint32_t i) {
      return planted.alpha_tells_sensitivity ? cost_of(static_cast<int>(i)) : noise(9, i);
    });
    sample::fill<double>(r, "spectra_kurtosis", row, [](auto) { return 3.0; });
  }
  reduce(r);
  return r;
}

const Record& record(const std::vector<Record>& records, const std::string& by) {
  for (const Record& r : records)
    if (r.by == by) return r;
  throw Error("no record of " + by);
}

TEST(SpectralStudy, SaysYesWhereAFigureBeatsRandomInEveryContest) {
  const Results results = planted_results({0.05, 0.15});
  const SpectralStudy study = spectral_study(results);
  ASSERT_EQ(study.contests.size(), 18u);
  for (const Contest& c : study.contests) {
    EXPECT_TRUE(c.equal_bytes());
    EXPECT_EQ(c.draws.size(), 5u);
    EXPECT_EQ(c.loss.blocks, kBlocks);
    EXPECT_EQ(c.loss.tokens, 100 * kBlocks);
    if (c.parts.by == "alpha") {
      EXPECT_EQ(c.loss_rank, 1u);
      EXPECT_NEAR(c.loss.change, -0.05, 0.005);
      EXPECT_TRUE(c.loss.shown(-1));
      EXPECT_TRUE(c.kl.shown(-1));
      EXPECT_LT(c.loss.interval.low, c.loss.change);
      EXPECT_GT(c.loss.interval.high, c.loss.change);
    }
    if (c.parts.by == "slope") {
      EXPECT_EQ(c.loss_rank, 6u);
      EXPECT_TRUE(c.loss.shown(1));
    }
  }
  const std::vector<Record>& records = study.by_loss;
  EXPECT_EQ(record(records, "alpha").won, 6u);
  const Interval alpha = record(records, "alpha").interval;
  EXPECT_LT(alpha.low, record(records, "alpha").change);
  EXPECT_GT(alpha.high, record(records, "alpha").change);
  EXPECT_THAT(study.findings.at(0),
              HasSubstr(fmt::format("95 % {:+.4f} to {:+.4f})", alpha.low, alpha.high)));
  EXPECT_NEAR(record(records, "alpha").p_holm, 2 * std::pow(6, -6), 1e-12) << "of two spectral figures";
  EXPECT_EQ(record(records, "slope").lost, 6u);
  EXPECT_EQ(record(records, "slope").p, 1);
  ASSERT_EQ(study.findings.size(), 2u);
  EXPECT_THAT(study.findings[0],
              AllOf(HasSubstr("by text loss it beats random draws (alpha (top), won 6 of 6"),
                    HasSubstr("each of 5 draws"), HasSubstr("40 text blocks"), HasSubstr("2 models")));
  EXPECT_THAT(study.findings[1], HasSubstr("shown for none of 50 quantized rows"));
}

TEST(MeanChangeInterval, DrawsBlocksForAllChangesAtOnce) {
  BlockDifferences one, opposite, twice;
  for (int i = 0; i < 40; ++i) {
    one.nat.push_back(i % 7 - 2.0);
    one.tokens.push_back(10);
    opposite.nat.push_back(2.0 - i % 7);
    opposite.tokens.push_back(10);
    twice.nat.push_back(2 * (i % 7 - 2.0));  // of a model with twice the tokens
    twice.tokens.push_back(20);
  }
  const KeyedRandom random(7, "test");
  const Interval alone = mean_change_interval({&one}, random);
  EXPECT_LT(alone.low, alone.high);
  for (const BlockDifferences* same : {&one, &twice}) {
    const Interval both = mean_change_interval({&one, same}, random);
    EXPECT_NEAR(both.low, alone.low, 1e-12) << "the same blocks are no more evidence";
    EXPECT_NEAR(both.high, alone.high, 1e-12);
  }
  const Interval none = mean_change_interval({&one, &opposite}, random);
  EXPECT_NEAR(none.low, 0, 1e-12);
  EXPECT_NEAR(none.high, 0, 1e-12);
  one.nat[3] = std::nan("");
  EXPECT_TRUE(std::isfinite(mean_change_interval({&one}, random).low));
  EXPECT_TRUE(std::isnan(mean_change_interval({}, random).low));
}

TEST(SpectralStudy, SaysNotShownWhereNoFigureBeatsRandom) {
  const SpectralStudy study = spectral_study(planted_results({0.10, 0.10}));
  for (const Record& r : study.by_loss) EXPECT_GT(r.p_holm, 0.05) << r.by;
  ASSERT_EQ(study.findings.size(), 2u);
  EXPECT_THAT(study.findings[0],
              AllOf(HasSubstr("by text loss none of 2 ways is shown to beat random draws (the best: "),
                    Not(HasSubstr("it beats"))));
}

TEST(SpectralStudy, ShowsALowerPerplexityThanTheBaselinesWhereThereIsOne) {
  const SpectralStudy study = spectral_study(planted_results({-0.05, 0.10}));
  EXPECT_THAT(study.findings.at(1),
              AllOf(HasSubstr("shown for 6 of 50 quantized rows"), HasSubstr("one/nf4+bf16(alpha,top,10%)")));
}

TEST(SpectralStudy, LeavesOutContestsOfOtherBytes) {
  Results results = planted_results({0.05, 0.15});
  for (std::uint32_t row = 0; row < results.plan.rows.size(); ++row)
    if (results.plan.rows[row].recipe == "nf4+bf16(alpha,top,10%)")
      set(results, row, "bytes", std::int64_t{5'100'000});
  const SpectralStudy study = spectral_study(results);
  EXPECT_EQ(record(study.by_loss, "alpha").contests, 4u);
  EXPECT_THAT(study.findings.at(0), HasSubstr("2 hybrids differ in bytes"));
}

TEST(SpectralStudy, CountsTheBlocksThatBothSidesHave) {
  Results results = planted_results({0.05, 0.15});
  for (std::uint32_t row = 0; row < results.plan.rows.size(); ++row)
    if (results.plan.rows[row].recipe == "nf4+bf16(random,10%,draw2)")
      sample::fill<double>(results, "text_nll", row, [](std::uint32_t i) {
        return i < 3 ? std::numeric_limits<double>::quiet_NaN() : 210.0;
      });
  const SpectralStudy study = spectral_study(results);
  for (const Contest& c : study.contests)
    EXPECT_EQ(c.loss.blocks, c.parts.amount == "10%" ? kBlocks - 3 : kBlocks) << c.parts.amount;
}

TEST(SpectralStudy, CorrelatesFiguresWithWhatMatricesCost) {
  Planted planted{0.10, 0.10};
  planted.alpha_tells_sensitivity = true;
  const SpectralStudy study = spectral_study(planted_results(planted));
  ASSERT_EQ(study.sensitivities.size(), 24u);
  EXPECT_NEAR(study.sensitivities[3].loss.change, cost_of(3), 0.002);
  ASSERT_EQ(study.associations.size(), 2u * 7 * 2 * 2);
  int alphas = 0;
  for (const Association& a : study.associations) {
    if (a.figure == "slope") {
      EXPECT_EQ(a.n, 0) << "not measured";
      EXPECT_TRUE(std::isnan(a.rho));
    }
    if (a.figure == "kurtosis") {
      EXPECT_TRUE(std::isnan(a.rho)) << "constant";
    }
    if (a.figure != "alpha" || a.kl) continue;
    ++alphas;
    EXPECT_EQ(a.n, kMatrices);
    EXPECT_GT(a.rho, 0.8);
    EXPECT_LT(a.p_holm, 0.05) << a.within_type;
    EXPECT_LE(a.interval.low, a.rho);
  }
  EXPECT_EQ(alphas, 4);
}

TEST(SpectralStudy, StandsInTheReport) {
  const Report report = make_report(planted_results({0.05, 0.15}));
  for (const char* id : {"spectral", "spectral_contests", "spectral_records", "sensitivity",
                         "spectral_correlation", "spectra"}) {
    const Table* table = find_table(report, id);
    ASSERT_NE(table, nullptr) << id;
    const std::string text = to_text(*table);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      EXPECT_LE(display_width(text.substr(at, end - at)), 100u) << text.substr(at, end - at);
      at = end + 1;
    }
  }
  for (const char* id : {"spectral_contests", "spectral_records"})
    EXPECT_THAT(to_text(*find_table(report, id)), HasSubstr("95 %  ")) << id;
  EXPECT_EQ(find_table(report, "evaluator"), nullptr);
  EXPECT_THAT(to_text(report), HasSubstr("by a spectral figure, at equal bytes"));
  EXPECT_THAT(to_short_text(report), HasSubstr("by a spectral figure, at equal bytes"));
  EXPECT_THAT(to_json(report), HasSubstr("\"findings\": ["));
}

TEST(SpectralStudy, OfAnOrdinaryJobIsEmpty) {
  schedule::Job job = sample::job();
  Results r = Results::empty(schedule::expand(job, sample::facts()));
  reduce(r);
  const SpectralStudy study = spectral_study(r);
  EXPECT_TRUE(study.rows.empty());
  EXPECT_TRUE(study.findings.empty());
}

}  // namespace
}  // namespace brinkmap::audit
