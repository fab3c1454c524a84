#include "worker/run_unit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "bench/random_llama.h"
#include "schedule/error.h"
#include "worker/hash.h"
#include "worker/recipe.h"

namespace brinkmap::worker {
namespace {

using schedule::DType;
using schedule::Field;
using schedule::Slab;
using schedule::SuiteKind;
using schedule::Unit;
using schedule::UnitKind;
using schedule::UnitResult;
using testing::HasSubstr;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Field field(const std::string& name, DType type, double fill, std::vector<std::uint64_t> inner = {}) {
  Field f;
  f.name = name;
  f.dtype = type;
  f.fill = fill;
  for (std::uint64_t size : inner) f.inner.push_back({"axis", size, {}});
  return f;
}

// A job over one random model with three suites and an experiment.
class RunUnit : public testing::Test {
 protected:
  static constexpr int kWidth = 256;

  static void SetUpTestSuite() {
    folder_ = std::filesystem::temp_directory_path() / ("brinkmap_run_unit_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
    bench::RandomLlama model;
    model.context = 96;
    model.write((folder_ / "model.gguf").string());
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder_); }

  RunUnit() {
    schedule::ModelSpec model;
    model.id = "m";
    model.path = (folder_ / "model.gguf").string();
    model.prompt_template = "q: {prompt} a:";
    job.models = {model};
    add_suite("refusal", SuiteKind::kRefusal, 6);
    add_suite("decisions", SuiteKind::kDecision, 4);
    add_suite("text", SuiteKind::kPerplexity, 0);
    schedule::ExperimentSpec experiment;
    experiment.id = "heads";
    experiment.suite = "decisions";
    experiment.max_epochs = 3;
    experiment.hidden = 32;
    job.experiments = {experiment};

    for (int i = 0; i < 5; ++i) {
      suites[0].items.push_back(
          item("r" + std::to_string(i), std::string(static_cast<std::size_t>(3 * i + 1), 'x')));
      suites[0].items.back().expected = 1;
      suites[2].items.push_back(
          item("t" + std::to_string(i), std::string(static_cast<std::size_t>(60 * i), 'y') + "z"));
    }
    for (int i = 0; i < 18; ++i) {
      SuiteItem d = item("d" + std::to_string(i), "do " + std::to_string(i * i));
      d.expected = static_cast<std::size_t>(i % 3);
      d.split = i < 12   ? schedule::Split::kTrain
                : i < 15 ? schedule::Split::kValidation
                         : schedule::Split::kTest;
      d.group = d.id;
      suites[1].items.push_back(d);
    }
    job.suites = {suites[0].spec, suites[1].spec, suites[2].spec};
  }

  void add_suite(const std::string& id, SuiteKind kind, int max_new_tokens) {
    Suite suite;
    suite.spec.id = id;
    suite.spec.file = id + ".jsonl";
    suite.spec.kind = kind;
    suite.spec.max_new_tokens = max_new_tokens;
    suites.push_back(suite);
  }

  static SuiteItem item(const std::string& id, const std::string& prompt) {
    SuiteItem i;
    i.id = id;
    i.prompt = prompt;
    return i;
  }

  UnitRunner runner(int threads = 1) const {
    return UnitRunner(job, suites, {{0, "bf16"}, {0, "q4_k_m"}, {0, "q9_z"}}, threads);
  }

  static Unit unit(UnitKind kind, std::uint32_t row, std::uint32_t item, std::uint32_t begin,
                   std::uint32_t end) {
    Unit u;
    u.id = 7;
    u.kind = kind;
    u.row = row;
    u.item = item;
    u.begin = begin;
    u.end = end;
    return u;
  }

