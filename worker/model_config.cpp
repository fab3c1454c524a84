#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <optional>

#include "schedule/error.h"
#include "worker/gguf_parse.h"
#include "worker/matrices.h"
#include "worker/model.h"

namespace brinkmap::worker {

namespace {

// Far above any model, low enough that no product of two of them leaves 64 bits.
constexpr std::int64_t kMaxLayers = 4096;
constexpr std::int64_t kMaxWidth = 1 << 20;
constexpr std::int64_t kMaxVocab = 1 << 24;
constexpr std::int64_t kMaxContext = 1 << 26;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Metadata that changes what a model computes and that this build does not compute. The value
// beside it is the one that changes nothing.
struct Neutral {
  const char* key;
  double value;
};
constexpr Neutral kUnsupported[] = {
    {"logit_scale", 1},         {"embedding_scale", 1},          {"residual_scale", 1},
    {"attention.clamp_kqv", 0}, {"attention.max_alibi_bias", 0},
};

class ConfigReader {
 public:
  explicit ConfigReader(const Checkpoint& file) : file_(file), arch_(file.text("general.architecture")) {}

  ModelConfig read() {
    ModelConfig c;
    c.architecture = find_architecture(arch_);
    if (c.architecture == nullptr) {
      std::string known;
      for (const std::string& name : architecture_names()) known += (known.empty() ? "" : ", ") + name;
      fail("general.architecture", "this build knows " + known + "; found '" + printable(arch_) + "'");
    }
    c.layers = integer("block_count", 1, kMaxLayers);
    c.unused_layers = integer_or("nextn_predict_layers", 0, 0, c.layers - 1);
    c.layers -= c.unused_layers;
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
    const Architecture& a = *c.architecture;
    c.norm_eps = static_cast<float>(
        positive(a.layer_norm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon", {}, 1));
    read_scales(c);
    read_windows(c);
    if (a.full_period > 0) read_recurrence(c);
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

  // A number in (0, below); the key must be there unless there is a fallback.
  double positive(const std::string& name, std::optional<double> fallback, double below) const {
    const double value = fallback ? file_.number_or(key(name), *fallback) : file_.number(key(name));
    if (!(value > 0 && value < below))
      fail(key(name), "expected a number in (0, " + (std::isinf(below) ? "inf" : std::to_string(below)) +
                          "), found " + std::to_string(value));
    return value;
  }

  // The same, where 0 stands for the fallback: llama.cpp's "not set".
  float positive_or(const std::string& name, float fallback) const {
    const double value = file_.number_or(key(name), 0);
    return value == 0 ? fallback : static_cast<float>(positive(name, value, kInfinity));
  }

  // 0: no cap.
  float cap(const std::string& name, float fallback) const {
    return file_.has(key(name)) ? positive_or(name, 0) : fallback;
  }

  void read_scales(ModelConfig& c) const {
    const Architecture& a = *c.architecture;
    const float width = static_cast<float>(c.width), heads = static_cast<float>(c.heads);
    const bool by_width = c.layers == a.layers_scaled_by_width;
    c.attention_scale = positive_or("attention.scale",
                                    1 / std::sqrt(by_width ? width / heads : static_cast<float>(c.head_dim)));
    c.attention_cap = cap("attn_logit_softcapping", a.attention_cap);
    c.logit_cap = cap("final_logit_softcapping", a.logit_cap);
    if (a.scaled_embedding) c.embedding_scale = std::sqrt(width);
  }

  void read_windows(ModelConfig& c) const {
    const Architecture& a = *c.architecture;
    c.window = integer_or("attention.sliding_window", a.window, 0, std::numeric_limits<std::int32_t>::max());
    c.kinds.resize(static_cast<std::size_t>(c.layers));
    if (c.window == 0) return;
    if (const auto local = flags("attention.sliding_window_pattern", c.layers)) {
      for (std::size_t l = 0; l < c.kinds.size(); ++l) set_kind(c, l, (*local)[l]);
      return;
    }
    const int period = integer_or("attention.sliding_window_pattern", a.local_period, 0, kMaxLayers);
    for (std::size_t l = 0; l < c.kinds.size(); ++l)
      set_kind(c, l, period == 0 || static_cast<int>(l) % period < period - 1);
  }

  static void set_kind(ModelConfig& c, std::size_t layer, bool local) {
    if (!local) return;
    c.kinds[layer].window = c.window;
    c.kinds[layer].local = c.architecture->local_rope_base > 0;
  }

  // One flag a block, or nothing when the key is absent or holds no array.
  std::optional<std::vector<bool>> flags(const std::string& name, int layers) const {
    const auto found = file_.metadata().find(key(name));
    if (found == file_.metadata().end() || found->second.type != kGgufArray) return std::nullopt;
    std::vector<bool> out;
    for (const GgufValue& element : *std::get<std::shared_ptr<const GgufArray>>(found->second.value)) {
      const bool* flag = std::get_if<bool>(&element.value);
      if (flag == nullptr) fail(key(name), "expected an array of flags");
      out.push_back(*flag);
    }
    if (out.size() < static_cast<std::size_t>(layers))
      fail(key(name), "expected one flag for each of " + std::to_string(layers) + " blocks, found " +
                          std::to_string(out.size()));
    return out;
  }

  void read_recurrence(ModelConfig& c) const {
    const auto listed = flags("attention.recurrent_layers", c.layers);
    const int period = integer_or("full_attention_interval", c.architecture->full_period, 1, kMaxLayers);
    bool some = false;
    for (std::size_t l = 0; l < c.kinds.size(); ++l) {
      c.kinds[l].recurrent = listed ? bool{(*listed)[l]} : (static_cast<int>(l) + 1) % period != 0;
      some |= c.kinds[l].recurrent;
    }
    if (!some) return;
    c.delta.taps = integer("ssm.conv_kernel", 1, kernels::kMostTaps);
    c.delta.key_dim = integer("ssm.state_size", 1, 4096);
    c.delta.key_heads = integer("ssm.group_count", 1, 4096);
    c.delta.value_heads = integer("ssm.time_step_rank", 1, 4096);
    const int values = integer("ssm.inner_size", 1, kMaxWidth);
    if (c.delta.value_heads % c.delta.key_heads != 0)
      fail(key("ssm.time_step_rank"), "expected a multiple of the " + std::to_string(c.delta.key_heads) +
                                          " key heads, found " + std::to_string(c.delta.value_heads));
    if (values % c.delta.value_heads != 0)
      fail(key("ssm.inner_size"), "expected a multiple of the " + std::to_string(c.delta.value_heads) +
                                      " value heads, found " + std::to_string(values));
    c.delta.value_dim = values / c.delta.value_heads;
    if (c.delta.channels() > kMaxWidth)
      fail(key("ssm.group_count"),
           "queries, keys and values of one token are more than " + std::to_string(kMaxWidth) + " numbers");
  }

  void read_rope(ModelConfig& c) const {
    c.rope_dims = integer_or("rope.dimension_count", c.head_dim, 0, c.head_dim);
    if (c.rope_dims % 2 != 0)
      fail(key("rope.dimension_count"), "expected an even number, found " + std::to_string(c.rope_dims));
    c.rope_base = positive("rope.freq_base", 10000.0, kInfinity);
    c.local_rope_base = positive(
        "rope.freq_base_swa",
        c.architecture->local_rope_base > 0 ? c.architecture->local_rope_base : c.rope_base, kInfinity);
    if (c.architecture->local_rope_base == 0 && c.local_rope_base != c.rope_base)
      fail(key("rope.freq_base_swa"), "this build rotates all blocks of this architecture alike, by " +
                                          std::to_string(c.rope_base) + "; found " +
                                          std::to_string(c.local_rope_base));
    // The older key of linear scaling means the same as type linear.
    const bool old_key = file_.has(key("rope.scale_linear"));
    const bool long_rope = file_.find("rope_factors_short.weight") != nullptr;
    const std::string fallback = old_key ? "linear" : long_rope ? "longrope" : "none";
    const std::string type = file_.text_or(key("rope.scaling.type"), fallback);
    if (type == "longrope" && long_rope) return read_long_rope(c);
    if (long_rope || (type != "none" && type != "linear"))
      fail(key("rope.scaling.type"),
           std::string("this build knows none, linear, and longrope with the tensor ") +
               "rope_factors_short.weight; found '" + printable(type) + "'" +
               (long_rope ? " beside that tensor" : ""));
    c.rope_magnitude = positive("rope.scaling.attn_factor", 1.0, kInfinity);
    if (type == "none") return;
    const std::string name =
        file_.has(key("rope.scaling.factor")) ? "rope.scaling.factor" : "rope.scale_linear";
    // llama.cpp writes 0 for "not set".
    const double scale = file_.number_or(key(name), 1.0);
    c.rope_scale = scale == 0 ? 1 : positive(name, 1.0, kInfinity);
  }

  // Long-rope has two sets of factors, one for sequences within the context of pre-training, one for longer
  // ones. Which one a sequence takes must not depend on its company, so this build stays within that context.
  void read_long_rope(ModelConfig& c) const {
    c.rope_magnitude = positive("rope.scaling.attn_factor", 1.0, kInfinity);
    c.context = std::min(c.context, integer("rope.scaling.original_context_length", 1, kMaxContext));
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

  const Checkpoint& file_;
  std::string arch_;
};

}  // namespace

ModelConfig read_config(const Checkpoint& file) { return ConfigReader(file).read(); }

schedule::ModelFacts model_facts(const Checkpoint& file) {
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
  for (const LayerKind& kind : config.kinds)
    if (!kind.recurrent) facts.attention_width += std::int64_t{config.heads} * config.head_dim;
  facts.vocab = config.vocab;
  facts.context = config.context;
  for (const GgufTensor* tensor : block_matrices(file))
    facts.matrices.push_back(
        {std::string(module_name(tensor->name)), tensor->elements() / tensor->shape[0], tensor->shape[0]});
  return facts;
}

}  // namespace brinkmap::worker
