#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "tests/worker/fake_tokenizer.h"
#include "worker/run_experiment.h"

namespace brinkmap::worker {
namespace {

using schedule::DType;
using schedule::Field;

Field field(const char* name, DType dtype, double fill) {
  Field f;
  f.name = name;
  f.dtype = dtype;
  f.fill = fill;
  return f;
}

// Tokens that the two prompts of a suite are said to take, and how often row and baseline were timed.
struct Speed {
  std::int64_t tokens = 0, prompt_tokens = 0;
  int row_runs = 0, baseline_runs = 0;

  explicit Speed(int max_new_tokens) {
    Suite suite;
    suite.spec.max_new_tokens = max_new_tokens;
    for (const char* prompt : {"one", "another"}) suite.items.emplace_back().prompt = prompt;
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    const std::vector<Field> fields{field("s_seconds", DType::kF64, kNan),
                                    field("s_baseline_seconds", DType::kF64, kNan),
                                    field("s_tokens", DType::kI64, -1)};
    schedule::SlabSet slabs(fields, 2);
    schedule::Job job;
    schedule::ExperimentSpec spec;
    schedule::Unit unit;
    unit.end = 2;
    kernels::ThreadPool pool(1);
    const FakeTokenizer tokenizer({}, false);
    const TimeRequests row = [&](std::span<const Request> requests) {
      prompt_tokens = 0;
      for (const Request& r : requests) prompt_tokens += static_cast<std::int64_t>(r.prompt.size());
      return ++row_runs;
    };
    const TimeRequests baseline = [&](std::span<const Request>) { return ++baseline_runs; };
    run_speed({job, spec, suite, unit, {}, 0, pool, slabs}, tokenizer, {}, row, baseline);
    EXPECT_EQ(slabs.get<std::int64_t>("tokens")[0], slabs.get<std::int64_t>("tokens")[1]);
    tokens = slabs.get<std::int64_t>("tokens")[0];
  }
};

TEST(RunSpeed, CountsTheTokensThatAreFedToTheModel) {
  EXPECT_EQ(Speed(0).tokens, Speed(0).prompt_tokens);
  EXPECT_EQ(Speed(1).tokens, Speed(1).prompt_tokens) << "the only new token is chosen, not fed";
  EXPECT_EQ(Speed(5).tokens, Speed(5).prompt_tokens + 2 * 4);
}

TEST(RunSpeed, WarmsUpRowAndBaselineOnce) {
  const Speed speed(1);
  EXPECT_EQ(speed.row_runs, 3);
  EXPECT_EQ(speed.baseline_runs, 3);
}

}  // namespace
}  // namespace brinkmap::worker
