#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/random_llama.h"
#include "worker/engine.h"

// What tests of the engine share: small models, requests of every kind, and "the same bits, whatever the
// batch".
namespace brinkmap::worker {

using Kind = kernels::ActivationBatch::Kind;
using Tokens = std::vector<std::int32_t>;

// Writes the model, reads it as a row, and removes the file.
template <class Random>
std::shared_ptr<const Model> write_and_load(Random random, const std::string& recipe) {
  const std::string path = testing::TempDir() + "engine-" + std::to_string(::getpid()) + ".gguf";
  random.write(path);
  kernels::ThreadPool pool(1);
  auto model = load_model(make_row(Checkpoint::open(path), recipe, pool));
  std::filesystem::remove(path);
  return model;
}

inline std::shared_ptr<const Model> make_model(const bench::RandomLlama& random,
                                               const std::string& recipe = "bf16") {
  return write_and_load(random, recipe);
}

inline Tokens random_tokens(std::size_t n, std::uint64_t seed) {
  const kernels::RandomStream random{seed, 7};
  Tokens out(n);
  for (std::size_t i = 0; i < n; ++i) out[i] = static_cast<std::int32_t>(random.below(i, 300));
  return out;
}

// Prompts of many lengths that begin alike, every kind of wish among them.
inline std::vector<Request> mixed_requests() {
  const Tokens common = random_tokens(21, 1);
  std::vector<Request> out;
  const std::size_t lengths[] = {3, 40, 1, 17, 64, 9, 2, 30, 5, 11};
  for (std::size_t i = 0; i < std::size(lengths); ++i) {
    Request r;
    r.prompt = common;
    const Tokens rest = random_tokens(lengths[i], 100 + i);
    r.prompt.insert(r.prompt.end(), rest.begin(), rest.end());
    if (i % 3 != 2) r.max_new_tokens = static_cast<std::int32_t>(1 + 3 * i);
    if (i % 2 == 0) {
      const Tokens a = random_tokens(4, 200 + i);
      r.continuations = {{a, 0}, {{a[0], a[1], 5}, 1}, {{a[0]}, 0}, {random_tokens(7, 300), 3}, {a, 2},
                         {{}, 0}};
    }
    r.prompt_log_probs = i % 4 == 1;
    r.capture_last = i % 3 == 0;
    r.capture_mean = i % 5 < 2;
    out.push_back(r);
  }
  return out;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

inline void expect_same(const Response& a, const Response& b, const std::string& what) {
  EXPECT_EQ(a.tokens, b.tokens) << what;
  EXPECT_EQ(a.ended, b.ended) << what;
  EXPECT_EQ(a.finite, b.finite) << what;
  EXPECT_TRUE(same_bits(a.continuation_log_probs, b.continuation_log_probs)) << what;
  EXPECT_TRUE(same_bits(a.prompt_log_probs, b.prompt_log_probs)) << what;
  EXPECT_TRUE(same_bits(a.state_last, b.state_last)) << what;
  EXPECT_TRUE(same_bits(a.state_mean, b.state_mean)) << what;
}

inline EngineOptions options_with(Kind activations, kernels::KvType kv = kernels::KvType::kF32) {
  EngineOptions options;
  options.activations = activations;
  options.kv = kv;
  options.capture_layers = {0, 1};
  options.end_tokens = {17, 40, 99, 211};
  return options;
}

inline std::vector<Response> alone(const std::shared_ptr<const Model>& model, const EngineOptions& options,
                                   const std::vector<Request>& requests) {
  kernels::ThreadPool pool(1);
  std::vector<Response> out;
  for (const Request& r : requests) {
    Engine engine(model, options, pool);
    out.push_back(engine.run(std::span(&r, 1))[0]);
  }
  return out;
}

// Batches cut small and large, few and many slots, threads, with and without the shared prefix.
inline void expect_same_in_every_setting(const std::shared_ptr<const Model>& model, const EngineOptions& base,
                                         const std::vector<Request>& requests,
                                         const std::vector<Response>& expected) {
  const struct {
    std::int64_t batch, slots;
    int threads;
    bool share;
  } settings[] = {
      {512, 64, 1, true}, {512, 64, 3, false}, {7, 64, 2, true}, {33, 3, 1, true}, {1, 2, 1, false}};
  for (const auto& s : settings) {
    auto options = base;
    options.max_batch_tokens = s.batch;
    options.max_slots = s.slots;
    options.share_prefix = s.share;
    kernels::ThreadPool pool(s.threads);
    Engine engine(model, options, pool);
    const auto found = engine.run(requests);
    for (std::size_t i = 0; i < requests.size(); ++i)
      expect_same(expected[i], found[i],
                  "request " + std::to_string(i) + " batch " + std::to_string(s.batch));
  }
}

}  // namespace brinkmap::worker
