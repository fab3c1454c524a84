#include "worker/tokenizer_vocab.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "schedule/error.h"
#include "worker/gguf_parse.h"

namespace brinkmap::worker {

namespace {

constexpr const char* kTokens = "tokenizer.ggml.tokens";
constexpr const char* kTypes = "tokenizer.ggml.token_type";

// Texts that end a generation whatever the file says about them (llama.cpp, src/llama-vocab.cpp: its list of
// end-of-generation texts). They also count as control tokens there, so here too.
constexpr std::array<std::string_view, 8> kEndTexts{"<|eot_id|>",    "<|im_end|>", "<|end|>", "<end_of_turn>",
                                                    "<|endoftext|>", "<|eom_id|>", "<EOT>",   "_<EOT>"};

std::string index(const char* key, std::size_t i) {
  return "metadata key '" + std::string(key) + "', index " + std::to_string(i);
}

// Bytes of the white space that starts at text[at]; 0 when none does. `unicode`: beyond ASCII too.
std::size_t space_length(std::string_view text, std::size_t at, bool unicode) {
  if (text[at] == ' ' || (text[at] >= '\t' && text[at] <= '\r')) return 1;
  if (!unicode) return 0;
  static constexpr std::array<std::string_view, 8> kSpaces{"\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80",
                                                           "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf",
                                                           "\xe2\x81\x9f", "\xe3\x80\x80"};
  const std::string_view rest = text.substr(at);
  for (const std::string_view space : kSpaces)
    if (rest.starts_with(space)) return space.size();
  return rest.size() > 2 && rest.starts_with("\xe2\x80") && static_cast<unsigned char>(rest[2]) <= 0x8a ? 3
                                                                                                        : 0;
}

// A list of token ids; empty when the key is absent.
std::vector<std::int32_t> listed_ids(const Checkpoint& file, const char* key, int tokens) {
  std::vector<std::int32_t> ids;
  if (!file.has(key)) return ids;
  for (const std::int64_t id : file.integers(key)) {
    if (id < 0 || id >= tokens)
      throw InputError(file.path(), index(key, ids.size()),
                       "expected a token below " + std::to_string(tokens) + ", found " + std::to_string(id));
    ids.push_back(static_cast<std::int32_t>(id));
  }
  return ids;
}

}  // namespace

std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : static_cast<unsigned char>(0);
  };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xc2 && lead <= 0xdf   ? 2
                             : lead >= 0xe0 && lead <= 0xef ? 3
                             : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                            : 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  const unsigned char second = byte(1);
  const bool allowed = !(lead == 0xe0 && second < 0xa0) && !(lead == 0xed && second > 0x9f) &&
                       !(lead == 0xf0 && second < 0x90) && !(lead == 0xf4 && second > 0x8f);
  return allowed ? length : 0;
}

Vocab::Vocab(const Checkpoint& file, const Defaults& defaults) {
  texts_ = file.texts(kTokens);
  if (texts_.empty())
    throw InputError(file.path(), std::string("metadata key '") + kTokens + "'", "is empty");
  types_.assign(texts_.size(), TokenType::kNormal);
  if (file.has(kTypes)) {
    const std::vector<std::int64_t> types = file.integers(kTypes);
    if (types.size() != texts_.size())
      throw InputError(file.path(), std::string("metadata key '") + kTypes + "'",
                       "expected one type for each of the " + std::to_string(texts_.size()) +
                           " tokens, found " + std::to_string(types.size()));
    for (std::size_t i = 0; i < types.size(); ++i) {
      if (types[i] < 0 || types[i] > 6)
        throw InputError(file.path(), index(kTypes, i), "expected 0 to 6, found " + std::to_string(types[i]));
      types_[i] = static_cast<TokenType>(types[i]);
    }
  }
  ids_.reserve(texts_.size());
  for (std::size_t i = 0; i < texts_.size(); ++i) {
    // Some vocabularies are padded with empty texts; llama.cpp gives each a name of its own.
    if (texts_[i].empty()) texts_[i] = "[EMPTY_" + std::to_string(i) + "]";
    const auto [it, inserted] = ids_.emplace(texts_[i], static_cast<std::int32_t>(i));
    if (!inserted)
      throw InputError(file.path(), index(kTokens, i),
                       "token '" + printable(texts_[i]) + "' is already index " + std::to_string(it->second));
    longest_ = std::max(longest_, texts_[i].size());
  }
  read_special_ids(file, defaults);
  mark_special_tokens(file);
}

