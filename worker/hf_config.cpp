#include "worker/hf_config.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "schedule/error.h"
#include "worker/gguf_parse.h"
#include "worker/hf_families.h"
#include "worker/hf_rope.h"
#include "worker/json_text.h"

namespace brinkmap::worker {

namespace {

using nlohmann::json;

constexpr std::size_t kMaxConfig = 16 << 20;  // bytes
constexpr std::int64_t kMaxLayers = 4096;
constexpr std::int64_t kMaxWidth = 1 << 20;
constexpr std::int64_t kMaxContext = 1 << 26;

// Keys that ask for a computation which none of these families has; the value beside each changes nothing.
// null and absent are neutral too.
struct Neutral {
  const char* key;
  double value;
};
constexpr Neutral kNeutral[] = {
    {"qk_layernorm", 0},
    {"use_qk_norm", 0},
    {"num_experts", 0},
    {"num_local_experts", 0},
    {"n_routed_experts", 0},
    {"clip_qkv", 0},
    {"alibi", 0},
    {"attention_multiplier", 0},
    {"logit_scale", 1},
    {"logits_scaling", 1},
    {"embedding_multiplier", 1},
    {"residual_multiplier", 1},
    {"use_bidirectional_attention", 0},
};

class ConfigReader {
 public:
  ConfigReader(const json& root, const std::string& file) : root_(root, file), text_(text_part()) {
    out_.file = file;
  }

  HfConfig read() {
    find_family();
    out_.tied = root_.flag_or("tie_word_embeddings", text_.flag_or("tie_word_embeddings", row_->tied));
    read_quantization();
    refuse_other_computations();
    read_sizes();
    read_attention_window();
    rope_ = std::make_optional(
        read_hf_rope(text_, {.theta = row_->rope_theta,
                             .partial_rotary = row_->partial_rotary,
                             .context = context_,
                             .original_context = row_->family == HfFamily::kPhi3 ? 4096 : context_}));
    write_rope();
    if (row_->family == HfFamily::kGemma2 || row_->family == HfFamily::kGemma3) write_gemma();
    if (row_->family == HfFamily::kQwen35) write_qwen35();
    return std::move(out_);
  }

 private:
  // A multimodal model keeps its text model in a part of its own; the rest is not used.
  JsonView text_part() const { return root_.has("text_config") ? root_.object("text_config") : root_; }

  void find_family() {
    std::string type = text_.has("model_type") ? text_.text("model_type") : root_.text("model_type");
    out_.model_type = type;
    // Files from before the text models had a type of their own.
    if (type == "gemma3" || type == "qwen3_5") type += "_text";
    std::string known;
    for (const HfFamilyRow& row : hf_families()) {
      if (type == row.model_type) row_ = &row;
      known += (known.empty() ? "" : ", ") + std::string(row.model_type);
    }
    if (row_ == nullptr)
      text_.fail("model_type", "this build knows " + known + "; found '" + printable(type) + "'");
    out_.family = row_->family;
    out_.architecture = row_->architecture;
    out_.metadata.emplace_back("general.architecture", gguf_text(row_->architecture));
  }

  void read_quantization() {
    // MLX writes the same object under both names; a quant_method marks the others.
    if (root_.has("quantization")) {
      out_.quantization = root_.object("quantization").value();
      out_.mlx = true;
    } else if (root_.has("quantization_config")) {
      const JsonView config = root_.object("quantization_config");
      out_.quantization = config.value();
      out_.mlx = !config.has("quant_method") && config.has("group_size");
    }
  }

  void refuse_other_computations() const {
    const char* key = text_.has("hidden_activation") ? "hidden_activation" : "hidden_act";
    if (const std::string found = text_.text_or(key, row_->activation);
        found != row_->activation && !(found == "gelu_new" && activation_is("gelu_pytorch_tanh")) &&
        !(found == "gelu_pytorch_tanh" && activation_is("gelu_new")))
      text_.fail(key, "expected " + std::string(row_->activation) + " for " + out_.model_type + ", found '" +
                          printable(found) + "'");
    for (const Neutral& neutral : kNeutral) {
      if (!text_.has(neutral.key)) continue;
      const json& value = text_[neutral.key];
      const double found = value.is_boolean() ? (value.get<bool>() ? 1 : 0) : text_.number(neutral.key);
      if (found != neutral.value)
        text_.fail(neutral.key,
                   "this build computes no " + out_.model_type + " with it, found " + printable_json(value));
    }
    if (row_->family == HfFamily::kGemma3 && text_.number_or("attn_logit_softcapping", 0) != 0)
      text_.fail("attn_logit_softcapping",
                 "gemma3 has none, found " + printable_json(text_["attn_logit_softcapping"]));
  }