  static std::vector<Field> answers(const std::string& s, std::uint64_t positions) {
    return {field(s + "_tokens", DType::kI32, -1, {positions}), field(s + "_token_count", DType::kI32, -1),
            field(s + "_ended", DType::kU8, 255), field(s + "_finite", DType::kU8, 255)};
  }
  static void add_text_fields(const std::string& s, std::vector<Field>& f) {
    f.push_back(field(s + "_text_hash", DType::kU8, 255, {32}));
    f.push_back(field(s + "_repetition", DType::kF64, kNan));
  }
  std::vector<Field> refusal_fields() const {
    auto f = answers("refusal", 6);
    f.push_back(field("refusal_refusal", DType::kU8, 255));
    f.push_back(field("refusal_opening", DType::kU8, 255, {64}));
    add_text_fields("refusal", f);
    return f;
  }
  std::vector<Field> decision_fields() const {
    auto f = answers("decisions", 4);
    f.push_back(field("decisions_decision", DType::kU8, 255));
    f.push_back(field("decisions_choice", DType::kU8, 255));
    f.push_back(field("decisions_choice_log_prob", DType::kF64, kNan, {3}));
    f.push_back(field("decisions_veto_margin", DType::kF64, kNan));
    f.push_back(field("decisions_state_last", DType::kF32, kNan, {2, kWidth}));
    f.push_back(field("decisions_state_mean", DType::kF32, kNan, {2, kWidth}));
    add_text_fields("decisions", f);
    return f;
  }
  std::vector<Field> head_fields() const {
    return {field("heads_prediction", DType::kU8, 255, {3}),
            field("heads_logit", DType::kF32, kNan, {3, 3}),
            field("heads_accuracy", DType::kF64, kNan),
            field("heads_validation_loss", DType::kF64, kNan),
            field("heads_train_loss", DType::kF64, kNan),
            field("heads_epochs", DType::kI32, -1),
            field("heads_best_epoch", DType::kI32, -1),
            field("heads_validation_class", DType::kU8, 255, {3})};
  }

  // What a unit reads from the store.
  template <class T>
  static Slab slab_of(const std::vector<T>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    return {{bytes.begin(), bytes.end()}};
  }

  template <class T>
  static std::vector<T> values(const UnitResult& result, std::size_t slab) {
    std::vector<T> v(result.slabs.at(slab).bytes.size() / sizeof(T));
    std::memcpy(v.data(), result.slabs[slab].bytes.data(), v.size() * sizeof(T));
    return v;
  }

