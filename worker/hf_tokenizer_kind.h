#pragma once

#include <string>

#include "worker/json_text.h"

namespace brinkmap::worker {

// How a tokenizer.json turns text into words, apart from its tables.
struct HfTokenizerKind {
  bool byte_level = false;     // else SentencePiece-style
  std::string pre;             // byte-level: name in tokenizer_pre.h
  bool nfc = false;            // byte-level: text is composed first
  bool ignore_merges = false;  // byte-level: a word that is a token is taken whole
  std::string space_prefix;    // SentencePiece-style: value of kSpacePrefixKey
  // SentencePiece-style: an added token with "normalized" would be looked for with a space in front.
  bool normalizer_adds_space = false;
  // Of the post-processor: special tokens around a text; empty: none.
  std::string first_token, last_token;
};

// Throws InputError naming what is outside the known kinds, as the file spells it.
HfTokenizerKind read_hf_tokenizer_kind(const JsonView& tokenizer);

}  // namespace brinkmap::worker
