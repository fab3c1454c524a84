#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/attention.h"
#include "kernels/gemm.h"
#include "kernels/isa.h"
#include "kernels/thread_pool.h"
#include "worker/model.h"

// Offline batch inference. All requests are known beforehand: they are sorted by length, packed into ragged
// batches without padding, share the longest common prompt prefix (computed once), and freed slots are
// refilled. Greedy decoding. A response is the same bit for bit whatever else is in the batch.
namespace brinkmap::worker {

// A continuation that is forced after the prompt and scored: log-probabilities of tokens [score_from, size).
struct Continuation {
  std::vector<std::int32_t> tokens;
  std::int32_t score_from = 0;
};

// How likely the tokens after a prompt are, over the whole vocabulary (first_token.h).
struct FirstToken {
  std::int32_t token = -1;  // the most likely one, of equal ones the lowest id; -1: not computed
  double entropy = 0;       // Shannon's, nat
  double top1 = 0;          // probability of `token`
  double top5 = 0;          // of the five most likely together
  double gini = 0;          // 1 - sum of squared probabilities
  double range = 0;         // largest logit - smallest
};

struct Request {
  std::vector<std::int32_t> prompt;         // not empty
  std::int32_t max_new_tokens = 0;          // greedy, stops after an end token; 0: no generation
  std::vector<Continuation> continuations;  // each scored on its own after the prompt
  bool prompt_log_probs = false;            // log-probability of every prompt token but the first
  bool capture_last = false;  // hidden state of the last prompt token at EngineOptions::capture_layers
  bool capture_mean = false;  // mean over all prompt tokens
  bool capture_all = false;   // every prompt token's
  bool first_token = false;   // the distribution of the token after the prompt
  // With prompt_log_probs, after every prompt token but the last:
  std::int32_t top_k = 0;            // the largest logits
  std::vector<std::int32_t> gather;  // [prompt - 1, any] logits of these tokens
};

struct Response {
  std::vector<std::int32_t> tokens;            // generated, without the end token
  bool ended = false;                          // an end token came
  std::vector<double> continuation_log_probs;  // nats, summed over the scored tokens
  std::vector<float> prompt_log_probs;         // [prompt - 1], nats
  std::vector<float> state_last;         // [capture_layers, width]: residual stream after the block, no norm
  std::vector<float> state_mean;         // [capture_layers, width]: f64 sum in token order, then divided
  std::vector<float> state_all;          // [capture_layers, prompt, width]
  std::vector<std::int32_t> top_tokens;  // [prompt - 1, top_k], largest logit first, then lowest id
  std::vector<float> top_logits;         // the same
  std::vector<float> log_sums;           // [prompt - 1]: log of the sum of exp(logit); with top_k or gather
  std::vector<float> gathered;           // as Request::gather
  FirstToken first;                      // with Request::first_token
  bool finite = true;                    // false when a logit was NaN or infinite
};

struct EngineOptions {
  kernels::ActivationBatch::Kind activations = kernels::ActivationBatch::Kind::kQ8;
  kernels::KvType kv = kernels::KvType::kF32;
  std::vector<int> capture_layers;  // 0-based blocks, ascending
  std::vector<std::int32_t> end_tokens;
  std::int64_t max_batch_tokens = 512;  // rows of one forward pass
  std::int64_t max_slots = 64;  // sequences under way together; fewer when their caches exceed cache_bytes
  std::int64_t cache_bytes = std::int64_t{1} << 30;  // keys and values of all sequences under way
  bool share_prefix = true;  // compute the longest common prompt prefix (at least 8 tokens) once
  kernels::Isa isa = kernels::active_isa();
};

class Engine {
 public:
  Engine(std::shared_ptr<const Model> model, EngineOptions options, kernels::ThreadPool& pool);
  ~Engine();

  // Responses in request order. When no request needs logits, blocks above the highest captured layer are not
  // computed. Throws InputError when a request is longer than the model's context, holds a token outside the
  // vocabulary, wants more logits than there are or needs more cache than cache_bytes. A request whose logits
  // are not finite stops there: its response says finite = false, and the log-probabilities not yet known are
  // NaN; of logits and states nothing is to be used then.
  std::vector<Response> run(std::span<const Request> requests);

  // Logits of every position of one sequence: [tokens, vocab], row-major.
  std::vector<float> logits(std::span<const std::int32_t> tokens);

  // Tokens that went through the forward pass so far.
  std::uint64_t tokens_computed() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace brinkmap::worker
