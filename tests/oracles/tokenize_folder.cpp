#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "schedule/error.h"
#include "worker/hf_tokenizer.h"
#include "worker/tokenizer.h"

// For test_hf_tokenizers.py: reads a JSON array of strings and prints {"plain", "special", "decoded"}: ids
// without and with special tokens, and the bytes of the former (hexadecimal), by the tokenizer of a Hugging
// Face folder; or {"error"}.

int main(int count, char** arguments) {
  using nlohmann::json;
  if (count != 2) return 2;
  json answer;
  try {
    brinkmap::worker::CheckpointParts parts;
    parts.path = arguments[1];
    brinkmap::worker::add_hf_tokenizer(arguments[1], parts);
    const auto file = brinkmap::worker::Checkpoint::make(std::move(parts));
    const auto tokenizer = brinkmap::worker::Tokenizer::from_gguf(*file);
    for (const auto& text : json::parse(std::string{std::istreambuf_iterator<char>(std::cin), {}})) {
      const auto plain = tokenizer->encode(text.get<std::string>(), false, true);
      answer["plain"].push_back(plain);
      answer["special"].push_back(tokenizer->encode(text.get<std::string>(), true, true));
      std::string hex;
      for (const char c : tokenizer->decode(plain)) {
        hex += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
        hex += "0123456789abcdef"[static_cast<unsigned char>(c) & 15];
      }
      answer["decoded"].push_back(hex);
    }
  } catch (const brinkmap::Error& e) {
    answer = {{"error", e.what()}};
  }
  std::cout << answer.dump() << '\n';
}
