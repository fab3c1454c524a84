#include "worker/hf_tokenizer_tables.h"

#include <algorithm>
#include <cstdio>
#include <unordered_set>

#include "worker/gguf_parse.h"

namespace brinkmap::worker {

namespace {

using nlohmann::json;

// Far above any vocabulary (Gemma 3 has 2^18).
constexpr std::int64_t kMostTokens = std::int64_t{1} << 22;

class Reader {
 public:
  Reader(const JsonView& tokenizer, const HfTokenizerKind& kind, std::int64_t rows)
      : tokenizer_(tokenizer), model_(tokenizer.object("model")), kind_(kind), rows_(rows) {}

  HfTokenizerTables run() {
    const json& added = added_tokens();
    size_tables(added);
    read_vocab();
    for (std::size_t i = 0; i < added.size(); ++i)
      read_added(added[i], "added_tokens[" + std::to_string(i) + "]");
    fill_holes();
    mark_unknown_and_bytes();
    read_merges();
    std::sort(t_.strips_right.begin(), t_.strips_right.end());
    return std::move(t_);
  }

 private:
  const json& vocab() const {
    const json& vocab = model_["vocab"];
    if (!vocab.is_object() || vocab.empty())
      model_.fail("vocab", "expected an object of tokens and ids, found " + printable_json(vocab));
    return vocab;
  }

  const json& added_tokens() const {
    static const json none = json::array();
    if (!tokenizer_.has("added_tokens")) return none;
    const json& added = tokenizer_["added_tokens"];
    if (!added.is_array()) tokenizer_.fail("added_tokens", "expected a list, found " + printable_json(added));
    return added;
  }

  static bool is_id(const json& id) {
    return id.is_number_unsigned() && id.get<std::uint64_t>() < static_cast<std::uint64_t>(kMostTokens);
  }

  // Ids may leave holes, but not so many that a short file asks for much memory.
  void size_tables(const json& added) {
    std::int64_t size = rows_, count = 0;
    const auto note = [&](const json& id) {
      ++count;
      if (is_id(id) && rows_ == 0) size = std::max(size, id.get<std::int64_t>() + 1);
    };
    for (const json& id : vocab()) note(id);
    for (const json& token : added)
      if (token.is_object() && token.contains("id")) note(token["id"]);
    if (rows_ == 0 && size > 2 * count + 1024)
      model_.fail("vocab", "expected ids without large gaps, found " + std::to_string(count) +
                               " tokens with ids up to " + std::to_string(size - 1));
    if (size > kMostTokens)
      model_.fail("vocab", "expected at most 2^22 tokens, found " + std::to_string(size));
    t_.tokens.resize(static_cast<std::size_t>(size));
    t_.types.assign(t_.tokens.size(), TokenType::kUndefined);
  }

  void read_vocab() {
    for (const auto& [text, id] : vocab().items()) {
      const std::string place = "vocab." + text;
      if (text.empty()) model_.fail("vocab", "expected tokens of at least one byte, found an empty one");
      if (!is_id(id) || id.get<std::size_t>() >= t_.tokens.size())
        model_.fail(place, "expected an id below " + std::to_string(t_.tokens.size()) + ", found " +
                               printable_json(id));
      const auto at = id.get<std::size_t>();
      if (t_.types[at] != TokenType::kUndefined)
        model_.fail(place,
                    "id " + std::to_string(at) + " is already that of '" + printable(t_.tokens[at]) + "'");
      place_token(at, text, TokenType::kNormal);
    }
  }

  void place_token(std::size_t id, const std::string& text, TokenType type) {
    t_.tokens[id] = text;
    t_.types[id] = type;
    t_.ids.emplace(text, static_cast<std::int32_t>(id));
  }

  void read_added(const json& entry, const std::string& where) {
    const JsonView token(entry, tokenizer_.file(), where);
    const std::string text = token.text("content");
    const std::int64_t id = token.integer("id", 0, kMostTokens - 1);
    if (text.empty()) token.fail("content", "is empty");
    for (const char* flag : {"single_word", "lstrip"})
      if (token.flag_or(flag, false))
        token.fail(flag, "expected false, which is all that is computed here, found true ('" +
                             printable(text) + "')");
    const bool special = token.flag_or("special", false);
    const bool changed = kind_.normalizer_adds_space || text.find(' ') != std::string::npos;
    // A special token's case is let through: it matters only where a text spells the token, and there plain
    // matching is what llama.cpp does.
    if (!kind_.byte_level && !special && changed && token.flag_or("normalized", !special))
      token.fail("normalized", "expected false with this normalizer, found true ('" + printable(text) + "')");
    if (rows_ > 0 && id >= rows_) return;  // Gemma 3 lists an image token that the text model has no row for
    const auto at = static_cast<std::size_t>(id);
    const std::int32_t known = t_.find(text);
    if (known >= 0 && known != id)
      token.fail("id", "'" + printable(text) + "' already has id " + std::to_string(known) + ", found " +
                           std::to_string(id));
    if (known < 0 && t_.types[at] != TokenType::kUndefined)
      token.fail("id", "id " + std::to_string(id) + " is already that of '" + printable(t_.tokens[at]) + "'");
    if (!added_.insert(id).second) token.fail("id", "id " + std::to_string(id) + " stands twice");
    place_token(at, text, special ? TokenType::kControl : TokenType::kUserDefined);
    if (token.flag_or("rstrip", false)) t_.strips_right.push_back(static_cast<std::int32_t>(id));
  }

