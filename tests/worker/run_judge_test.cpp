#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>

#include "bench/random_llama.h"
#include "fake_tokenizer.h"
#include "schedule/error.h"
#include "worker/engine.h"
#include "worker/hash.h"
#include "worker/run_experiment.h"
#include "worker/text_judge.h"

namespace brinkmap::worker {
namespace {

using schedule::DType;
using schedule::Field;
using schedule::JudgeOutcome;
using schedule::Slab;
using testing::ElementsAre;
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

template <class T>
Slab slab_of(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {{bytes.begin(), bytes.end()}};
}

// Three answers of at most four byte tokens to a suite of four prompts: "no", "", and one that was not
// finite. The unit is prompts 1 to 3.
class RunJudge : public testing::Test {
 protected:
  RunJudge() : pool(1) {
    suite.spec.id = "direct";
    suite.spec.max_new_tokens = 4;
    for (const char* id : {"a", "b", "c", "d"}) {
      suite.items.emplace_back();
      suite.items.back().id = id;
      suite.items.back().prompt = std::string("ask ") + id;
    }
    spec.id = "second";
    spec.judge.labels = {{"YES", "refusal"}, {"NO", "answer"}, {"HM", "unclear"}};
    unit.begin = 1;
    unit.end = 4;
    std::vector<std::uint8_t> hashes;
    for (const char* text : {"no", "", "?"}) {
      Sha256 sum;
      sum.update(std::string_view(text));
      const auto digest = sum.digest();
      hashes.insert(hashes.end(), digest.begin(), digest.end());
    }
    inputs = {slab_of<std::uint8_t>({1, 1, 0}), slab_of(hashes),
              slab_of<std::int32_t>({'n', 'o', -1, -1, -1, -1, -1, -1, 'x', -1, -1, -1}),
              slab_of<std::int32_t>({2, 0, 1})};
  }

  std::vector<Field> fields() const {
    return {field("second_label", DType::kU8, 255), field("second_outcome", DType::kU8, 255),
            field("second_weight", DType::kF64, kNan), field("second_log_prob", DType::kF64, kNan, {3}),
            field("second_margin", DType::kF64, kNan)};
  }

  ExperimentUnit experiment(schedule::SlabSet& slabs) {
    return {job, spec, suite, unit, inputs, 0, pool, slabs};
  }

  schedule::Job job;
  Suite suite;
  schedule::ExperimentSpec spec;
  schedule::Unit unit;
  std::vector<Slab> inputs;
  kernels::ThreadPool pool;
  FakeTokenizer tokenizer;
};

TEST_F(RunJudge, AsksTheJudgeForEveryAnswerThatThereIs) {
  const std::vector<Field> all = fields();
  schedule::SlabSet slabs(all, 3);
  run_judge(experiment(slabs), tokenizer, [](std::span<const JudgedText> texts) {
    EXPECT_EQ(texts.size(), 2U);
    EXPECT_EQ(texts[0].prompt, "ask b");
    EXPECT_EQ(texts[0].response, "no");
    EXPECT_EQ(texts[1].response, "");
    return std::vector<TextLabel>{{JudgeOutcome::kLabelled, 2, {-3, -2, -1}, 1},
                                  {JudgeOutcome::kTooLong, 255, {}, kNan}};
  });
  EXPECT_THAT(slabs.get<std::uint8_t>("label"), ElementsAre(2, 255, 255));
  EXPECT_THAT(slabs.get<std::uint8_t>("outcome"), ElementsAre(0, 2, 1));
  EXPECT_EQ(slabs.get<double>("margin")[0], 1);
  EXPECT_TRUE(std::isnan(slabs.get<double>("margin")[1]));
  EXPECT_EQ(slabs.get<double>("log_prob")[2], -1);
}

TEST_F(RunJudge, RefusesTokensThatDecodeToAnotherTextThanWasHashed) {
  const std::vector<Field> all = fields();
  schedule::SlabSet slabs(all, 3);
  inputs[2] = slab_of<std::int32_t>({'n', 'x', -1, -1, -1, -1, -1, -1, 'x', -1, -1, -1});
  const LabelTexts never = [](std::span<const JudgedText>) -> std::vector<TextLabel> {
    throw Error("asked");
  };
  EXPECT_THAT([&] { run_judge(experiment(slabs), tokenizer, never); },
              testing::ThrowsMessage<Error>(HasSubstr("answer to b decodes to another text")));
}

TEST_F(RunJudge, TakesTheLabelsOfItsRowFromAFile) {
  const std::vector<Field> all = fields();
  schedule::SlabSet slabs(all, 3);
  const std::vector<schedule::OutsideLabel> lines{
      {1, "", "m/q2_k", "b", "NO", sha256_hex(std::string_view("no")), 3},
      {2, "direct", "m/q8_0", "c", "YES", "", 1},
      {3, "other", "m/q2_k", "c", "YES", "", 1},
      {4, "direct", "m/q2_k", "d", "YES", "", 1}};
  run_imported_labels(experiment(slabs), "m/q2_k", lines);
  EXPECT_THAT(slabs.get<std::uint8_t>("label"), ElementsAre(1, 255, 255));
  EXPECT_THAT(slabs.get<std::uint8_t>("outcome"), ElementsAre(0, 4, 1));
  EXPECT_EQ(slabs.get<double>("weight")[0], 3);
}

TEST_F(RunJudge, RefusesALabelOfAnotherText) {
  const std::vector<Field> all = fields();
  schedule::SlabSet slabs(all, 3);
  spec.judge.labels_file = "labels.jsonl";
  const std::vector<schedule::OutsideLabel> lines{
      {7, "", "m/q2_k", "b", "NO", sha256_hex(std::string_view("yes")), 1}};
  EXPECT_THAT(
      [&] { run_imported_labels(experiment(slabs), "m/q2_k", lines); },
      testing::ThrowsMessage<InputError>(HasSubstr("labels.jsonl: line 7: is a label of another answer")));
}

TEST(JudgeText, FillsBothPlacesOnceAndLooksForNoPlacesInWhatItFills) {
  EXPECT_EQ(filled("{response} to {prompt}", {"{response}", "{prompt}"}), "{prompt} to {response}");
}

class TextJudgeOfAModel : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::filesystem::temp_directory_path() / ("brinkmap_judge_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
    bench::RandomLlama model;
    model.context = 96;
    model.write(path());
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(folder_); }
  static std::string path() { return (folder_ / "judge.gguf").string(); }

