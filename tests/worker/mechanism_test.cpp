#include "worker/mechanism.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "schedule/error.h"
#include "schedule/job.h"
#include "worker/run_experiment.h"

namespace brinkmap::worker {
namespace {

using testing::ElementsAre;

constexpr std::size_t kWidth = 40;  // two safety neurons

// States that are 0 but for some dimensions, one map a prompt.
using Sparse = std::vector<std::pair<std::size_t, float>>;
std::vector<float> states(const std::vector<Sparse>& prompts) {
  std::vector<float> out(prompts.size() * kWidth, 0.0F);
  for (std::size_t i = 0; i < prompts.size(); ++i)
    for (const auto& [k, v] : prompts[i]) out[i * kWidth + k] = v;
  return out;
}

const std::vector<std::uint8_t> kHalves{0, 1, 0, 1};

TEST(Mechanism, HasNormCosineAndErrorsMadeByHand) {
  const std::vector<float> base = states(std::vector<Sparse>(4, {{0, 4}, {1, 3}}));
  const std::vector<float> row = states(std::vector<Sparse>(4, {{0, 4}, {7, 0.5}}));
  const std::vector<float> zero = states(std::vector<Sparse>(4));
  const Mechanism m = mechanism({row, zero}, {base, zero}, {kHalves, kHalves}, kWidth);
  EXPECT_DOUBLE_EQ(m.norm, std::sqrt(16.25));
  EXPECT_DOUBLE_EQ(m.cosine, 16 / (5 * std::sqrt(16.25)));
  EXPECT_EQ(m.auc_own, 1.0);
  EXPECT_EQ(m.auc_baseline, 1.0);
  EXPECT_DOUBLE_EQ(m.neuron_error, 1.5) << "dimension 1 moved by 3, dimension 0 not at all";
  EXPECT_DOUBLE_EQ(m.other_error, 0.5 / 38);
  EXPECT_DOUBLE_EQ(m.error_ratio, 114.0);
  EXPECT_DOUBLE_EQ(m.error_share, 3 / 3.5);
  EXPECT_EQ(m.neuron_overlap, 0.5) << "the row's own are 0 and 7";
}

TEST(Mechanism, OfTheBaselineHasNoErrorAndNoRatio) {
  const std::vector<float> base = states(std::vector<Sparse>(4, {{0, 4}, {1, 3}}));
  const std::vector<float> zero = states(std::vector<Sparse>(4));
  const Mechanism m = mechanism({base, zero}, {base, zero}, {kHalves, kHalves}, kWidth);
  EXPECT_EQ(m.cosine, 1.0);
  EXPECT_EQ(m.neuron_error, 0.0);
  EXPECT_TRUE(std::isnan(m.error_ratio));
  EXPECT_TRUE(std::isnan(m.error_share));
  EXPECT_EQ(m.neuron_overlap, 1.0);
}

TEST(Mechanism, SeesADirectionThatTurnedRound) {
  const std::vector<float> high = states({{{0, 4}}, {{0, 5}}, {{0, 6}}, {{0, 7}}});
  const std::vector<float> low = states({{{0, 1}}, {{0, 2}}, {{0, 3}}, {{0, 0}}});
  const Mechanism m = mechanism({low, high}, {high, low}, {kHalves, kHalves}, kWidth);
  EXPECT_DOUBLE_EQ(m.cosine, -1.0);
  EXPECT_EQ(m.auc_own, 1.0);
  EXPECT_EQ(m.auc_baseline, 0.0);
}

TEST(Mechanism, JudgesAHalfByTheDirectionOfTheOther) {
  // Every prompt stands alone in its dimension: along the mean difference of all, each would be told apart.
  std::vector<Sparse> harmful, harmless;
  for (std::size_t i = 0; i < 4; ++i) {
    harmful.push_back({{i, 1}});
    harmless.push_back({{10 + i, 1}});
  }
  const std::vector<float> bad = states(harmful), good = states(harmless);
  const Mechanism m = mechanism({bad, good}, {bad, good}, {kHalves, kHalves}, kWidth);
  EXPECT_EQ(m.auc_own, 0.5);
  EXPECT_DOUBLE_EQ(m.norm, std::sqrt(8.0 / 16));
}

TEST(Mechanism, IsUnknownWithoutBothSetsAndItsAucWithoutThemInBothHalves) {
  const std::vector<float> some = states(std::vector<Sparse>(4, {{0, 1}}));
  const std::vector<float> none;
  const std::vector<std::uint8_t> no_half;
  const Mechanism nothing = mechanism({some, none}, {some, none}, {kHalves, no_half}, kWidth);
  EXPECT_TRUE(std::isnan(nothing.norm));
  EXPECT_TRUE(std::isnan(nothing.error_ratio));
  const std::vector<float> zero = states(std::vector<Sparse>(4));
  const std::vector<std::uint8_t> one_half(4, 0);
  const Mechanism m = mechanism({some, zero}, {some, zero}, {kHalves, one_half}, kWidth);
  EXPECT_EQ(m.norm, 1.0);
  EXPECT_TRUE(std::isnan(m.auc_own));
}

TEST(LargestDimensions, TakeTheLowestOfEqualOnes) {
  EXPECT_THAT(largest_dimensions(std::vector<double>{1, -3, 2, 3, -2, 2}, 3), ElementsAre(1, 2, 3));
  EXPECT_THAT(largest_dimensions(std::vector<double>{1, 2}, 5), ElementsAre(0, 1));
}

// Two suites of two items each, three blocks of which the unit has the last two; width 20, one neuron.
class RunMechanisms : public testing::Test {
 protected:
  static constexpr std::size_t kWide = 20, kBlocks = 2;

