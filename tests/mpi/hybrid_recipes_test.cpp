#include <gtest/gtest.h>

#include "schedule/job_file.h"
#include "tests/schedule/sample.h"
#include "worker/hybrid.h"
#include "worker/recipe.h"

// The strings that schedule writes are those that the worker reads: neither layer knows the other.
namespace brinkmap {
namespace {

TEST(HybridRecipes, OfEveryMapAreReadByTheWorker) {
  std::string maps;
  int count = 0;
  const auto add = [&](const std::string& select) {
    maps += ", {hybrid: {keep: bf16, rest: nf4, select: " + select + "}}";
    ++count;
  };
  for (const char* by : {"alpha", "slope", "k90", "entropy", "stable_rank", "nf4_error", "kurtosis", "depth"})
    for (const char* amount :
         {"fraction: 0.07", "fraction: 1", "budget_gb: 6.4, within: model", "budget_bytes: 1234567"})
      add("{by: " + std::string(by) + ", side: bottom, " + amount + "}");
  add("{by: random, fraction: 0.52, draw: 3}");
  add("{by: random, budget_gb: 1.5, within: model, draw: 1000000}");
  add("{by: list, modules: [blk.0.attn_q, output]}");
  add("{by: list, modules: []}");
  for (const char* of : {"module", "type", "block"}) {
    maps += ", {each: {of: " + std::string(of) + ", rest: bf16, to: [nf4, q2_k]}}";
    count += 2;
  }
  std::string text = sample::kJob;
  const std::string from = "[bf16, q8_0, q4_k_m]";
  text.replace(text.find(from), from.size(), "[bf16" + maps + "]");
  const schedule::Job job = schedule::parse_job(text, "job.yaml");
  ASSERT_EQ(job.models[0].recipes.size(), static_cast<std::size_t>(count) + 1);
  for (const std::string& recipe : job.models[0].recipes) EXPECT_TRUE(worker::is_recipe(recipe)) << recipe;
}

}  // namespace
}  // namespace brinkmap
