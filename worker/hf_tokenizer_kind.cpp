#include "worker/hf_tokenizer_kind.h"

#include <array>
#include <vector>

namespace brinkmap::worker {

namespace {

using nlohmann::json;

constexpr const char* kSpace = "\xe2\x96\x81";  // U+2581

// The expressions belong to the models; these are the texts by which their files are recognised.
struct KnownSplit {
  const char* regex;
  const char* pre;
};
constexpr std::array<KnownSplit, 3> kSplits{{
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "llama-bpe"},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "qwen2"},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "qwen35"},
}};

std::string type_of(const json& step) {
  const auto it = step.is_object() ? step.find("type") : step.end();
  return it == step.end() || !it->is_string() ? "" : it->get<std::string>();
}

// A component of the file as a list of steps: none for null, the parts of a Sequence.
std::vector<json> steps_of(const JsonView& tokenizer, const std::string& key, const char* parts) {
  std::vector<json> steps;
  if (!tokenizer.has(key)) return steps;
  const json& component = tokenizer[key];
  if (type_of(component) != "Sequence") return {component};
  const auto list = component.find(parts);
  if (list == component.end() || !list->is_array())
    tokenizer.fail(key, std::string("expected a list '") + parts + "'");
  for (const json& step : *list) steps.push_back(step);
  return steps;
}

// Whether an object has this value under this key.
bool has(const json& step, const char* key, const json& value) {
  return step.is_object() && step.contains(key) && step[key] == value;
}

[[noreturn]] void unknown(const JsonView& tokenizer, const std::string& key, const json& found,
                          const char* known) {
  std::string text = found.dump(-1, ' ', false, json::error_handler_t::replace);
  constexpr std::size_t kMost = 400;
  if (text.size() > kMost) text = text.substr(0, kMost) + "...";
  tokenizer.fail(key, std::string("expected ") + known + ", found " + text);
}

const json& whole(const JsonView& tokenizer, const std::string& key) {
  static const json none;
  return tokenizer.has(key) ? tokenizer[key] : none;
}

void read_byte_level(const JsonView& t, HfTokenizerKind& kind) {
  constexpr const char* kKnown =
      "the pre-tokenizer of GPT-2 (ByteLevel), SmolLM (Digits, ByteLevel), Llama 3, Qwen2 or Qwen3.5 (Split, "
      "ByteLevel)";
  const std::vector<json> steps = steps_of(t, "pre_tokenizer", "pretokenizers");
  const auto refuse = [&] { unknown(t, "pre_tokenizer", whole(t, "pre_tokenizer"), kKnown); };
  const json& last = steps.back();
  if (type_of(last) != "ByteLevel" || steps.size() > 2 || has(last, "add_prefix_space", true)) refuse();
  const bool regex = !has(last, "use_regex", false);
  if (steps.size() == 1) {
    if (!regex) refuse();
    kind.pre = "gpt-2";
  } else if (type_of(steps[0]) == "Digits") {
    if (!regex || !has(steps[0], "individual_digits", true)) refuse();
    kind.pre = "smollm";
  } else {
    if (regex || type_of(steps[0]) != "Split" || !has(steps[0], "behavior", "Isolated") ||
        has(steps[0], "invert", true))
      refuse();
    for (const KnownSplit& known : kSplits)
      if (has(steps[0], "pattern", json{{"Regex", known.regex}})) kind.pre = known.pre;
    if (kind.pre.empty()) refuse();
  }
  const std::vector<json> normalizers = steps_of(t, "normalizer", "normalizers");
  kind.nfc = normalizers.size() == 1 && type_of(normalizers[0]) == "NFC";
  if (!normalizers.empty() && !kind.nfc)
    unknown(t, "normalizer", t["normalizer"], "none or NFC before ByteLevel");
}

