#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "worker/tokenizer.h"
#include "worker/tokenizer_merges.h"
#include "worker/tokenizer_pre.h"
#include "worker/tokenizer_vocab.h"

namespace brinkmap::worker {

// Byte-level BPE as GPT-2 introduced it: the bytes of a word become letters of a 256-letter alphabet, and
// neighbours merge by rank until no listed pair is left.
class BpeTokenizer final : public Tokenizer {
 public:
  explicit BpeTokenizer(const Checkpoint& file);

  std::vector<std::int32_t> encode(std::string_view text, bool add_special,
                                   bool parse_special) const override;
  std::string decode(std::span<const std::int32_t> ids) const override;
  int size() const noexcept override { return vocab_.size(); }
  std::int32_t bos() const noexcept override { return vocab_.bos; }
  bool is_end(std::int32_t id) const noexcept override { return vocab_.is_end(id); }

 private:
  BpeTokenizer(const Checkpoint& file, const PreTokenizerSpec& spec);
  void read_merges(const Checkpoint& file);
  std::int32_t intern(std::string text);
  void encode_word(std::string_view word, std::vector<MergeTable::Symbol>& symbols,
                   std::vector<std::int32_t>& out) const;
  void append_bytes(std::string_view bytes, std::vector<std::int32_t>& out) const;

  std::string file_;
  Vocab vocab_;
  PreTokenizer pre_;
  // Symbols are tokens (below size()) and texts that only occur in the merge list (from size() on).
  std::unordered_map<std::string, std::int32_t> extra_;
  std::array<std::int32_t, 256> byte_symbol_{};
  MergeTable merges_;
  bool ignore_merges_ = false;  // a word that is a token is taken whole
  bool nfc_ = false;            // text is composed (Unicode's form NFC) first
};

}  // namespace brinkmap::worker