  static inline std::filesystem::path folder_;
  schedule::Job job;
  std::vector<Suite> suites;
};

TEST_F(RunUnit, AnswersRefusalPromptsTheSameInOneShardOrTwoAndOnAnyThreads) {
  const auto fields = refusal_fields();
  auto one = runner(1), three = runner(3);
  for (std::uint32_t row : {0u, 1u}) {
    const UnitResult whole = one.run(unit(UnitKind::kPrompts, row, 0, 0, 5), fields, {}, {}, kWidth);
    ASSERT_FALSE(whole.failed) << whole.reason;
    EXPECT_EQ(whole.unit, 7u);
    EXPECT_GT(whole.tokens, 0u);
    const UnitResult first = three.run(unit(UnitKind::kPrompts, row, 0, 0, 2), fields, {}, {}, kWidth);
    const UnitResult rest = three.run(unit(UnitKind::kPrompts, row, 0, 2, 5), fields, {}, {}, kWidth);
    for (std::size_t f = 0; f < fields.size(); ++f) {
      std::vector<std::byte> joined = first.slabs.at(f).bytes;
      joined.insert(joined.end(), rest.slabs.at(f).bytes.begin(), rest.slabs.at(f).bytes.end());
      EXPECT_EQ(whole.slabs[f].bytes, joined) << fields[f].name << " row " << row;
    }
    EXPECT_THAT(values<std::uint8_t>(whole, 3), testing::Each(1)) << "finite";
    EXPECT_THAT(values<std::uint8_t>(whole, 4), testing::Each(testing::Le(2))) << "scored";
  }
}

TEST_F(RunUnit, CapturesStatesThatHeadsThenTrainOn) {
  const auto fields = decision_fields();
  auto r = runner(2);
  const std::vector<int> layers{1, 0};
  const UnitResult prompts = r.run(unit(UnitKind::kPrompts, 1, 1, 0, 18), fields, layers, {}, kWidth);
  ASSERT_FALSE(prompts.failed) << prompts.reason;
  const auto choice = values<std::uint8_t>(prompts, 5);
  const auto log_probs = values<double>(prompts, 6), margin = values<double>(prompts, 7);
  for (std::size_t i = 0; i < 18; ++i) {
    ASSERT_LE(choice[i], 2);
    for (std::size_t c = 0; c < 3; ++c) {
      EXPECT_LE(log_probs[3 * i + c], 0);
      EXPECT_LE(log_probs[3 * i + c], log_probs[3 * i + choice[i]]);
    }
    EXPECT_EQ(margin[i], log_probs[3 * i + 2] - log_probs[3 * i]);
  }
  // The slots hold the layers asked for, in the order asked for.
  const std::vector<int> swapped{0, 1};
  const UnitResult other = r.run(unit(UnitKind::kPrompts, 1, 1, 0, 18), fields, swapped, {}, kWidth);
  for (std::size_t slab : {8u, 9u}) {
    const auto a = values<float>(prompts, slab), b = values<float>(other, slab);
    for (std::size_t i = 0; i < 18; ++i)
      for (std::size_t k = 0; k < kWidth; ++k) {
        ASSERT_EQ(a[(2 * i) * kWidth + k], b[(2 * i + 1) * kWidth + k]);
        ASSERT_EQ(a[(2 * i + 1) * kWidth + k], b[(2 * i) * kWidth + k]);
      }
    EXPECT_NE(a, b);
  }

  std::vector<float> states;  // slot 0
  const auto last = values<float>(prompts, 8);
  for (std::size_t i = 0; i < 18; ++i)
    states.insert(states.end(), last.begin() + static_cast<std::ptrdiff_t>(2 * i * kWidth),
                  last.begin() + static_cast<std::ptrdiff_t>((2 * i + 1) * kWidth));
  const UnitResult all =
      r.run(unit(UnitKind::kHeads, 1, 0, 0, 3), head_fields(), {}, std::vector{slab_of(states)}, kWidth);
  ASSERT_FALSE(all.failed) << all.reason;
  EXPECT_THAT(values<std::uint8_t>(all, 0), testing::Each(testing::Le(2)));
  EXPECT_THAT(values<std::int32_t>(all, 5), testing::Each(3));
  const UnitResult second =
      r.run(unit(UnitKind::kHeads, 1, 0, 1, 2), head_fields(), {}, std::vector{slab_of(states)}, kWidth);
  const auto logits = values<float>(all, 1), alone = values<float>(second, 1);
  EXPECT_EQ(alone, std::vector<float>(logits.begin() + 9, logits.begin() + 18));

  const std::vector<Slab> two{slab_of(states), slab_of(states)};
  EXPECT_THAT(r.run(unit(UnitKind::kHeads, 1, 0, 0, 3), head_fields(), {}, two, kWidth).reason,
              HasSubstr("2 inputs, expected 1"))
      << "heads of the row's own states read no baseline";

  states[5 * kWidth] = std::numeric_limits<float>::infinity();
  const UnitResult broken =
      r.run(unit(UnitKind::kHeads, 1, 0, 0, 3), head_fields(), {}, std::vector{slab_of(states)}, kWidth);
  EXPECT_TRUE(broken.failed);
  EXPECT_THAT(broken.reason, HasSubstr("item d5"));
  EXPECT_TRUE(broken.slabs.empty());
}

TEST_F(RunUnit, ScoresTextsInWindowsOfTheContext) {
  const std::vector<Field> fields{field("text_token_count", DType::kI32, -1),
                                  field("text_nll", DType::kF64, kNan),
                                  field("text_finite", DType::kU8, 255)};
  auto r = runner();
  const UnitResult result = r.run(unit(UnitKind::kPrompts, 0, 2, 0, 5), fields, {}, {}, kWidth);
  ASSERT_FALSE(result.failed) << result.reason;
  const auto count = values<std::int32_t>(result, 0);
  const auto nll = values<double>(result, 1);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_GT(count[i], 0);
    EXPECT_GT(nll[i], 0);
    EXPECT_TRUE(std::isfinite(nll[i]));
  }
}

std::vector<Field> top_fields(std::uint64_t positions, std::uint64_t k) {
  return {field("text_token_count", DType::kI32, -1),
          field("text_nll", DType::kF64, kNan),
          field("text_finite", DType::kU8, 255),
          field("text_top_token", DType::kI32, -1, {positions, k}),
          field("text_top_logit", DType::kF32, kNan, {positions, k}),
          field("text_log_sum_exp", DType::kF32, kNan, {positions}),
          field("text_kl", DType::kF64, kNan),
          field("text_top1_agree", DType::kI32, -1)};
}

TEST_F(RunUnit, ComparesTheLogitsOfARowWithItsBaselines) {
  suites[2].spec.top_k = 4;
  job.suites[2] = suites[2].spec;
  const std::vector<Field> fields = top_fields(300, 4);
  auto r = runner(2);
  const UnitResult base = r.run(unit(UnitKind::kPrompts, 0, 2, 0, 5), fields, {}, {}, kWidth);
  ASSERT_FALSE(base.failed) << base.reason;
  const auto count = values<std::int32_t>(base, 0);
  EXPECT_THAT(values<double>(base, 6), testing::Each(0.0));
  EXPECT_EQ(values<std::int32_t>(base, 7), count);
  std::vector<Slab> inputs{base.slabs[3], base.slabs[4], base.slabs[5]};
  // The row itself as its baseline: nothing differs. Another row: something does.
  const UnitResult same = r.run(unit(UnitKind::kPrompts, 0, 2, 0, 5), fields, {}, inputs, kWidth);
  ASSERT_FALSE(same.failed) << same.reason;
  for (std::size_t f = 0; f < fields.size(); ++f) EXPECT_EQ(same.slabs[f].bytes, base.slabs[f].bytes);
  const UnitResult other = r.run(unit(UnitKind::kPrompts, 1, 2, 0, 5), fields, {}, inputs, kWidth);
  ASSERT_FALSE(other.failed) << other.reason;
  const auto kl = values<double>(other, 6);
  const auto agree = values<std::int32_t>(other, 7);
  double sum = 0;
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_GE(kl[i], 0);
    EXPECT_LE(agree[i], count[i]);
    sum += kl[i];
  }
  EXPECT_GT(sum, 0);
  // Where the baseline has no logits there is no comparison.
  const std::int32_t none = -1;
  std::memcpy(inputs[0].bytes.data(), &none, sizeof none);
  const UnitResult partly = r.run(unit(UnitKind::kPrompts, 1, 2, 0, 5), fields, {}, inputs, kWidth);
  EXPECT_TRUE(std::isnan(values<double>(partly, 6)[0]));
  EXPECT_EQ(values<std::int32_t>(partly, 7)[0], -1);
  EXPECT_EQ(values<double>(partly, 6)[1], kl[1]);
}

