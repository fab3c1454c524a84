#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "schedule/error.h"
#include "tests/worker/fake_tokenizer.h"
#include "worker/run_experiment.h"

namespace brinkmap::worker {
namespace {

using schedule::DType;
using schedule::Field;

Field field(const std::string& name, DType dtype, std::vector<std::uint64_t> inner) {
  Field f;
  f.name = "again_" + name;
  f.dtype = dtype;
  f.fill = dtype == DType::kU8 ? 255 : std::numeric_limits<double>::quiet_NaN();
  for (const std::uint64_t size : inner) f.inner.push_back({"axis", size, {}});
  return f;
}

// The one prompt of a suite with these lines, re-ranked by these scores.
struct Reranked {
  std::string prompt;
  std::vector<std::uint8_t> order, status;

  Reranked(const std::vector<std::string>& lines, const std::vector<double>& scores, bool show,
           bool finite = true) {
    Suite suite;
    suite.spec.id = "s";
    SuiteItem& item = suite.items.emplace_back();
    item.id = "first";
    item.prompt = "Evidence:\n";
    for (const std::string& line : lines) {
      item.prompt += line + "\n";
      item.evidence.push_back({{}, line});
    }
    item.prompt += "Answer.";
    schedule::Slab input;
    input.bytes.resize(scores.size() * sizeof(double));
    std::memcpy(input.bytes.data(), scores.data(), input.bytes.size());
    schedule::Job job;
    schedule::ExperimentSpec spec;
    spec.id = "again";
    spec.scores = show;
    schedule::Unit unit;
    unit.end = 1;
    kernels::ThreadPool pool(1);
    const std::vector<Field> fields{
        field("order", DType::kU8, {lines.size()}), field("state_last", DType::kF32, {2}),
        field("state_mean", DType::kF32, {2}), field("state_status", DType::kU8, {}),
        field("content_hash", DType::kU8, {32})};
    schedule::SlabSet slabs(fields, 1);
    const FakeTokenizer tokenizer({}, false);
    const RunRequests run = [&](std::span<const Request> requests) {
      prompt = tokenizer.decode(requests[0].prompt);
      Response response;
      response.state_last = response.state_mean = {1, 2};
      response.finite = finite;
      return std::vector<Response>{response};
    };
    run_reranked({job, spec, suite, unit, {&input, 1}, 2, pool, slabs}, tokenizer, {}, run);
    const auto stored = slabs.get<std::uint8_t>("order"), kept = slabs.get<std::uint8_t>("state_status");
    order.assign(stored.begin(), stored.end());
    status.assign(kept.begin(), kept.end());
  }
};

TEST(RerankedPrompt, ShowsScoresInPlaceOfRelevanceBestFirst) {
  const Reranked r({R"({"key": "TRP-000001", "cosine": 0.9500, "label": "harm", "statement": "a"})",
                    R"({"key": "TRP-000002", "cosine": 0.9000, "label": "other", "statement": "b"})"},
                   {0.25, 0.75}, false);
  EXPECT_EQ(r.prompt,
            "Evidence:\n"
            R"({"key": "TRP-000002", "evidence_score": 0.7500, "label": "other", "statement": "b"})"
            "\n"
            R"({"key": "TRP-000001", "evidence_score": 0.2500, "label": "harm", "statement": "a"})"
            "\nAnswer.");
  EXPECT_EQ(r.order, (std::vector<std::uint8_t>{1, 0}));
}

TEST(RerankedPrompt, KeepsTheOrderOfEqualScores) {
  const Reranked r({"a", "b", "c", "d"}, {0.5, 0.75, 0.5, 0.75}, false);
  EXPECT_EQ(r.prompt, "Evidence:\nb\nd\na\nc\nAnswer.");
}

TEST(RerankedPrompt, OfPlainLinesShowsScoresWhenAsked) {
  const Reranked r({"a", "b"}, {0.125, 0.5}, true);
  EXPECT_EQ(r.prompt, "Evidence:\nb (evidence_score 0.5000)\na (evidence_score 0.1250)\nAnswer.");
}

TEST(RerankedPrompt, SaysWhetherItsStatesAreKept) {
  EXPECT_EQ(Reranked({"a"}, {0.5}, false).status, std::vector<std::uint8_t>{0});
  EXPECT_EQ(Reranked({"a"}, {0.5}, false, false).status, std::vector<std::uint8_t>{1});
}

TEST(RerankedPrompt, NeedsEveryScore) {
  EXPECT_THROW(Reranked({"a", "b"}, {0.5, std::numeric_limits<double>::quiet_NaN()}, false), Error);
}

}  // namespace
}  // namespace brinkmap::worker