  void fill_holes() {
    for (std::size_t id = 0; id < t_.tokens.size(); ++id) {
      if (t_.types[id] != TokenType::kUndefined) continue;
      std::string name = "[PAD" + std::to_string(id) + "]";
      while (t_.find(name) >= 0) name += "]";
      place_token(id, name, TokenType::kUnused);
    }
  }

  void mark_unknown_and_bytes() {
    if (kind_.byte_level) return;
    const std::string unknown = model_.text_or("unk_token", "");
    if (!unknown.empty()) {
      const std::int32_t id = t_.find(unknown);
      if (id < 0) model_.fail("unk_token", "'" + printable(unknown) + "' is no token");
      t_.types[static_cast<std::size_t>(id)] = TokenType::kUnknown;
    }
    for (unsigned byte = 0; byte < 256; ++byte) {
      char name[8];
      std::snprintf(name, sizeof name, "<0x%02X>", byte);
      const std::int32_t id = t_.find(name);
      if (id < 0)
        model_.fail("vocab", std::string("expected a token ") + name + " for byte_fallback, found none");
      t_.types[static_cast<std::size_t>(id)] = TokenType::kByte;
    }
  }

  void read_merges() {
    const json& merges = model_["merges"];
    if (!merges.is_array()) model_.fail("merges", "expected a list, found " + printable_json(merges));
    constexpr float kNone = -1e9F;
    t_.scores.assign(t_.tokens.size(), 0.0F);
    for (std::size_t id = 0; id < t_.tokens.size(); ++id)
      if (t_.types[id] == TokenType::kNormal) t_.scores[id] = kNone;
    std::unordered_set<std::string> met;
    for (std::size_t i = 0; i < merges.size(); ++i) {
      const std::string where = "merges[" + std::to_string(i) + "]";
      const auto [left, right] = pair_of(merges[i], where);
      const std::int32_t product = t_.find(left + right);
      for (const std::string& text : {left, right, left + right})
        if (t_.find(text) < 0) model_.fail(where, "'" + printable(text) + "' is no token");
      std::string line = left + ' ' + right;
      if (!met.insert(line).second) model_.fail(where, "the pair '" + printable(line) + "' stands twice");
      t_.merges.push_back(std::move(line));
      float& score = t_.scores[static_cast<std::size_t>(product)];
      if (score == kNone) score = -static_cast<float>(i);
    }
  }

  // "left right" or ["left", "right"].
  std::pair<std::string, std::string> pair_of(const json& entry, const std::string& where) const {
    std::string left, right;
    if (entry.is_string()) {
      const auto& line = entry.get_ref<const std::string&>();
      const std::size_t space = std::min(line.find(' '), line.size());
      left = line.substr(0, space);
      right = space < line.size() ? line.substr(space + 1) : "";
    } else if (entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_string()) {
      left = entry[0].get<std::string>();
      right = entry[1].get<std::string>();
    }
    // Neither alphabet has a space: byte-level text writes it as U+0120, SentencePiece's as U+2581.
    if (left.empty() || right.empty() || (left + right).find(' ') != std::string::npos)
      model_.fail(where, "expected two tokens, found " + printable_json(entry));
    return {std::move(left), std::move(right)};
  }

  const JsonView& tokenizer_;
  const JsonView model_;
  const HfTokenizerKind& kind_;
  const std::int64_t rows_;
  HfTokenizerTables t_;
  std::unordered_set<std::int64_t> added_;
};

}  // namespace

HfTokenizerTables read_hf_tokenizer_tables(const JsonView& tokenizer, const HfTokenizerKind& kind,
                                           std::int64_t rows) {
  return Reader(tokenizer, kind, rows).run();
}

}  // namespace brinkmap::worker