TEST_F(RunUnit, ReadsAnswersAndReferencesWithTheEncoder) {
  add_suite("quality", SuiteKind::kQuality, 6);
  suites[3].spec.metrics = {schedule::Metric::kBertScore, schedule::Metric::kCoherence};
  for (int i = 0; i < 4; ++i) {
    suites[3].items.push_back(item("q" + std::to_string(i), "say " + std::to_string(i)));
    suites[3].items.back().reference = "it is " + std::to_string(i);
  }
  job.suites.push_back(suites[3].spec);
  job.encoder.path = job.models[0].path;
  auto fields = answers("quality", 6);
  fields.push_back(field("quality_bertscore", DType::kF64, kNan));
  fields.push_back(field("quality_coherence", DType::kF64, kNan));
  fields.push_back(field("quality_exact", DType::kU8, 255));
  add_text_fields("quality", fields);
  auto one = runner(1), two = runner(2);
  const UnitResult whole = one.run(unit(UnitKind::kPrompts, 1, 3, 0, 4), fields, {}, {}, kWidth);
  ASSERT_FALSE(whole.failed) << whole.reason;
  const UnitResult last = two.run(unit(UnitKind::kPrompts, 1, 3, 3, 4), fields, {}, {}, kWidth);
  for (const std::size_t slab : {4u, 5u}) {
    const auto scores = values<double>(whole, slab);
    for (const double score : scores) {
      EXPECT_GE(score, -1);
      EXPECT_LE(score, 1);
    }
    EXPECT_EQ(values<double>(last, slab)[0], scores[3]);
  }
}

TEST_F(RunUnit, FailsOnALabelsFileThatChangedSinceTheJobWasPrepared) {
  const std::string path = (folder_ / "labels.jsonl").string();
  const auto write = [&](const char* label) {
    std::ofstream(path) << R"({"row": "m/bf16", "id": "r0", "label": ")" << label << "\"}\n";
  };
  write("YES");
  schedule::ExperimentSpec& e = job.experiments[0];
  e.kind = schedule::ExperimentKind::kJudge;
  e.suite = "refusal";
  e.judge.labels_file = path;
  e.judge.labels = {{"YES", "refusal"}, {"NO", "answer"}};
  const std::vector<schedule::JudgeFacts> facts{{{}, sha256_file(path)}};
  const std::vector<Field> fields{field("heads_label", DType::kU8, 255),
                                  field("heads_outcome", DType::kU8, 255),
                                  field("heads_weight", DType::kF64, kNan)};
  const std::vector<Slab> inputs{slab_of<std::uint8_t>({1}), slab_of(std::vector<std::uint8_t>(32, 0))};
  const auto label = [&] {
    return UnitRunner(job, suites, {{0, "bf16", "", "m/bf16"}}, 1, facts)
        .run(unit(UnitKind::kHeads, 0, 0, 0, 1), fields, {}, inputs, kWidth);
  };
  const UnitResult as_prepared = label();
  ASSERT_FALSE(as_prepared.failed) << as_prepared.reason;
  EXPECT_EQ(values<std::uint8_t>(as_prepared, 0)[0], 0);
  write("NO");
  const UnitResult changed = label();
  EXPECT_TRUE(changed.failed);
  EXPECT_THAT(changed.reason, HasSubstr("labels.jsonl: changed since the job was prepared"));
}

