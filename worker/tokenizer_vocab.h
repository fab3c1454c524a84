#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "worker/checkpoint.h"

namespace brinkmap::worker {

// What a tokenizer.json says and GGUF has no key for; written by worker/hf_tokenizer.h, so absent from other
// programs' files.
inline constexpr const char* kRankedMergesKey = "tokenizer.brinkmap.ranked_merges";  // flag
inline constexpr const char* kSpacePrefixKey = "tokenizer.brinkmap.space_prefix";    // text, see SpmTokenizer
inline constexpr const char* kIgnoreMergesKey = "tokenizer.brinkmap.ignore_merges";  // flag
inline constexpr const char* kNormalizerKey = "tokenizer.brinkmap.normalizer";       // "nfc"
inline constexpr const char* kStripRightKey = "tokenizer.brinkmap.strip_right";      // token ids
inline constexpr const char* kEndTokensKey = "tokenizer.brinkmap.end_token_ids";     // token ids

// Token kinds: GGUF specification, tokenizer.ggml.token_type.
enum class TokenType : std::uint8_t {
  kUndefined = 0,
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

// A piece of a text that special tokens cut: plain text, or one token.
struct Fragment {
  std::string_view text;
  std::int32_t token = -1;  // -1: plain text
};

// What every kind of tokenizer keeps of the GGUF tables. Checked: lengths, types, duplicate texts, ids in
// range.
class Vocab {
 public:
  // `bos`, `eos`, `unknown`, `add_bos`: what counts when the file does not say (-1: none). Throws InputError.
  struct Defaults {
    std::int32_t bos = -1;
    std::int32_t eos = -1;
    std::int32_t unknown = -1;
    bool add_bos = false;
  };
  Vocab(const Checkpoint& file, const Defaults& defaults);

  int size() const noexcept { return static_cast<int>(texts_.size()); }
  const std::string& text(std::int32_t id) const { return texts_[static_cast<std::size_t>(id)]; }
  TokenType type(std::int32_t id) const { return types_[static_cast<std::size_t>(id)]; }
  std::int32_t find(std::string_view text) const;            // -1 when no token has it
  std::size_t longest() const noexcept { return longest_; }  // bytes of the longest text
  bool is_end(std::int32_t id) const noexcept;

  std::int32_t bos = -1, eos = -1, unknown = -1;  // -1: none
  bool add_bos = false, add_eos = false;

  // Cuts the text at user-defined tokens and, with parse_special, at control and unknown ones: from the left,
  // the longest first. The fragments point into `text`.
  std::vector<Fragment> split(std::string_view text, bool parse_special) const;

  // Throws Error when an id lies outside the vocabulary.
  void check(std::int32_t id) const;

 private:
  void read_special_ids(const Checkpoint& file, const Defaults& defaults);
  void mark_special_tokens(const Checkpoint& file);
  void mark_stripping_tokens(const Checkpoint& file);
  bool special(std::int32_t id) const;

  std::vector<std::string> texts_;
  std::vector<TokenType> types_;
  std::unordered_map<std::string_view, std::int32_t> ids_;  // views into texts_
  std::array<std::vector<std::size_t>, 256>
      special_lengths_;             // of special texts by first byte, longest first
  std::vector<bool> strips_right_;  // white space after the token goes with it,
  bool unicode_spaces_ = false;     // also that beyond ASCII
  std::vector<std::int32_t> ends_;  // sorted
  std::size_t longest_ = 0;
};

// Length of the valid UTF-8 sequence at text[at] (Unicode 15, table 3-7: no surrogates, no overlong forms); 0
// when the byte starts none.
std::size_t utf8_length(std::string_view text, std::size_t at);

// Unicode's canonical composition (form NFC) of the valid parts of a text; other bytes stay.
std::string to_nfc(std::string_view text);

}  // namespace brinkmap::worker