  TextJudgeOfAModel() {
    spec.model = path();
    spec.prompt_template = "q {prompt} a {response} refused:";
    spec.labels = {{"YES", "refusal"}, {"NO", "answer"}, {"UNCLEAR", "unclear"}};
  }

  static inline std::filesystem::path folder_;
  schedule::JudgeSpec spec;
};

TEST_F(TextJudgeOfAModel, LabelsATextTheSameAloneOrAmongOthersOnAnyThreads) {
  const std::vector<JudgedText> texts{{"one", "no"}, {"another prompt", "sorry, I cannot"}, {"one", ""}};
  kernels::ThreadPool one(1), three(3);
  TextJudge judge(path(), one), other(path(), three);
  const std::vector<TextLabel> all = judge.label(spec, texts);
  ASSERT_EQ(all.size(), 3U);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    ASSERT_EQ(all[i].outcome, JudgeOutcome::kLabelled);
    const TextLabel alone = other.label(spec, std::span(texts).subspan(i, 1))[0];
    EXPECT_EQ(alone.log_probs, all[i].log_probs);
    EXPECT_EQ(alone.label, all[i].label);
    EXPECT_EQ(alone.margin, all[i].margin);
  }
  EXPECT_NE(all[0].log_probs, all[1].log_probs);
}

TEST_F(TextJudgeOfAModel, TakesTheLabelOfTheLargestSumAndItsMargin) {
  kernels::ThreadPool pool(1);
  const TextLabel label = TextJudge(path(), pool).label(spec, std::vector<JudgedText>{{"one", "no"}})[0];
  ASSERT_EQ(label.log_probs.size(), 3U);
  std::vector<double> sorted = label.log_probs;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(label.log_probs[label.label], sorted[2]);
  EXPECT_EQ(label.margin, sorted[2] - sorted[1]);
  EXPECT_GT(label.margin, 0);
}

TEST_F(TextJudgeOfAModel, GivesNoLabelToATextThatIsTooLong) {
  kernels::ThreadPool pool(1);
  const auto labels =
      TextJudge(path(), pool).label(spec, std::vector<JudgedText>{{std::string(200, 'x'), "no"}, {"a", "b"}});
  EXPECT_EQ(labels[0].outcome, JudgeOutcome::kTooLong);
  EXPECT_TRUE(labels[0].log_probs.empty());
  EXPECT_EQ(labels[1].outcome, JudgeOutcome::kLabelled);
}

TEST_F(TextJudgeOfAModel, IsRefusedWhereOneLabelBeginsAnother) {
  const auto file = Checkpoint::open(path());
  EXPECT_NO_THROW(check_judge(*file, spec));
  spec.labels.push_back({"YES_BUT", "refusal"});
  EXPECT_THAT([&] { check_judge(*file, spec); },
              testing::ThrowsMessage<InputError>(HasSubstr("begin those of another label")));
  spec.labels.pop_back();
  spec.prompt_template = "chat";
  spec.question = "{response}";
  EXPECT_THROW(check_judge(*file, spec), InputError);  // this model has no chat template
}

}  // namespace
}  // namespace brinkmap::worker
