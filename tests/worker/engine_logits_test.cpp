#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "tests/reference.h"
#include "worker/engine.h"

// The engine against logits computed elsewhere in f64 from the same files (logits/index.json says how).
namespace brinkmap::worker {
namespace {

using Kind = kernels::ActivationBatch::Kind;
using nlohmann::json;

struct Distance {
  double max_abs = 0;
  double rms = 0;
  double mean_kl = 0;
};

json entry_of(const std::string& name) {
  std::ifstream in(tests::reference("logits/index.json"));
  const json index = json::parse(in);
  for (const json& model : index["models"])
    if (model["name"] == name) return model;
  throw std::runtime_error("index.json has no " + name);
}

std::vector<float> read_floats(const std::string& name) {
  std::ifstream in(tests::reference("logits/" + name), std::ios::binary);
  in.seekg(0, std::ios::end);
  std::vector<float> x(static_cast<std::size_t>(in.tellg()) / sizeof(float));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(x.data()), static_cast<std::streamsize>(x.size() * sizeof(float)));
  return x;
}

double log_sum_exp(const float* x, std::size_t n) {
  const double top = static_cast<double>(*std::max_element(x, x + n));
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(x[i]) - top);
  return top + std::log(sum);
}

// KL is from the exact distribution to the found one.
Distance distance(const std::vector<float>& found, const std::vector<float>& exact, std::size_t vocab) {
  Distance d;
  const std::size_t rows = exact.size() / vocab;
  for (std::size_t r = 0; r < rows; ++r) {
    const float* e = exact.data() + r * vocab;
    const float* f = found.data() + r * vocab;
    const double e_sum = log_sum_exp(e, vocab), f_sum = log_sum_exp(f, vocab);
    for (std::size_t i = 0; i < vocab; ++i) {
      const double a = static_cast<double>(e[i]), b = static_cast<double>(f[i]);
      d.max_abs = std::max(d.max_abs, std::abs(a - b));
      d.rms += (a - b) * (a - b);
      d.mean_kl += std::exp(a - e_sum) * ((a - e_sum) - (b - f_sum)) / static_cast<double>(rows);
    }
  }
  d.rms = std::sqrt(d.rms / static_cast<double>(exact.size()));
  return d;
}

std::shared_ptr<const Model> open_model(const std::string& gguf, const std::string& recipe,
                                        kernels::ThreadPool& pool) {
  return load_model(make_row(Checkpoint::open(tests::reference("logits/" + gguf).string()), recipe, pool));
}

std::vector<float> all_logits(const std::shared_ptr<const Model>& model, const json& sequences, Kind kind,
                              kernels::Isa isa, kernels::ThreadPool& pool) {
  EngineOptions options;
  options.activations = kind;
  options.isa = isa;
  Engine engine(model, options, pool);
  std::vector<float> out;
  for (const json& ids : sequences) {
    const auto logits = engine.logits(ids.get<std::vector<std::int32_t>>());
    out.insert(out.end(), logits.begin(), logits.end());
  }
  return out;
}

class EngineLogits : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Families, EngineLogits, testing::Values("llama", "qwen2", "phi2"));

TEST_P(EngineLogits, AreTheExactOnesUpToF32WithF32Activations) {
  BRINKMAP_NEEDS_REFERENCE("logits/index.json");
  const json entry = entry_of(GetParam());
  kernels::ThreadPool pool(2);
  for (const json& level : entry["levels"]) {
    const auto model = open_model(level["gguf"], "as-is", pool);
    const auto exact = read_floats(level["exact_logits"]["file"]);
    for (kernels::Isa isa : kernels::supported_isas()) {
      // The scalar version is slow; a few tokens say enough.
      json sequences = entry["sequences"];
      if (isa == kernels::Isa::kScalar) {
        const auto first = sequences[0].get<std::vector<std::int32_t>>();
        sequences = json::array({std::vector<std::int32_t>(first.begin(), first.begin() + 3)});
      }
      const auto found = all_logits(model, sequences, Kind::kF32, isa, pool);
      ASSERT_LE(found.size(), exact.size());
      const Distance d =
          distance(found, {exact.begin(), exact.begin() + static_cast<std::ptrdiff_t>(found.size())},
                   entry["n_vocab"]);
      EXPECT_LE(d.max_abs, 1e-4) << level["level"] << " " << kernels::isa_name(isa);
    }
  }
}