  RunMechanisms() {
    spec.id = "m";
    for (int i = 0; i < 4; ++i) {
      bad.items.push_back({});
      bad.items.back().expected = 1;
      good.items.push_back({});
      good.items.back().expected = 0;
    }
    bad.items.push_back({});
    bad.items.back().expected = 0;  // a harmless prompt of the harmful suite is none of ours
    for (const char* name : {"norm", "cosine", "auc_own", "auc_baseline", "neuron_error", "other_error",
                             "error_ratio", "error_share", "neuron_overlap"})
      fields.push_back(field(name, schedule::DType::kF64));
    for (const char* name : {"harmful_n", "harmless_n"}) fields.push_back(field(name, schedule::DType::kI32));
  }

  static schedule::Field field(const std::string& name, schedule::DType type) {
    schedule::Field f;
    f.name = "m_" + name;
    f.dtype = type;
    f.fill = -1;
    return f;
  }

  // value(item, block) in dimension 3 of [items, blocks, width], 0 elsewhere.
  template <class Value>
  static schedule::Slab slab(std::size_t items, Value value) {
    std::vector<float> v(items * kBlocks * kWide, 0.0F);
    for (std::size_t i = 0; i < items; ++i)
      for (std::size_t b = 0; b < kBlocks; ++b) v[(i * kBlocks + b) * kWide + 3] = value(i, b);
    schedule::Slab out;
    const auto bytes = std::as_bytes(std::span(v));
    out.bytes.assign(bytes.begin(), bytes.end());
    return out;
  }

  schedule::SlabSet run(const std::vector<schedule::Slab>& inputs) {
    schedule::SlabSet slabs(fields, kBlocks);
    const schedule::Unit unit{0, schedule::UnitKind::kHeads, 1, 0, 1, 3, 0};
    run_mechanisms({job, spec, bad, unit, inputs, kWide, pool, slabs}, good);
    return slabs;
  }

  schedule::Job job;
  schedule::ExperimentSpec spec;
  Suite bad, good;
  std::vector<schedule::Field> fields;
  kernels::ThreadPool pool{1};
};

TEST_F(RunMechanisms, ComparesARowWithItsBaselineBlockByBlock) {
  const auto zero = slab(4, [](auto, auto) { return 0.0F; });
  const auto base = slab(5, [](auto, std::size_t b) { return b == 0 ? 2.0F : 4.0F; });
  const auto row = slab(5, [](auto, std::size_t b) { return b == 0 ? 1.0F : -4.0F; });
  schedule::SlabSet slabs = run({row, zero, base, zero});
  EXPECT_THAT(slabs.get<double>("norm"), ElementsAre(1.0, 4.0));
  EXPECT_THAT(slabs.get<double>("cosine"), ElementsAre(1.0, -1.0));
  EXPECT_THAT(slabs.get<double>("neuron_error"), ElementsAre(1.0, 8.0));
  EXPECT_THAT(slabs.get<double>("error_share"), ElementsAre(1.0, 1.0));
  EXPECT_THAT(slabs.get<std::int32_t>("harmful_n"), ElementsAre(4, 4));
  EXPECT_THAT(slabs.get<std::int32_t>("harmless_n"), ElementsAre(4, 4));
}

TEST_F(RunMechanisms, LeavesOutAPromptThatRowOrBaselineLacks) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const auto zero = slab(4, [](auto, auto) { return 0.0F; });
  const auto base = slab(5, [&](std::size_t i, std::size_t b) { return i == 0 && b == 0 ? kNan : 2.0F; });
  const auto row = slab(5, [&](std::size_t i, auto) { return i == 1 ? kNan : 1.0F; });
  schedule::SlabSet slabs = run({row, zero, base, zero});
  EXPECT_THAT(slabs.get<std::int32_t>("harmful_n"), ElementsAre(2, 3));
  EXPECT_THAT(slabs.get<double>("norm"), ElementsAre(1.0, 1.0));
}

TEST_F(RunMechanisms, KeepsWordingsOfOneQuestionInOneHalf) {
  // Without their variants the four harmful prompts would alternate between the halves.
  for (SuiteItem& item : bad.items) item.variant = "one question";
  const auto zero = slab(4, [](auto, auto) { return 0.0F; });
  const auto base = slab(5, [](auto, auto) { return 2.0F; });
  schedule::SlabSet slabs = run({base, zero});
  EXPECT_TRUE(std::isnan(slabs.get<double>("auc_own")[0])) << "one half has no harmful prompt";
  EXPECT_EQ(slabs.get<double>("norm")[0], 2.0);
}

TEST_F(RunMechanisms, RefusesStatesThatDoNotFit) {
  const auto zero = slab(4, [](auto, auto) { return 0.0F; });
  EXPECT_THROW(run({zero, zero}), Error);
  const auto one = slab(5, [](auto, auto) { return 1.0F; });
  EXPECT_THROW(run({one}), Error);
  EXPECT_THROW(run({one, zero, one}), Error) << "half a baseline";
  EXPECT_THROW(run({one, zero, one, zero, one}), Error);
}

}  // namespace
}  // namespace brinkmap::worker