void Vocab::read_special_ids(const Checkpoint& file, const Defaults& defaults) {
  const auto id = [&](const char* name, std::int32_t fallback) {
    const std::string key = std::string("tokenizer.ggml.") + name + "_token_id";
    if (!file.has(key)) return fallback < size() ? fallback : -1;
    const std::int64_t value = file.integer(key);
    // Some converters write -1 or 2^32 - 1 for "none".
    if (value == -1 || value == 0xffffffff) return -1;
    if (value < 0 || value >= size())
      throw InputError(
          file.path(), "metadata key '" + key + "'",
          "expected a token below " + std::to_string(size()) + ", found " + std::to_string(value));
    return static_cast<std::int32_t>(value);
  };
  bos = id("bos", defaults.bos);
  eos = id("eos", defaults.eos);
  unknown = id("unknown", defaults.unknown);
  add_bos = file.flag_or("tokenizer.ggml.add_bos_token", defaults.add_bos);
  add_eos = file.flag_or("tokenizer.ggml.add_eos_token", false);
  for (const auto& [add, token, name] : {std::tuple(add_bos, bos, "bos"), std::tuple(add_eos, eos, "eos")})
    if (add && token < 0)
      throw InputError(file.path(), std::string("metadata key 'tokenizer.ggml.") + name + "_token_id'",
                       "is missing, but the vocabulary asks for that token to be added");
  for (std::int32_t token : {eos, id("eot", -1), id("eom", -1)})
    if (token >= 0) ends_.push_back(token);
  for (const std::int32_t token : listed_ids(file, kEndTokensKey, size())) ends_.push_back(token);
}

void Vocab::mark_special_tokens(const Checkpoint& file) {
  for (std::string_view text : kEndTexts)
    if (const std::int32_t id = find(text); id >= 0) {
      ends_.push_back(id);
      types_[static_cast<std::size_t>(id)] = TokenType::kControl;
    }
  std::sort(ends_.begin(), ends_.end());
  for (std::int32_t id = 0; id < size(); ++id)
    if (special(id)) special_lengths_[static_cast<unsigned char>(text(id)[0])].push_back(text(id).size());
  for (auto& lengths : special_lengths_) {
    std::sort(lengths.rbegin(), lengths.rend());
    lengths.erase(std::unique(lengths.begin(), lengths.end()), lengths.end());
  }
  mark_stripping_tokens(file);
}

void Vocab::mark_stripping_tokens(const Checkpoint& file) {
  strips_right_.assign(texts_.size(), false);
  if (file.has(kStripRightKey)) {
    unicode_spaces_ = true;
    for (const std::int32_t id : listed_ids(file, kStripRightKey, size()))
      strips_right_[static_cast<std::size_t>(id)] = true;
    return;
  }
  // llama.cpp knows the Phi-3 family by its name: there, special tokens swallow the white space that follows.
  std::string name = file.text_or("general.name", "");
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (name.find("phi-3") == std::string::npos && name.find("phi3") == std::string::npos) return;
  for (std::int32_t id = 0; id < size(); ++id)
    strips_right_[static_cast<std::size_t>(id)] =
        special(id) && text(id) != "<unk>" && text(id) != "<s>" && text(id) != "<|endoftext|>";
}

bool Vocab::special(std::int32_t id) const {
  return type(id) == TokenType::kControl || type(id) == TokenType::kUserDefined ||
         type(id) == TokenType::kUnknown;
}

std::int32_t Vocab::find(std::string_view text) const {
  const auto it = ids_.find(text);
  return it == ids_.end() ? -1 : it->second;
}

bool Vocab::is_end(std::int32_t id) const noexcept {
  return std::binary_search(ends_.begin(), ends_.end(), id);
}

void Vocab::check(std::int32_t id) const {
  if (id < 0 || id >= size())
    throw Error("token " + std::to_string(id) + " is outside the vocabulary of " + std::to_string(size()));
}

std::vector<Fragment> Vocab::split(std::string_view text, bool parse_special) const {
  std::vector<Fragment> fragments;
  const auto token_at = [&](std::string_view rest) {
    for (const std::size_t length : special_lengths_[static_cast<unsigned char>(rest[0])]) {
      if (length > rest.size()) continue;
      const std::int32_t id = find(rest.substr(0, length));
      if (id >= 0 && special(id) && (parse_special || type(id) == TokenType::kUserDefined)) return id;
    }
    return std::int32_t{-1};
  };
  std::size_t begin = 0;  // of the plain text that is open
  for (std::size_t at = 0; at < text.size();) {
    const std::int32_t id = token_at(text.substr(at));
    if (id < 0) {
      ++at;
      continue;
    }
    if (at > begin) fragments.push_back({text.substr(begin, at - begin)});
    fragments.push_back({{}, id});
    at += this->text(id).size();
    if (strips_right_[static_cast<std::size_t>(id)])
      for (std::size_t n = 1; n != 0 && at < text.size(); at += n)
        n = space_length(text, at, unicode_spaces_);
    begin = at;
  }
  if (begin < text.size()) fragments.push_back({text.substr(begin)});
  return fragments;
}

std::string to_nfc(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    while (at < text.size() && utf8_length(text, at) != 0) at += utf8_length(text, at);
    if (at > begin) {
      utf8proc_uint8_t* composed = nullptr;
      const utf8proc_ssize_t n =
          utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + begin),
                       static_cast<utf8proc_ssize_t>(at - begin), &composed,
                       static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
      if (n < 0) throw Error(std::string("composing a text: ") + utf8proc_errmsg(n));
      out.append(reinterpret_cast<const char*>(composed), static_cast<std::size_t>(n));
      std::free(composed);
    }
    for (; at < text.size() && utf8_length(text, at) == 0; ++at) out += text[at];
  }
  return out;
}

}  // namespace brinkmap::worker