  bool activation_is(std::string_view name) const { return row_->activation == name; }

  void count(const std::string& key, std::int64_t value) {
    out_.metadata.emplace_back(out_.architecture + "." + key, gguf_u32(static_cast<std::uint32_t>(value)));
  }
  void number(const std::string& key, double value) {
    out_.metadata.emplace_back(out_.architecture + "." + key, gguf_f32(static_cast<float>(value)));
  }

  void read_sizes() {
    out_.layers = text_.integer("num_hidden_layers", 1, kMaxLayers);
    out_.width = text_.integer("hidden_size", 1, kMaxWidth);
    const std::int64_t ffn = text_.integer("intermediate_size", 1, kMaxWidth);
    out_.heads = row_->heads == 0 ? text_.integer("num_attention_heads", 1, kMaxWidth)
                                  : text_.integer_or("num_attention_heads", row_->heads, 1, kMaxWidth);
    // null says "as many as heads"; a key left out means the class's own number.
    const bool named = text_.value().contains("num_key_value_heads") || row_->kv_heads == 0;
    out_.kv_heads =
        text_.integer_or("num_key_value_heads", named ? out_.heads : row_->kv_heads, 1, kMaxWidth);
    if (out_.heads % out_.kv_heads != 0)
      text_.fail("num_key_value_heads", "expected a divisor of the " + std::to_string(out_.heads) +
                                            " heads, found " + std::to_string(out_.kv_heads));
    const bool own_head_dim = text_.has("head_dim") || row_->head_dim != 0;
    if (!own_head_dim && out_.width % out_.heads != 0)
      text_.fail("num_attention_heads", "expected a divisor of hidden_size " + std::to_string(out_.width) +
                                            ", found " + std::to_string(out_.heads));
    out_.head_dim =
        text_.integer_or("head_dim", own_head_dim ? row_->head_dim : out_.width / out_.heads, 1, kMaxWidth);
    check_product("head_dim", out_.heads, out_.head_dim);
    context_ = text_.integer_or("max_position_embeddings", row_->context, 1, kMaxContext);

    count("block_count", out_.layers);
    count("context_length", context_);
    count("embedding_length", out_.width);
    count("feed_forward_length", ffn);
    count("attention.head_count", out_.heads);
    count("attention.head_count_kv", out_.kv_heads);
    if (own_head_dim) {
      count("attention.key_length", out_.head_dim);
      count("attention.value_length", out_.head_dim);
    }
    const bool layer_norm = row_->family == HfFamily::kPhi2;
    number(layer_norm ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon",
           text_.number_or(layer_norm ? "layer_norm_eps" : "rms_norm_eps", row_->norm_eps));
    if (text_.has("vocab_size")) count("vocab_size", text_.integer("vocab_size", 1, 1 << 24));
  }

  // So many heads of so many dimensions must be a width that a model can have.
  void check_product(const std::string& key, std::int64_t heads, std::int64_t dims) const {
    if (heads * dims > kMaxWidth)
      text_.fail(key, std::to_string(heads) + " heads of " + std::to_string(dims) +
                          " dimensions are more than " + std::to_string(kMaxWidth));
  }

  // Layer i is full when (i + 1) % interval == 0.
  std::vector<bool> every(std::int64_t interval) const {
    std::vector<bool> full(static_cast<std::size_t>(out_.layers));
    for (std::size_t i = 0; i < full.size(); ++i)
      full[i] = (static_cast<std::int64_t>(i) + 1) % interval == 0;
    return full;
  }

  // Which layers have full attention: what `layer_types` says; `full` when it is absent.
  std::vector<bool> layer_types(std::vector<bool> full, const char* other) const {
    if (!text_.has("layer_types")) return full;
    const std::vector<std::string> types = text_.texts("layer_types");
    if (types.size() != full.size())
      text_.fail("layer_types", "expected one for each of the " + std::to_string(out_.layers) +
                                    " layers, found " + std::to_string(types.size()));
    for (std::size_t i = 0; i < types.size(); ++i) {
      if (types[i] != "full_attention" && types[i] != other)
        text_.fail("layer_types", std::string("expected full_attention or ") + other + ", found '" +
                                      printable(types[i]) + "'");
      full[i] = types[i] == "full_attention";
    }
    return full;
  }

