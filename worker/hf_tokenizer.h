#pragma once

#include <string>
#include <vector>

#include "worker/checkpoint.h"

namespace brinkmap::worker {

// Adds the tokenizer of a Hugging Face folder to `parts` as tokenizer.* metadata, so that Tokenizer gives the
// ids that the `tokenizers` library gives: tokenizer.json (its format is that of the library, version 1.0),
// special tokens and chat template of tokenizer_config.json (chat_template.jinja and chat_template.json where
// the template stands there), end tokens of generation_config.json or else config.json.
//
// Byte-level BPE with the pre-tokenizers of GPT-2, SmolLM, Llama 3, Qwen2 and Qwen3.5, and
// SentencePiece-style BPE (byte_fallback) as Llama 1 and 2, Mistral, Phi-3 and Gemma write it. Everything
// else in the file that would change ids is refused with InputError, naming file, entry and what was found.
// When `parts` holds token_embd.weight, ids without a row of it are dropped (added tokens) or refused
// (others), and rows without a token get one that no text spells.
void add_hf_tokenizer(const std::string& folder, CheckpointParts& parts);

// Those files above that the folder has: names, sorted. What a hash of the folder must cover beside config
// and weights.
std::vector<std::string> hf_tokenizer_files(const std::string& folder);

}  // namespace brinkmap::worker
