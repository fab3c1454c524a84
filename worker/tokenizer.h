#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "worker/checkpoint.h"

// Tokenizers as GGUF metadata describes them: byte-level BPE (tokenizer.ggml.model "gpt2", pre-tokenizers of
// tokenizer_pre.h) and SentencePiece BPE ("llama"). Token ids equal llama.cpp's.
namespace brinkmap::worker {

class Tokenizer {
 public:
  // Throws InputError for unknown models or pre-tokenizers, by name, and for broken tables.
  static std::shared_ptr<const Tokenizer> from_gguf(const Checkpoint& file);
  virtual ~Tokenizer() = default;

  // Token ids of UTF-8 text (invalid bytes are kept as bytes). add_special: BOS and EOS as the vocabulary
  // asks. parse_special: control tokens in the text are recognised. Thread-safe.
  virtual std::vector<std::int32_t> encode(std::string_view text, bool add_special,
                                           bool parse_special) const = 0;

  // The bytes of the tokens, one after the other; control tokens give nothing. SentencePiece keeps the space
  // that was put before the text. Throws Error for an id outside the vocabulary.
  virtual std::string decode(std::span<const std::int32_t> ids) const = 0;

  virtual int size() const noexcept = 0;                    // vocabulary
  virtual std::int32_t bos() const noexcept = 0;            // -1 when none
  virtual bool is_end(std::int32_t id) const noexcept = 0;  // EOS, end of turn: generation stops after it
};

}  // namespace brinkmap::worker
