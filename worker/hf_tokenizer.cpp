#include "worker/hf_tokenizer.h"

#include <algorithm>
#include <filesystem>

#include "schedule/error.h"
#include "worker/gguf_parse.h"
#include "worker/hf_tokenizer_tables.h"
#include "worker/mapped_file.h"

namespace brinkmap::worker {

namespace {

using nlohmann::json;

constexpr std::size_t kLongestTokenizer = std::size_t{1} << 28;
constexpr std::size_t kLongestConfig = std::size_t{1}
                                       << 24;  // a tokenizer_config.json lists thousands of tokens
constexpr std::size_t kLongestTemplate = std::size_t{1} << 20;
constexpr std::uint32_t kNoToken = 0xffffffff;  // how GGUF files say that there is none

constexpr const char* kTokenizerFile = "tokenizer.json";
constexpr const char* kConfigFile = "tokenizer_config.json";
constexpr const char* kGenerationFile = "generation_config.json";
constexpr const char* kModelFile = "config.json";
constexpr const char* kTemplateFile = "chat_template.jinja";
constexpr const char* kTemplateJson = "chat_template.json";

// A JSON file of the folder that may be absent.
struct ConfigFile {
  std::string path;
  json value;
  JsonView view;

  ConfigFile(const std::string& folder, const char* name)
      : path(folder + "/" + name),
        value(std::filesystem::exists(path) ? read_json_object(path, kLongestConfig) : json::object()),
        view(value, path) {}
  ConfigFile(const ConfigFile&) = delete;  // the view points into the value
  ConfigFile& operator=(const ConfigFile&) = delete;
};

class Reader {
 public:
  Reader(const std::string& folder, CheckpointParts& parts)
      : folder_(folder), parts_(parts), config_(folder, kConfigFile) {}

  void run() {
    const std::string path = folder_ + "/" + kTokenizerFile;
    if (!std::filesystem::exists(path))
      throw InputError(path, "",
                       "is missing: a folder needs it for its tokenizer (tokenizer.model is not read)");
    const json root = read_json_object(path, kLongestTokenizer);
    const JsonView tokenizer(root, path);
    kind_ = read_hf_tokenizer_kind(tokenizer);
    t_ = read_hf_tokenizer_tables(tokenizer, kind_, rows());
    add_tables();
    add_special_tokens(tokenizer);
    add_end_tokens();
    add_template();
  }

 private:
  void add(const std::string& key, GgufValue value) {
    if (parts_.metadata.emplace(key, std::move(value)).second) parts_.keys.push_back(key);
  }

  std::int64_t rows() const {
    for (const GgufTensor& tensor : parts_.tensors)
      if (tensor.name == "token_embd.weight" && tensor.shape.size() == 2) return tensor.shape[1];
    return 0;
  }

  void add_tables() {
    std::vector<std::int32_t> types;
    for (const TokenType type : t_.types) types.push_back(static_cast<std::int32_t>(type));
    add("tokenizer.ggml.model", gguf_text(kind_.byte_level ? "gpt2" : "llama"));
    add("tokenizer.ggml.pre", gguf_text(kind_.byte_level ? kind_.pre : "default"));
    add("tokenizer.ggml.tokens", gguf_texts(t_.tokens));
    if (!kind_.byte_level) add("tokenizer.ggml.scores", gguf_f32s(t_.scores));
    add("tokenizer.ggml.token_type", gguf_i32s(types));
    add("tokenizer.ggml.merges", gguf_texts(t_.merges));
    add(kStripRightKey, gguf_i32s(t_.strips_right));
    if (kind_.byte_level) {
      add(kIgnoreMergesKey, gguf_bool(kind_.ignore_merges));
      if (kind_.nfc) add(kNormalizerKey, gguf_text("nfc"));
    } else {
      add("tokenizer.ggml.add_space_prefix", gguf_bool(kind_.space_prefix != "none"));
      add(kRankedMergesKey, gguf_bool(true));
      add(kSpacePrefixKey, gguf_text(kind_.space_prefix));
    }
  }

  // The text of bos_token and its like: a text, or an object with "content"; null: none.
  std::string named_token(const std::string& key) const {
    if (!config_.view.has(key)) return "";
    const json& value = config_.view[key];
    return value.is_object() ? config_.view.object(key).text("content") : config_.view.text(key);
  }

  // Id of the special token `name`, which the post-processor puts at a text's end when `added` is not empty.
  std::int32_t special_id(const JsonView& tokenizer, const std::string& name,
                          const std::string& added) const {
    std::string text = named_token(name);
    if (!added.empty() && !text.empty() && added != text)
      tokenizer.fail("post_processor", "expected the " + name + " '" + printable(text) + "' of " +
                                           config_.path + ", found '" + printable(added) + "'");
    if (text.empty()) text = added;
    if (text.empty()) return -1;
    const std::int32_t id = t_.find(text);
    if (id < 0) throw InputError(config_.path, "key '" + name + "'", "'" + printable(text) + "' is no token");
    return id;
  }