  // One flag a layer: whether it is not full.
  void flags(const std::string& key, const std::vector<bool>& full) {
    auto out = std::make_shared<GgufArray>();
    for (const bool is_full : full) out->push_back(gguf_bool(!is_full));
    out_.metadata.emplace_back(
        out_.architecture + "." + key,
        GgufValue{kGgufArray, std::shared_ptr<const GgufArray>(std::move(out)), kGgufBool});
  }

  void read_attention_window() {
    switch (row_->family) {
      case HfFamily::kLlama:
        if (out_.model_type != "mistral") return;
        // The class assumes a window where the key is left out; null says none.
        if (text_.has("sliding_window") || !text_.value().contains("sliding_window"))
          count("attention.sliding_window", text_.integer_or("sliding_window", 4096, 1, kMaxContext));
        return;
      case HfFamily::kPhi3:
        if (text_.has("sliding_window"))
          count("attention.sliding_window", text_.integer("sliding_window", 1, kMaxContext));
        return;
      case HfFamily::kQwen2:
      case HfFamily::kQwen3: {
        std::vector<bool> full(static_cast<std::size_t>(out_.layers), true);
        const bool windows = text_.flag_or("use_sliding_window", false) &&
                             (text_.has("sliding_window") || !text_.value().contains("sliding_window"));
        const std::int64_t first = text_.integer_or("max_window_layers", 28, 0, kMaxLayers);
        if (windows)
          for (std::size_t i = static_cast<std::size_t>(first); i < full.size(); ++i) full[i] = false;
        write_windows(layer_types(std::move(full), "sliding_attention"), 0);
        return;
      }
      case HfFamily::kGemma2:
      case HfFamily::kGemma3: {
        const std::int64_t usual = row_->family == HfFamily::kGemma2 ? 2 : 6;
        const std::int64_t stated = text_.integer_or("sliding_window_pattern", usual, 1, kMaxLayers);
        write_windows(layer_types(every(stated), "sliding_attention"), usual);
        return;
      }
      case HfFamily::kPhi2:
      case HfFamily::kQwen35:
        return;
    }
  }

  // `usual`: the interval of full layers that a reader of GGUF assumes; 0: windows in all layers.
  void write_windows(const std::vector<bool>& full, std::int64_t usual) {
    const bool any = std::find(full.begin(), full.end(), false) != full.end();
    if (!any && usual == 0) return;
    count("attention.sliding_window", any ? text_.integer_or("sliding_window", 4096, 1, kMaxContext) : 0);
    if (any && full != (usual == 0 ? std::vector<bool>(full.size()) : every(usual)))
      flags("attention.sliding_window_pattern", full);
  }

  void write_rope() {
    const HfRope& rope = *rope_;
    const double dims = static_cast<double>(out_.head_dim) * rope.partial_rotary;
    const auto rope_dims = static_cast<std::int64_t>(dims);
    if (rope_dims < 2 || rope_dims > out_.head_dim || rope_dims % 2 != 0)
      text_.fail("partial_rotary_factor", "expected an even number of rotated dimensions up to " +
                                              std::to_string(out_.head_dim) + ", found " +
                                              std::to_string(dims));
    count("rope.dimension_count", rope_dims);
    number("rope.freq_base", rope.theta);
    switch (rope.kind) {
      case HfRope::Kind::kDefault:
        break;
      case HfRope::Kind::kLinear:
        out_.metadata.emplace_back(out_.architecture + ".rope.scaling.type", gguf_text("linear"));
        number("rope.scaling.factor", rope.factor);
        break;
      case HfRope::Kind::kLlama3:
        if (row_->family != HfFamily::kLlama)
          rope.fail("rope_type", "llama3 scaling is known for llama only");
        out_.tensors.emplace_back("rope_freqs.weight", llama3_rope_factors(rope, rope_dims));
        break;
      case HfRope::Kind::kLong:
        if (row_->family != HfFamily::kPhi3)
          rope.fail("rope_type", "longrope scaling is known for phi3 only");
        for (const auto& [key, list] :
             {std::pair("long_factor", &rope.long_factors), std::pair("short_factor", &rope.short_factors)})
          if (static_cast<std::int64_t>(list->size()) != rope_dims / 2)
            rope.fail(key, "expected " + std::to_string(rope_dims / 2) + " numbers, found " +
                               std::to_string(list->size()));
        number("rope.scaling.attn_factor", rope.attention_factor);
        out_.tensors.emplace_back("rope_factors_long.weight", rope.long_factors);
        out_.tensors.emplace_back("rope_factors_short.weight", rope.short_factors);
        break;
    }
    if (row_->family == HfFamily::kPhi3) count("rope.scaling.original_context_length", rope.original_context);
  }