void read_sentencepiece(const JsonView& t, HfTokenizerKind& kind) {
  const std::vector<json> normalizers = steps_of(t, "normalizer", "normalizers");
  const std::vector<json> steps = steps_of(t, "pre_tokenizer", "pretokenizers");
  const auto replaces = [&](const json& step) {
    return type_of(step) == "Replace" && has(step, "pattern", json{{"String", " "}}) &&
           has(step, "content", kSpace);
  };
  const auto refuse_steps = [&](const char* known) {
    unknown(t, "pre_tokenizer", whole(t, "pre_tokenizer"), known);
  };
  if (normalizers.empty()) {
    constexpr const char* kKnown =
        "Metaspace with U+2581, without split, or a normalizer that writes spaces as U+2581";
    if (steps.size() != 1 || type_of(steps[0]) != "Metaspace" || !has(steps[0], "replacement", kSpace) ||
        !has(steps[0], "split", false))
      refuse_steps(kKnown);
    if (has(steps[0], "prepend_scheme", "first"))
      kind.space_prefix = "first-unless-space";
    else if (has(steps[0], "prepend_scheme", "always"))
      kind.space_prefix = "every-unless-space";
    else if (has(steps[0], "prepend_scheme", "never"))
      kind.space_prefix = "none";
    else
      refuse_steps(kKnown);
    return;
  }
  if (normalizers.size() == 1 && replaces(normalizers[0])) {
    kind.space_prefix = "none";
  } else if (normalizers.size() == 2 && type_of(normalizers[0]) == "Prepend" &&
             has(normalizers[0], "prepend", kSpace) && replaces(normalizers[1])) {
    kind.space_prefix = "every";
    kind.normalizer_adds_space = true;
  } else {
    unknown(t, "normalizer", t["normalizer"],
            "Replace of spaces by U+2581, with or without Prepend of U+2581");
  }
  // Gemma splits at spaces, of which the normalizer has left none.
  const bool idle =
      steps.empty() ||
      (steps.size() == 1 && type_of(steps[0]) == "Split" && has(steps[0], "pattern", json{{"String", " "}}) &&
       has(steps[0], "behavior", "MergedWithPrevious") && !has(steps[0], "invert", true));
  if (!idle) refuse_steps("none, or Split at spaces, after this normalizer");
}

void read_post_processor(const JsonView& t, HfTokenizerKind& kind) {
  constexpr const char* kKnown =
      "ByteLevel or a TemplateProcessing with at most one special token on each side";
  for (const json& step : steps_of(t, "post_processor", "processors")) {
    if (type_of(step) == "ByteLevel") continue;
    if (type_of(step) != "TemplateProcessing" || !step.contains("single") || !step["single"].is_array())
      unknown(t, "post_processor", step, kKnown);
    bool met_text = false;
    for (const json& part : step["single"]) {
      if (part.is_object() && part.contains("Sequence") && !met_text) {
        met_text = true;
        continue;
      }
      const json* special =
          part.is_object() && part.contains("SpecialToken") ? &part["SpecialToken"] : nullptr;
      std::string& token = met_text ? kind.last_token : kind.first_token;
      if (special == nullptr || !special->is_object() || !special->contains("id") ||
          !(*special)["id"].is_string() || !token.empty())
        unknown(t, "post_processor", step["single"], kKnown);
      token = (*special)["id"].get<std::string>();
    }
    if (!met_text) unknown(t, "post_processor", step["single"], kKnown);
  }
}

}  // namespace

HfTokenizerKind read_hf_tokenizer_kind(const JsonView& tokenizer) {
  HfTokenizerKind kind;
  const JsonView model = tokenizer.object("model");
  if (model.text_or("type", "BPE") != "BPE")
    model.fail("type", "expected BPE, found " + printable_json(model["type"]));
  if (model.number_or("dropout", 0) != 0) model.fail("dropout", "expected none: ids would be random");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (!model.text_or(key, "").empty())
      model.fail(key, "expected none, found " + printable_json(model[key]));
  const std::vector<json> steps = steps_of(tokenizer, "pre_tokenizer", "pretokenizers");
  for (const json& step : steps) kind.byte_level = kind.byte_level || type_of(step) == "ByteLevel";
  const bool fallback = model.flag_or("byte_fallback", false);
  kind.ignore_merges = model.flag_or("ignore_merges", false);
  if (kind.byte_level) {
    if (fallback) model.fail("byte_fallback", "expected false with the pre-tokenizer ByteLevel, found true");
    if (!model.text_or("unk_token", "").empty())
      model.fail("unk_token", "expected none with the pre-tokenizer ByteLevel, found " +
                                  printable_json(model["unk_token"]));
    read_byte_level(tokenizer, kind);
  } else {
    if (!fallback)
      model.fail("byte_fallback",
                 "expected true, or the pre-tokenizer ByteLevel: without either, texts have no ids");
    if (kind.ignore_merges) model.fail("ignore_merges", "expected false with byte_fallback, found true");
    read_sentencepiece(tokenizer, kind);
  }
  read_post_processor(tokenizer, kind);
  return kind;
}

}  // namespace brinkmap::worker
