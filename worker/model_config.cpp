#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>

#include "schedule/error.h"
#include "worker/gguf_parse.h"
#include "worker/model.h"

namespace brinkmap::worker {

namespace {

// Far above any model, low enough that no product of two of them leaves 64 bits.
constexpr std::int64_t kMaxLayers = 4096;
constexpr std::int64_t kMaxWidth = 1 << 20;
constexpr std::int64_t kMaxVocab = 1 << 24;
constexpr std::int64_t kMaxContext = 1 << 26;

// Metadata that changes what a llama-like model computes and that this build does not compute. The value
// beside it is the one that changes nothing.
struct Neutral {
  const char* key;
  double value;
};
constexpr Neutral kUnsupported[] = {
    {"attention.scale", 0},          {"logit_scale", 1},
    {"embedding_scale", 1},          {"residual_scale", 1},
    {"attn_logit_softcapping", 0},   {"final_logit_softcapping", 0},
    {"attention.max_alibi_bias", 0}, {"attention.clamp_kqv", 0},
};

class ConfigReader {
 public:
  explicit ConfigReader(const GgufFile& file) : file_(file), arch_(file.text("general.architecture")) {}

  ModelConfig read() {
    ModelConfig c;
    c.architecture = find_architecture(arch_);
    if (c.architecture == nullptr) {
      std::string known;
      for (const std::string& name : architecture_names()) known += (known.empty() ? "" : ", ") + name;
      fail("general.architecture", "this build knows " + known + "; found '" + printable(arch_) + "'");
    }
    c.layers = integer("block_count", 1, kMaxLayers);
    c.width = integer("embedding_length", 1, kMaxWidth);
    c.ffn = integer("feed_forward_length", 1, kMaxWidth);
    c.context = integer("context_length", 1, kMaxContext);
    c.heads = integer("attention.head_count", 1, kMaxWidth);
    c.kv_heads = integer_or("attention.head_count_kv", c.heads, 1, kMaxWidth);
    if (c.heads % c.kv_heads != 0)
      fail(key("attention.head_count_kv"), "expected a divisor of the " + std::to_string(c.heads) +
                                               " heads, found " + std::to_string(c.kv_heads));
    read_head_dim(c);
    read_rope(c);
    const double eps = file_.number(key("attention.layer_norm_rms_epsilon"));
    if (!(eps > 0 && eps < 1))
      fail(key("attention.layer_norm_rms_epsilon"),
           "expected a number in (0, 1), found " + std::to_string(eps));
    c.norm_eps = static_cast<float>(eps);
    c.window = integer_or("attention.sliding_window", 0, 0, std::numeric_limits<std::int32_t>::max());
    read_vocab(c);
    integer_or("expert_count", 0, 0, 0);
    integer_or("expert_used_count", 0, 0, 0);
    for (const Neutral& u : kUnsupported)
      if (const double value = file_.number_or(key(u.key), u.value); value != u.value)
        fail(key(u.key), "this build computes no such model (only " + std::to_string(u.value) +
                             " is accepted), found " + std::to_string(value));
    return c;
  }

 private:
  std::string key(const std::string& name) const { return arch_ + "." + name; }

  [[noreturn]] void fail(const std::string& where, const std::string& what) const {
    throw InputError(file_.path(), where, what);
  }

  int checked(const std::string& name, std::int64_t value, std::int64_t low, std::int64_t high) const {
    if (value < low || value > high)
      fail(key(name), "expected an integer from " + std::to_string(low) + " to " + std::to_string(high) +
                          ", found " + std::to_string(value));
    return static_cast<int>(value);
  }
  int integer(const std::string& name, std::int64_t low, std::int64_t high) const {
    return checked(name, file_.integer(key(name)), low, high);
  }
  int integer_or(const std::string& name, std::int64_t fallback, std::int64_t low, std::int64_t high) const {
    return checked(name, file_.integer_or(key(name), fallback), low, high);
  }