TEST_P(EngineLogits, AreAsCloseAsThePeersWithInt8Activations) {
  BRINKMAP_NEEDS_REFERENCE("logits/index.json");
  const json entry = entry_of(GetParam());
  kernels::ThreadPool pool(2);
  for (const json& level : entry["levels"]) {
    if (level["level"] == "F32" || level["level"] == "F16") continue;  // they never meet int8 activations
    const auto model = open_model(level["gguf"], "as-is", pool);
    const auto exact = read_floats(level["exact_logits"]["file"]);
    const json& peer = level["peer_vs_exact"];
    // Other instruction sets give the same bits (engine_test.cpp).
    const auto found = all_logits(model, entry["sequences"], Kind::kQ8, kernels::active_isa(), pool);
    const Distance d = distance(found, exact, entry["n_vocab"]);
    // index.json, tolerance_hint.
    EXPECT_LE(d.rms, 1.5 * peer["rms"].get<double>()) << level["level"];
    EXPECT_LE(d.mean_kl, 1.5 * peer["mean_kl"].get<double>()) << level["level"];
    EXPECT_LE(d.max_abs, 2 * peer["max_abs"].get<double>()) << level["level"];
    EXPECT_GT(d.rms, 1e-3) << "int8 activations must leave a trace; were they used?";
  }
}

// The recipes' own quantizing, all arithmetic in f32, against the F32 model: at most 1.1 times the mean KL
// that llama-quantize's files have.
TEST_P(EngineLogits, OfOurRecipesAreAsCloseToTheBaseAsLlamaQuantizes) {
  BRINKMAP_NEEDS_REFERENCE("logits/index.json");
  const json entry = entry_of(GetParam());
  kernels::ThreadPool pool(2);
  const std::string name = GetParam();
  const auto exact = read_floats(name + "/" + name + "-F32.exact.f32");
  for (const json& level : entry["levels"]) {
    if (!level.contains("exact_vs_F32_exact")) continue;
    std::string recipe = level["level"];
    std::transform(recipe.begin(), recipe.end(), recipe.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    if (!is_recipe(recipe)) continue;
    const auto found = all_logits(open_model(name + "/" + name + "-F16.gguf", recipe, pool),
                                  entry["sequences"], Kind::kF32, kernels::active_isa(), pool);
    const double theirs = level["exact_vs_F32_exact"]["mean_kl"];
    const double ours = distance(found, exact, entry["n_vocab"]).mean_kl;
    EXPECT_LE(ours, 1.1 * theirs) << recipe;
    EXPECT_GT(ours, 0.1 * theirs) << recipe;
  }
}

TEST_P(EngineLogits, GreedyTokensAreThePeersInF32) {
  BRINKMAP_NEEDS_REFERENCE("logits/index.json");
  const json entry = entry_of(GetParam());
  kernels::ThreadPool pool(1);
  for (const json& level : entry["levels"]) {
    if (level["level"] != "F32") continue;
    EngineOptions options;
    options.activations = Kind::kF32;
    Engine engine(open_model(level["gguf"], "as-is", pool), options, pool);
    Request request;
    request.prompt = entry["sequences"][0].get<std::vector<std::int32_t>>();
    request.max_new_tokens = 24;
    EXPECT_EQ(engine.run(std::span(&request, 1))[0].tokens,
              level["peer_greedy_24_after_seq0"]["ids"].get<std::vector<std::int32_t>>());
  }
}

}  // namespace
}  // namespace brinkmap::worker