  void write_gemma() {
    const bool second = row_->family == HfFamily::kGemma2;
    if (const double cap = text_.value().contains("attn_logit_softcapping")
                               ? text_.number_or("attn_logit_softcapping", 0)
                               : (second ? 50.0 : 0.0);
        cap != 0)
      number("attn_logit_softcapping", cap);
    if (const double cap = text_.value().contains("final_logit_softcapping")
                               ? text_.number_or("final_logit_softcapping", 0)
                               : (second ? 30.0 : 0.0);
        cap != 0)
      number("final_logit_softcapping", cap);
    if (!second && rope_->local_theta != 10000) number("rope.freq_base_swa", rope_->local_theta);
    // GGUF leaves the query scale to the reader: one head's size, or width / heads in the 27B models, which
    // are known by their layers (llama.cpp, src/models/gemma2.cpp and gemma3.cpp).
    const double scalar = text_.number_or("query_pre_attn_scalar", 256);
    if (!(scalar > 0)) text_.fail("query_pre_attn_scalar", "expected a positive number");
    const bool largest = out_.layers == (second ? 46 : 62);
    const double assumed = static_cast<double>(largest ? out_.width / out_.heads : out_.head_dim);
    if (scalar != assumed) number("attention.scale", 1 / std::sqrt(scalar));
  }

  void write_qwen35() {
    out_.key_heads = text_.integer_or("linear_num_key_heads", 16, 1, kMaxWidth);
    out_.value_heads = text_.integer_or("linear_num_value_heads", 32, 1, kMaxWidth);
    out_.key_head_dim = text_.integer_or("linear_key_head_dim", 128, 1, 4096);
    out_.value_head_dim = text_.integer_or("linear_value_head_dim", 128, 1, 4096);
    check_product("linear_key_head_dim", out_.key_heads, out_.key_head_dim);
    check_product("linear_value_head_dim", out_.value_heads, out_.value_head_dim);
    if (out_.value_heads % out_.key_heads != 0)
      text_.fail("linear_num_value_heads", "expected a multiple of the " + std::to_string(out_.key_heads) +
                                               " key heads, found " + std::to_string(out_.value_heads));
    if (out_.value_head_dim != out_.key_head_dim)
      text_.fail("linear_value_head_dim", "expected the length of a key, " +
                                              std::to_string(out_.key_head_dim) + ", found " +
                                              std::to_string(out_.value_head_dim));
    if (!text_.flag_or("attn_output_gate", true))
      text_.fail("attn_output_gate", "this build computes qwen3_5 with the gate only, found false");
    const std::int64_t interval = text_.integer_or("full_attention_interval", 4, 1, kMaxLayers);
    count("ssm.conv_kernel", text_.integer_or("linear_conv_kernel_dim", 4, 1, 64));
    count("ssm.state_size", out_.key_head_dim);
    count("ssm.group_count", out_.key_heads);
    count("ssm.time_step_rank", out_.value_heads);
    count("ssm.inner_size", out_.value_heads * out_.value_head_dim);
    if (text_.has("layer_types"))
      flags("attention.recurrent_layers", layer_types(every(interval), "linear_attention"));
    count("full_attention_interval", interval);
    // Three axes of position that coincide in text; the fourth is not used.
    out_.metadata.emplace_back(out_.architecture + ".rope.dimension_sections",
                               gguf_i32s(rope_->mrope_sections));
  }

  JsonView root_, text_;
  const HfFamilyRow* row_ = nullptr;
  HfConfig out_;
  std::int64_t context_ = 0;
  std::optional<HfRope> rope_;
};

}  // namespace

HfConfig parse_hf_config(const json& root, const std::string& file) {
  return ConfigReader(root, file).read();
}

HfConfig read_hf_config(const std::string& path) {
  return parse_hf_config(read_json_object(path, kMaxConfig), path);
}

}  // namespace brinkmap::worker
