#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace brinkmap::worker {

// A pre-tokenizer by its GGUF name (tokenizer.ggml.pre): the regular expressions that cut a text into words
// before merging, and what else llama.cpp ties to the name (src/llama-vocab.cpp).
struct PreTokenizerSpec {
  std::vector<std::string_view> names;
  std::vector<std::string_view>
      patterns;                // applied one after the other; what a pattern leaves over is a word too
  bool ignore_merges = false;  // a word that is a token is taken whole
  bool add_bos = false;        // when the file does not say
};

const PreTokenizerSpec* find_pre_tokenizer(std::string_view name);  // null when unknown
std::vector<std::string> pre_tokenizer_names();

// Compiled patterns. Safe to share between threads.
class PreTokenizer {
 public:
  explicit PreTokenizer(const PreTokenizerSpec& spec);
  ~PreTokenizer();

  // Words in order, none empty; together they are the text. Bytes that are no valid UTF-8 become words of
  // their own. Throws Error when the expression library gives up.
  std::vector<std::string_view> split(std::string_view text) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace brinkmap::worker