TEST_F(RunUnit, AFailureIsAResultAndTheNextUnitRuns) {
  const auto fields = refusal_fields();
  suites[0].items[3].prompt = std::string(200, 'x');
  auto r = runner();
  const UnitResult lengthy = r.run(unit(UnitKind::kPrompts, 0, 0, 0, 5), fields, {}, {}, kWidth);
  EXPECT_TRUE(lengthy.failed);
  EXPECT_THAT(lengthy.reason, HasSubstr("r3: prompt of"));
  EXPECT_TRUE(lengthy.slabs.empty());
  EXPECT_FALSE(r.run(unit(UnitKind::kPrompts, 0, 0, 0, 3), fields, {}, {}, kWidth).failed);
  EXPECT_THAT(r.run(unit(UnitKind::kPrompts, 2, 0, 0, 1), fields, {}, {}, kWidth).reason, HasSubstr("q9_z"));
  EXPECT_TRUE(r.run(unit(UnitKind::kPrompts, 9, 0, 0, 1), fields, {}, {}, kWidth).failed);
  EXPECT_TRUE(r.run(unit(UnitKind::kPrompts, 0, 0, 3, 1), fields, {}, {}, kWidth).failed);
  EXPECT_TRUE(r.run(unit(UnitKind::kPrompts, 0, 0, 0, 6), fields, {}, {}, kWidth).failed);
  EXPECT_FALSE(r.run(unit(UnitKind::kPrompts, 1, 0, 0, 1), fields, {}, {}, kWidth).failed);
}

TEST_F(RunUnit, QuantizesAQuantizedFileAgainOnlyWhenTheJobSaysSo) {
  const std::string path = (folder_ / "q8_0.gguf").string();
  kernels::ThreadPool pool(1);
  write_row(make_row(Checkpoint::open(job.models[0].path), "q8_0", pool), path);
  job.models[0].path = path;
  const Unit q4_k_m = unit(UnitKind::kPrompts, 1, 0, 0, 2);
  EXPECT_THAT(runner().run(q4_k_m, refusal_fields(), {}, {}, kWidth).reason, HasSubstr("already quantized"));
  job.models[0].requantize = true;
  const UnitResult again = runner().run(q4_k_m, refusal_fields(), {}, {}, kWidth);
  EXPECT_FALSE(again.failed) << again.reason;
}

TEST_F(RunUnit, AMissingModelIsAFailedUnitThatNamesIt) {
  job.models[0].path = "/nowhere/model.gguf";
  const UnitResult result =
      runner().run(unit(UnitKind::kPrompts, 0, 0, 0, 1), refusal_fields(), {}, {}, kWidth);
  EXPECT_TRUE(result.failed);
  EXPECT_THAT(result.reason, HasSubstr("/nowhere/model.gguf"));
}

TEST_F(RunUnit, EveryUnitOfABrokenRowFailsWithTheReasonOfTheFirst) {
  const std::filesystem::path broken = folder_ / "nan.gguf";
  std::filesystem::copy_file(job.models[0].path, broken);
  {
    std::fstream file(broken, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-64, std::ios::end);
    file << std::string(64, '\xff');  // NaN in F32, F16 and BF16
  }
  job.models[0].path = broken.string();
  UnitRunner r = runner();
  const UnitResult first = r.run(unit(UnitKind::kPrompts, 0, 0, 0, 1), refusal_fields(), {}, {}, kWidth);
  const UnitResult second = r.run(unit(UnitKind::kPrompts, 0, 0, 1, 2), refusal_fields(), {}, {}, kWidth);
  EXPECT_TRUE(first.failed && second.failed);
  EXPECT_THAT(first.reason, HasSubstr("NaN"));
  EXPECT_EQ(first.reason, second.reason);
}

}  // namespace
}  // namespace brinkmap::worker
