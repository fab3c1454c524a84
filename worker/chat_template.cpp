#include "worker/chat_template.h"

#include <array>

#include "schedule/error.h"
#include "worker/gguf_parse.h"
#include "worker/jinja_eval.h"
#include "worker/jinja_parser.h"

namespace brinkmap::worker {

namespace {

constexpr const char* kKey = "tokenizer.chat_template";
// Stands for the prompt while a template is rendered. Letters only, so that no escape changes it.
constexpr std::string_view kSlot = "BrinkmapPromptSlot";

using Entries = std::vector<std::pair<std::string, jinja::Value>>;

[[noreturn]] void refuse(const Checkpoint& file, const std::string& what) {
  throw InputError(file.path(), std::string("metadata key '") + kKey + "'", what);
}

template <class Call>
auto with_place(const std::string& file, const Call& call) {
  try {
    return call();
  } catch (const jinja::TemplateError& e) {
    throw InputError(file, "chat template, line " + std::to_string(e.line()), e.what());
  }
}

// Special tokens as transformers passes them, by their texts.
void add_special_tokens(const Checkpoint& file, Entries& variables) {
  const auto it = file.metadata().find("tokenizer.ggml.tokens");
  if (it == file.metadata().end()) return;
  const auto* tokens = std::get_if<std::shared_ptr<const GgufArray>>(&it->second.value);
  if (tokens == nullptr) return;
  static constexpr std::array<std::array<const char*, 2>, 4> kNames{
      {{"bos", "bos_token"}, {"eos", "eos_token"}, {"unknown", "unk_token"}, {"padding", "pad_token"}}};
  for (const auto& [key, variable] : kNames) {
    const std::int64_t id = file.integer_or(std::string("tokenizer.ggml.") + key + "_token_id", -1);
    if (id < 0 || id >= static_cast<std::int64_t>((*tokens)->size())) continue;
    if (const auto* text = std::get_if<std::string>(&(**tokens)[static_cast<std::size_t>(id)].value))
      variables.emplace_back(variable, jinja::Value(*text));
  }
}

jinja::Dict variables_for(const Entries& special_tokens, std::string content) {
  jinja::Dict variables;
  const jinja::Value message =
      jinja::make_dict({{"role", jinja::Value("user")}, {"content", jinja::Value(std::move(content))}}, 1);
  variables.entries = special_tokens;
  variables.entries.emplace_back("messages", jinja::make_list({message}, 1));
  variables.entries.emplace_back("tools", jinja::Value(jinja::None{}));
  variables.entries.emplace_back("documents", jinja::Value(jinja::None{}));
  variables.entries.emplace_back("add_generation_prompt", jinja::Value(true));
  variables.entries.emplace_back("enable_thinking", jinja::Value(false));
  return variables;
}

}  // namespace

std::string render_chat_template(const std::string& file, std::string_view source,
                                 const jinja::Dict& variables) {
  return with_place(file, [&] { return jinja::render(*jinja::parse(source), variables); });
}

PromptTemplate chat_prompt_template(const Checkpoint& file) {
  if (!file.has(kKey))
    refuse(file, "is missing: this model has no chat template; give one as text with {prompt}");
  const std::string& source = file.text(kKey);
  Entries special_tokens;
  add_special_tokens(file, special_tokens);
  const jinja::NodePtr tree = with_place(file.path(), [&] { return jinja::parse(source); });
  const auto render = [&](std::string content) {
    return with_place(
        file.path(), [&] { return jinja::render(*tree, variables_for(special_tokens, std::move(content))); });
  };

  const std::string slot(kSlot);
  const std::string plain = render(slot);
  const std::size_t at = plain.find(slot);
  if (at == std::string::npos || plain.find(slot, at + 1) != std::string::npos)
    refuse(file, at == std::string::npos ? "does not print the user's message as it is"
                                         : "prints the user's message twice");
  PromptTemplate chat{plain.substr(0, at), plain.substr(at + slot.size()), true, false};

  constexpr const char* kLeft = "\n\t ";
  constexpr const char* kRight = " \n";
  const std::string spaced = render(kLeft + slot + kRight);
  chat.trims = spaced == plain;
  if (!chat.trims && spaced != chat.before + kLeft + slot + kRight + chat.after)
    refuse(file, "changes a message in another way than trimming it");
  return chat;
}

PromptTemplate prompt_template(const Checkpoint& file, const std::string& spec) {
  return spec == schedule::kChatTemplate ? chat_prompt_template(file) : text_template(spec);
}

std::string_view chat_template_kind(const PromptTemplate& chat) {
  static constexpr std::array<std::array<std::string_view, 2>, 5> kMarks{{{"<|im_start|>", "chatml"},
                                                                          {"<|start_header_id|>", "llama-3"},
                                                                          {"<start_of_turn>", "gemma"},
                                                                          {"[INST]", "inst"},
                                                                          {"<|user|>", "user-tag"}}};
  for (const auto& [mark, name] : kMarks)
    if (chat.before.find(mark) != std::string::npos) return name;
  return "other";
}

}  // namespace brinkmap::worker
