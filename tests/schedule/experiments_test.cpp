#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/schedule/sample_study.h"

namespace brinkmap::schedule {
namespace {

using sample::study;
using sample::study_facts;
using sample::study_text;
using testing::HasSubstr;

std::string refusal_of(const std::string& old, const std::string& other) {
  std::string text = study_text();
  text.replace(text.find(old), old.size(), other);
  try {
    parse_job(text, "x");
  } catch (const InputError& e) {
    return e.what();
  }
  return "";
}

std::vector<Unit> units_of(const Plan& plan, const std::string& experiment, std::uint32_t row) {
  std::vector<Unit> out;
  for (const Unit& u : plan.units)
    if (u.kind == UnitKind::kHeads && u.row == row && plan.job.experiments[u.item].id == experiment)
      out.push_back(u);
  return out;
}

TEST(Experiments, CoverTheirAxisInEveryRow) {
  const Plan plan = expand(study(), study_facts());
  for (std::uint32_t row = 0; row < plan.rows.size(); ++row)
    for (std::uint32_t e = 0; e < plan.job.experiments.size(); ++e) {
      std::uint32_t next = 0;
      for (const Unit& u : units_of(plan, plan.job.experiments[e].id, row)) {
        EXPECT_EQ(u.begin, next);
        next = u.end;
      }
      EXPECT_EQ(next, experiment_items(plan, e, row)) << plan.job.experiments[e].id;
    }
  EXPECT_EQ(experiment_items(plan, experiment_named(plan.job, "probes"), 0), 6U);
  EXPECT_EQ(units_of(plan, "cited", 1).size(), 1U);
  EXPECT_EQ(units_of(plan, "speed", 1).size(), 1U);
}

TEST(Experiments, LeaseSeedsByFiveToTenHoweverQuickTheyAre) {
  std::string text = study_text();
  for (std::size_t at = text.find("seeds: 20"); at != std::string::npos; at = text.find("seeds: 20"))
    text.replace(at, 9, "seeds: 97");
  const Plan plan = expand(parse_job(text, "x"), study_facts());
  for (const char* heads : {"decision", "dirsup"})
    for (const Unit& u : units_of(plan, heads, 0)) {
      EXPECT_GE(u.end - u.begin, 5U);
      EXPECT_LE(u.end - u.begin, 10U);
    }
}

TEST(Experiments, ReadOnlyWhatTheUnitsBeforeThemWrite) {
  const Plan plan = expand(study(), study_facts());
  for (const Unit& u : plan.units)
    for (const Reading& reading : unit_readings(plan, u)) {
      const int at = find_variable(plan, reading.variable);
      ASSERT_GE(at, 0) << reading.variable;
      const Variable& v = plan.variables[static_cast<std::size_t>(at)];
      const std::vector<Dimension> axes = dimensions(plan, v);
      ASSERT_EQ(reading.offset.size() + 1, axes.size()) << reading.variable;
      for (std::size_t i = 0; i + 1 < axes.size(); ++i)
        EXPECT_LE(reading.offset[i] + reading.count[i], axes[i + 1].size) << reading.variable;
      // Every entry read was filled by a unit that this one waits for.
      for (std::uint64_t entry = reading.offset[0]; entry < reading.offset[0] + reading.count[0]; ++entry)
        EXPECT_TRUE(std::any_of(plan.needs[u.id].begin(), plan.needs[u.id].end(),
                                [&](std::uint32_t other) {
                                  const Unit& o = plan.units[other];
                                  return o.row == reading.row && o.kind == v.kind && o.item == v.item &&
                                         o.begin <= entry && entry < o.end;
                                }))
            << reading.variable << " " << entry;
    }
}

TEST(Experiments, OfFrozenHeadsReadTheBaselineBehindTheirRow) {
  const Plan plan = expand(study(), study_facts());
  const auto rows = [&](std::uint32_t row) {
    std::vector<std::uint32_t> out;
    for (const Reading& r : unit_readings(plan, units_of(plan, "frozen", row).at(0))) out.push_back(r.row);
    return out;
  };
  EXPECT_EQ(rows(0), std::vector<std::uint32_t>{0});
  EXPECT_EQ(rows(2), (std::vector<std::uint32_t>{2, 0}));
}

TEST(Experiments, KeepTokensOfTheEvidenceLayerAndPooledStatesOfEveryProbedBlock) {
  const Plan plan = expand(study(), study_facts());
  const TokenCapture tokens = token_capture(plan, 1, 0);
  EXPECT_EQ(tokens.blocks, std::vector<int>{2});  // 0.48 of the way from block 0 to block 5
  EXPECT_TRUE(tokens.means);
  EXPECT_EQ(capture_layers(plan, 1, 0), (std::vector<int>{0, 1, 2, 3, 4, 5}));
  for (const char* name : {"decisions_state_last", "decisions_state_mean"}) {
    const Variable& v = plan.variables.at(static_cast<std::size_t>(find_variable(plan, name)));
    EXPECT_EQ(v.field.inner.at(0).name, "block") << name;
    EXPECT_EQ(v.field.inner.at(0).size, 6U) << name;
  }
  EXPECT_FALSE(token_capture(plan, 0, 0).any());
  EXPECT_FALSE(token_capture(sample::plan(), 1, 0).any());
}

TEST(Experiments, OfMechanismsKeepTheLastTokenBehindEveryBlockOfTheirSuites) {
  const Plan plan = expand(study(), study_facts());
  EXPECT_EQ(token_capture(plan, 0, 0).mechanism_depth, 6);
  EXPECT_EQ(token_capture(plan, 1, 0).mechanism_depth, 0);
  const int states = find_variable(plan, "refusal_block_last");
  ASSERT_GE(states, 0);
  EXPECT_TRUE(plan.variables[static_cast<std::size_t>(states)].field.bulk);
  EXPECT_EQ(find_variable(sample::plan(), "refusal_first_entropy"), -1);
}

TEST(Experiments, OfMechanismsReadTheBaselineBehindTheirRow) {
  const Plan plan = expand(study(), study_facts());
  const auto rows = [&](std::uint32_t row) {
    std::vector<std::uint32_t> out;
    for (const Reading& r : unit_readings(plan, units_of(plan, "mechanisms", row).at(0)))
      out.push_back(r.row);
    return out;
  };
  EXPECT_EQ(rows(0), std::vector<std::uint32_t>{0});
  EXPECT_EQ(rows(2), (std::vector<std::uint32_t>{2, 0}));
}

TEST(Experiments, OfMechanismsNeedPromptsOfBothKinds) {
  Facts facts = study_facts();
  facts.suites[0].expected.assign(facts.suites[0].expected.size(), 1);
  EXPECT_THAT([&] { expand(study(), facts); },
              testing::ThrowsMessage<InputError>(HasSubstr("expect 'answer', found none")));
  EXPECT_THAT(refusal_of("kind: mechanistic_probes, suite: refusal", "kind: mechanistic_probes, suite: text"),
              HasSubstr("of kind refusal"));
  EXPECT_THAT(refusal_of("kind: mechanistic_probes, suite: refusal",
                         "kind: mechanistic_probes, suite: refusal, harmless: refusals"),
              HasSubstr("did you mean 'refusal'"));
  EXPECT_THAT(refusal_of("kind: speed, suite: refusal,", "kind: speed, suite: refusal, harmless: refusal,"),
              HasSubstr("means nothing"));
}

TEST(Experiments, KeepNoBlockThatNobodyReads) {
  std::string text = study_text();
  const std::string probes = "  - {id: probes, kind: layer_probes, suite: decisions}\n";
  text.erase(text.find(probes), probes.size());
  const Plan plan = expand(parse_job(text, "x"), study_facts());
  EXPECT_EQ(capture_layers(plan, 1, 0), std::vector<int>{3});  // 0.61 of the way: decision heads
  EXPECT_TRUE(token_capture(plan, 1, 0).means);                // dirsup reads them
  EXPECT_EQ(find_variable(plan, "decisions_state_mean"), -1);
}

TEST(Experiments, KeepStatesInSixteenBitsWhereTheJobSaysSo) {
  std::string text = study_text();
  text.replace(text.find("seed: "), 6, "states: f16\nseed: ");
  const Plan half = expand(parse_job(text, "x"), study_facts()), whole = expand(study(), study_facts());
  for (const char* name : {"decisions_state_last", "decisions_state_mean", "decisions_span_mean",
                           "decisions_span_token", "reranked_state_last", "reranked_state_mean"}) {
    const auto dtype = [&](const Plan& plan) {
      return plan.variables.at(static_cast<std::size_t>(find_variable(plan, name))).field.dtype;
    };
    EXPECT_EQ(dtype(half), DType::kF16) << name;
    EXPECT_EQ(dtype(whole), DType::kF32) << name;
  }
  EXPECT_NE(canonical_job(half), canonical_job(whole));
}

TEST(Experiments, SaySeparatelyWhatTheStatesOfEachRowFollowFrom) {
  const Plan plan = expand(study(), study_facts());
  EXPECT_NE(row_content(plan, 0), row_content(plan, 1));
  EXPECT_THAT(row_content(plan, 0), HasSubstr(plan.facts.models[0].sha256));
  EXPECT_THAT(row_content(plan, 1), HasSubstr("recipe=" + plan.rows[1].resolved + "\n"));
}

TEST(Experiments, OfTimeAreNoPartOfTheDigest) {
  const Plan plan = expand(study(), study_facts());
  for (const char* name : {"speed_seconds", "speed_baseline_seconds", "speed_ratio"})
    EXPECT_TRUE(plan.variables[static_cast<std::size_t>(find_variable(plan, name))].field.timing) << name;
  EXPECT_FALSE(plan.variables[static_cast<std::size_t>(find_variable(plan, "speed_tokens"))].field.timing);
}

TEST(Experiments, RefuseKeysThatMeanNothingToTheirKind) {
  EXPECT_THAT(refusal_of("kind: layer_probes,", "kind: layer_probes, seeds: 3,"), HasSubstr("means nothing"));
  EXPECT_THAT(refusal_of("kind: speed,", "kind: speed, layer: 2,"), HasSubstr("means nothing"));
}

TEST(Experiments, RefuseToReadWhatDoesNotFit) {
  EXPECT_THAT(refusal_of("method: dirsup, reads: cited", "method: dirsup"), HasSubstr("missing"));
  EXPECT_THAT(refusal_of("method: dirsup, reads: cited", "method: dirsup, reads: reranked"),
              HasSubstr("evidence_head"));
  EXPECT_THAT(refusal_of("method: reorder, reads: reranked", "method: reorder, reads: cited"),
              HasSubstr("reranked_prompts"));
  EXPECT_THAT(refusal_of("method: reorder,", "method: reorder, layer: 1,"), HasSubstr("layer"));
  EXPECT_THAT(refusal_of("method: dirsup, reads: cited", "reads: cited"), HasSubstr("leave the key out"));
  EXPECT_THAT(refusal_of("train_on: baseline, against: decision", "against: dirsup"),
              HasSubstr("stand before these"));
}

TEST(Experiments, ComparedWithOneAnotherDrawTheSameRandomNumbers) {
  std::string text = study_text();
  const std::string old = "reads: cited, against: decision";
  const Job job = parse_job(text.replace(text.find(old), old.size(), "reads: cited, against: frozen"), "x");
  const auto source = [&](const char* id) {
    const auto e = std::find_if(job.experiments.begin(), job.experiments.end(),
                                [&](const auto& x) { return x.id == id; });
    return e->draws_as;
  };
  EXPECT_EQ(source("dirsup"), "decision") << "dirsup is compared with frozen, and frozen with decision";
  EXPECT_EQ(source("frozen"), "decision");
  EXPECT_EQ(source("decision"), "") << "its own";
  EXPECT_THAT(refusal_of("train_on: baseline, against: decision", "train_on: baseline, against: frozen"),
              HasSubstr("stand before these"));
}

TEST(Experiments, RefuseToCompareHeadsOfOtherSettings) {
  for (const auto& [key, value] :
       {std::pair{"seeds", "21"}, std::pair{"layer", "4"}, std::pair{"hidden", "32"},
        std::pair{"dropout", "0.2"}, std::pair{"learning_rate", "0.002"}, std::pair{"weight_decay", "0.5"},
        std::pair{"batch", "32"}, std::pair{"max_epochs", "7"}, std::pair{"patience", "3"}}) {
    const std::string setting = std::string(key) + ": " + value;
    const std::string why = refusal_of(
        "seeds: 20, train_on", (setting == "seeds: 21" ? "" : "seeds: 20, ") + setting + ", train_on");
    EXPECT_THAT(why, HasSubstr(std::string("experiments[4].") + key)) << why;
    EXPECT_THAT(why, HasSubstr(std::string("the ") + key + " of 'decision'")) << why;
    EXPECT_THAT(why, HasSubstr(std::string("found ") + value)) << why;
  }
  EXPECT_EQ(refusal_of("seeds: 20, train_on", "seeds: 20, pooling: mean, train_on"), "");
}

TEST(Experiments, AskForFactsAboutEvidence) {
  Facts facts = study_facts();
  facts.suites[1].evidence.pop_back();
  EXPECT_THROW(expand(study(), facts), Error);
  EXPECT_THROW(expand(study(), sample::facts()), Error);
}

TEST(FeatureNames, SayMethodLayerAndPooling) {
  EXPECT_EQ(feature_name(Suppression::kDirsup, 19, Pooling::kMean), "dirsup_L19_mean");
  EXPECT_EQ(feature_name(Suppression::kRandomRank1, 4, Pooling::kLast), "rank1-random_L4_last");
}

}  // namespace
}  // namespace brinkmap::schedule
