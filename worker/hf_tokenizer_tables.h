#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "worker/hf_tokenizer_kind.h"
#include "worker/tokenizer_vocab.h"

namespace brinkmap::worker {

// The tables of a tokenizer.json, checked: every id once and in range, every merge of tokens that exist.
struct HfTokenizerTables {
  std::vector<std::string> tokens;  // ids that no token has: "[PAD7]", of type kUnused
  std::vector<TokenType> types;
  std::vector<std::string> merges;  // "left right"
  std::vector<float> scores;        // a token's first merge, negative; for programs that read no merges
  std::vector<std::int32_t> strips_right;  // sorted
  std::unordered_map<std::string, std::int32_t> ids;

  std::int32_t find(const std::string& token) const {
    const auto it = ids.find(token);
    return it == ids.end() ? -1 : it->second;
  }
};

// `rows`: of the model's embedding; 0: unknown. Throws InputError.
HfTokenizerTables read_hf_tokenizer_tables(const JsonView& tokenizer, const HfTokenizerKind& kind,
                                           std::int64_t rows);

}  // namespace brinkmap::worker
