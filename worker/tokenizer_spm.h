#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "worker/tokenizer.h"
#include "worker/tokenizer_merges.h"
#include "worker/tokenizer_vocab.h"

namespace brinkmap::worker {

// SentencePiece BPE as Llama 2 uses it (tokenizer.ggml.model "llama"): spaces become U+2581, neighbouring
// pieces merge into the token with the highest score, characters without a token become byte tokens. With
// kRankedMergesKey neighbours merge by the rank of their pair instead, as the `tokenizers` library does: the
// two differ where a token can be put together in several ways. n log n in the length.
class SpmTokenizer final : public Tokenizer {
 public:
  explicit SpmTokenizer(const Checkpoint& file);

  std::vector<std::int32_t> encode(std::string_view text, bool add_special,
                                   bool parse_special) const override;
  std::string decode(std::span<const std::int32_t> ids) const override;
  int size() const noexcept override { return vocab_.size(); }
  std::int32_t bos() const noexcept override { return vocab_.bos; }
  bool is_end(std::int32_t id) const noexcept override { return vocab_.is_end(id); }

 private:
  // Which parts of a text (special tokens cut it) get a space in front; kSpacePrefixKey names them "every",
  // "every-unless-space", "first-unless-space", "none". "unless": not before a space.
  enum class SpacePrefix : std::uint8_t { kEvery, kEveryUnlessSpace, kFirstUnlessSpace, kNone };

  SpacePrefix named_prefix(const Checkpoint& file) const;
  bool takes_prefix(std::string_view part, bool first) const;
  void read_merges(const Checkpoint& file);
  void encode_text(const std::string& text, std::vector<std::int32_t>& out) const;
  void encode_ranked(const std::string& text, std::vector<std::int32_t>& out) const;

  std::string file_;
  Vocab vocab_;
  std::vector<double> scores_;
  std::array<std::int32_t, 256> byte_token_{};  // -1: none
  SpacePrefix prefix_ = SpacePrefix::kEvery;
  bool ranked_ = false;
  MergeTable merges_;  // of token ids, when ranked
};

}  // namespace brinkmap::worker