  void add_special_tokens(const JsonView& tokenizer) {
    // transformers builds the post-processor of these classes anew, from the flags alone.
    const std::string name = config_.view.text_or("tokenizer_class", "");
    const bool by_flags =
        name.starts_with("Llama") || name.starts_with("CodeLlama") || name.starts_with("Gemma");
    const auto adds = [&](const char* key, const std::string& token) {
      return by_flags && config_.view.has(key) ? config_.view.flag_or(key, false) : !token.empty();
    };
    const std::int32_t bos = special_id(tokenizer, "bos_token", kind_.first_token);
    eos_ = special_id(tokenizer, "eos_token", kind_.last_token);
    const auto id = [&](const char* key, std::int32_t token) {
      add(std::string("tokenizer.ggml.") + key + "_token_id",
          gguf_u32(token < 0 ? kNoToken : static_cast<std::uint32_t>(token)));
    };
    id("bos", bos);
    id("eos", eos_);
    if (!kind_.byte_level) {
      const auto unknown = std::find(t_.types.begin(), t_.types.end(), TokenType::kUnknown);
      id("unknown", unknown == t_.types.end() ? -1 : static_cast<std::int32_t>(unknown - t_.types.begin()));
    }
    const std::int32_t pad = t_.find(named_token("pad_token"));  // one that is no token is never met
    if (pad >= 0) id("padding", pad);
    const auto flag = [&](const char* key, const char* token, bool asked, std::int32_t id_of) {
      if (asked && id_of < 0)
        throw InputError(config_.path, std::string("key '") + key + "'", std::string("there is no ") + token);
      add(std::string("tokenizer.ggml.") + key, gguf_bool(asked));
    };
    flag("add_bos_token", "bos_token", adds("add_bos_token", kind_.first_token), bos);
    flag("add_eos_token", "eos_token", adds("add_eos_token", kind_.last_token), eos_);
  }

  // eos_token_id of a configuration: an id or a list of them.
  std::vector<std::int32_t> end_ids(const JsonView& view) const {
    std::vector<std::int32_t> ids;
    if (!view.has("eos_token_id")) return ids;
    const json& value = view["eos_token_id"];
    const auto take = [&](const json& id) {
      if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= t_.tokens.size())
        view.fail("eos_token_id",
                  "expected ids below " + std::to_string(t_.tokens.size()) + ", found " + printable_json(id));
      ids.push_back(id.get<std::int32_t>());
    };
    if (value.is_array())
      for (const json& id : value) take(id);
    else
      take(value);
    return ids;
  }

  void add_end_tokens() {
    const ConfigFile generation(folder_, kGenerationFile);
    const ConfigFile model(folder_, kModelFile);
    std::vector<std::int32_t> ids = end_ids(generation.view);
    if (!generation.view.has("eos_token_id")) {
      ids = end_ids(model.view);
      if (ids.empty() && model.view.has("text_config")) ids = end_ids(model.view.object("text_config"));
    }
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    add(kEndTokensKey, gguf_i32s(ids));
  }

  // transformers prefers the file to the key. A list of templates has names; "default" is the one that is
  // used.
  void add_template() {
    const std::string path = folder_ + "/" + kTemplateFile;
    if (std::filesystem::exists(path)) {
      const auto file = MappedFile::open(path, "a chat template");
      if (file->bytes().size() > kLongestTemplate) throw InputError(path, "", "expected at most 2^20 bytes");
      add("tokenizer.chat_template",
          gguf_text({reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()}));
      return;
    }
    const ConfigFile other(folder_, kTemplateJson);
    const JsonView& view = config_.view.has("chat_template") ? config_.view : other.view;
    if (!view.has("chat_template")) return;
    const json& value = view["chat_template"];
    if (!value.is_array()) {
      add("tokenizer.chat_template", gguf_text(view.text("chat_template")));
      return;
    }
    for (std::size_t i = 0; i < value.size(); ++i) {
      const JsonView one(value[i], view.file(), "chat_template[" + std::to_string(i) + "]");
      const std::string name = one.text("name");
      add(name == "default" ? "tokenizer.chat_template" : "tokenizer.chat_template." + name,
          gguf_text(one.text("template")));
    }
  }

  std::string folder_;
  CheckpointParts& parts_;
  ConfigFile config_;
  HfTokenizerKind kind_;
  HfTokenizerTables t_;
  std::int32_t eos_ = -1;
};

}  // namespace

void add_hf_tokenizer(const std::string& folder, CheckpointParts& parts) { Reader(folder, parts).run(); }

std::vector<std::string> hf_tokenizer_files(const std::string& folder) {
  std::vector<std::string> names;
  for (const char* name : {kTemplateFile, kTemplateJson, kGenerationFile, kTokenizerFile, kConfigFile})
    if (std::filesystem::exists(std::filesystem::path(folder) / name)) names.emplace_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace brinkmap::worker