  void read_head_dim(ModelConfig& c) const {
    if (!file_.has(key("attention.key_length")) && c.width % c.heads != 0)
      fail(key("attention.head_count"), "expected a divisor of the width " + std::to_string(c.width) +
                                            ", found " + std::to_string(c.heads));
    c.head_dim = integer_or("attention.key_length", c.width / c.heads, 1, 4096);
    if (const int value = integer_or("attention.value_length", c.head_dim, 1, 4096); value != c.head_dim)
      fail(key("attention.value_length"), "expected the length of a key, " + std::to_string(c.head_dim) +
                                              ", found " + std::to_string(value));
    if (static_cast<std::int64_t>(c.heads) * c.head_dim > kMaxWidth)
      fail(key("attention.head_count"), std::to_string(c.heads) + " heads of " + std::to_string(c.head_dim) +
                                            " dimensions are more than " + std::to_string(kMaxWidth));
  }

  void read_rope(ModelConfig& c) const {
    c.rope_dims = integer_or("rope.dimension_count", c.head_dim, 0, c.head_dim);
    if (c.rope_dims % 2 != 0)
      fail(key("rope.dimension_count"), "expected an even number, found " + std::to_string(c.rope_dims));
    c.rope_base = file_.number_or(key("rope.freq_base"), 10000.0);
    if (!(c.rope_base > 0 && std::isfinite(c.rope_base)))
      fail(key("rope.freq_base"), "expected a positive number, found " + std::to_string(c.rope_base));
    // The older key of linear scaling means the same as type linear.
    const bool old_key = file_.has(key("rope.scale_linear"));
    const std::string type = file_.text_or(key("rope.scaling.type"), old_key ? "linear" : "none");
    if (type != "none" && type != "linear")
      fail(key("rope.scaling.type"), "this build knows none and linear; found '" + printable(type) + "'");
    if (type == "none") return;
    const std::string name =
        file_.has(key("rope.scaling.factor")) ? "rope.scaling.factor" : "rope.scale_linear";
    c.rope_scale = file_.number_or(key(name), 1.0);
    if (c.rope_scale == 0) c.rope_scale = 1;  // llama.cpp writes 0 for "not set"
    if (!(c.rope_scale > 0 && std::isfinite(c.rope_scale)))
      fail(key(name), "expected a positive number, found " + std::to_string(c.rope_scale));
  }

  void read_vocab(ModelConfig& c) const {
    const GgufTensor* embedding = file_.find("token_embd.weight");
    if (embedding == nullptr) fail("token_embd.weight", "the tensor is missing");
    if (embedding->shape.size() != 2 || embedding->shape[1] > kMaxVocab)
      fail("token_embd.weight",
           "expected two dimensions and at most " + std::to_string(kMaxVocab) + " tokens");
    c.vocab = static_cast<int>(embedding->shape[1]);
    if (const int stated = integer_or("vocab_size", c.vocab, 1, kMaxVocab); stated != c.vocab)
      fail(key("vocab_size"),
           "token_embd.weight has " + std::to_string(c.vocab) + " tokens, found " + std::to_string(stated));
    const auto tokens = file_.metadata().find("tokenizer.ggml.tokens");
    if (tokens == file_.metadata().end()) return;
    const auto* list = std::get_if<std::shared_ptr<const GgufArray>>(&tokens->second.value);
    if (list == nullptr || (*list)->size() != static_cast<std::size_t>(c.vocab))
      fail("tokenizer.ggml.tokens", "expected an array of " + std::to_string(c.vocab) +
                                        " tokens, as token_embd.weight has, found " +
                                        (list == nullptr ? "no array" : std::to_string((*list)->size())));
  }

  const GgufFile& file_;
  std::string arch_;
};

}  // namespace

ModelConfig read_config(const GgufFile& file) { return ConfigReader(file).read(); }

schedule::ModelFacts model_facts(const GgufFile& file) {
  const ModelConfig config = read_config(file);
  schedule::ModelFacts facts;
  facts.sha256 = file.sha256();
  facts.tokenizer_sha256 = file.tokenizer_sha256();
  facts.architecture = config.architecture->name;
  facts.file_bytes = file.bytes();
  for (const GgufTensor& tensor : file.tensors())
    facts.parameters += static_cast<std::uint64_t>(tensor.elements());
  facts.layers = config.layers;
  facts.width = config.width;
  facts.vocab = config.vocab;
  facts.context = config.context;
  return facts;
}

}  // namespace brinkmap::worker
