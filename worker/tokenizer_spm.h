#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "worker/tokenizer.h"
#include "worker/tokenizer_vocab.h"

namespace brinkmap::worker {

// SentencePiece BPE as Llama 2 uses it (tokenizer.ggml.model "llama"): spaces become U+2581, neighbouring
// pieces merge into the token with the highest score, characters without a token become byte tokens. n log n
// in the length.
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
  void encode_text(const std::string& text, std::vector<std::int32_t>& out) const;

  std::string file_;
  Vocab vocab_;
  std::vector<double> scores_;
  std::array<std::int32_t, 256> byte_token_{};  // -1: none
  bool add_space_prefix_ = true;
};

}  // namespace brinkmap::worker
