#include "worker/tokenizer_bpe.h"

#include "schedule/error.h"
#include "worker/gguf_parse.h"

namespace brinkmap::worker {

namespace {

// The alphabet of GPT-2 (openai/gpt-2, encoder.py): printable Latin-1 bytes stand for themselves, the others
// for the code points from 256 on, in order.
struct Alphabet {
  std::array<std::string, 256> letter;             // UTF-8 of each byte's letter
  std::array<std::int16_t, 0x200> byte_of_code{};  // -1: not a letter

  Alphabet() {
    byte_of_code.fill(-1);
    int next = 256;
    for (int byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
      const int code = printable ? byte : next++;
      byte_of_code[static_cast<std::size_t>(code)] = static_cast<std::int16_t>(byte);
      std::string& text = letter[static_cast<std::size_t>(byte)];
      if (code < 0x80) {
        text = static_cast<char>(code);
      } else {
        text = {static_cast<char>(0xc0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3f))};
      }
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet made;
  return made;
}

const PreTokenizerSpec& spec_of(const Checkpoint& file) {
  const std::string name = file.text_or("tokenizer.ggml.pre", "default");
  if (const PreTokenizerSpec* spec = find_pre_tokenizer(name)) return *spec;
  std::string known;
  for (const std::string& n : pre_tokenizer_names()) known += (known.empty() ? "" : ", ") + n;
  throw InputError(file.path(), "metadata key 'tokenizer.ggml.pre'",
                   "pre-tokenizer '" + printable(name) + "' is unknown; expected one of " + known);
}

}  // namespace

BpeTokenizer::BpeTokenizer(const Checkpoint& file) : BpeTokenizer(file, spec_of(file)) {}

BpeTokenizer::BpeTokenizer(const Checkpoint& file, const PreTokenizerSpec& spec)
    : file_(file.path()), vocab_(file, {.add_bos = spec.add_bos}), pre_(spec) {
  ignore_merges_ = file.flag_or(kIgnoreMergesKey, spec.ignore_merges);
  const std::string normalizer = file.text_or(kNormalizerKey, "");
  if (!normalizer.empty() && normalizer != "nfc")
    throw InputError(file_, std::string("metadata key '") + kNormalizerKey + "'",
                     "expected nfc, found '" + printable(normalizer) + "'");
  nfc_ = !normalizer.empty();
  for (std::size_t byte = 0; byte < 256; ++byte) byte_symbol_[byte] = intern(alphabet().letter[byte]);
  read_merges(file);
}

std::int32_t BpeTokenizer::intern(std::string text) {
  if (const std::int32_t id = vocab_.find(text); id >= 0) return id;
  const auto next = static_cast<std::int32_t>(static_cast<std::size_t>(vocab_.size()) + extra_.size());
  return extra_.emplace(std::move(text), next).first->second;
}

void BpeTokenizer::read_merges(const Checkpoint& file) {
  constexpr const char* kKey = "tokenizer.ggml.merges";
  const std::vector<std::string> lines = file.texts(kKey);
  merges_.reserve(lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    // The first letter may itself be no space: the alphabet has none, so the first space after it divides.
    const std::size_t space = lines[i].find(' ', 1);
    if (space == std::string::npos || space + 1 == lines[i].size())
      throw InputError(file.path(), std::string("metadata key '") + kKey + "', index " + std::to_string(i),
                       "expected two texts and a space between, found '" + printable(lines[i]) + "'");
    std::string left = lines[i].substr(0, space), right = lines[i].substr(space + 1);
    const std::int32_t product = intern(left + right);
    const std::int32_t a = intern(std::move(left)), b = intern(std::move(right));
    merges_.add(a, b, {static_cast<std::uint32_t>(i), product});
  }
}

void BpeTokenizer::append_bytes(std::string_view bytes, std::vector<std::int32_t>& out) const {
  for (char c : bytes) {
    std::int32_t id = byte_symbol_[static_cast<unsigned char>(c)];
    if (id >= vocab_.size()) id = vocab_.unknown;
    if (id < 0)
      throw InputError(file_, "metadata key 'tokenizer.ggml.tokens'",
                       "no token stands for byte " + std::to_string(static_cast<unsigned char>(c)) +
                           ", and there is no unknown token");
    out.push_back(id);
  }
}

void BpeTokenizer::encode_word(std::string_view word, std::vector<MergeTable::Symbol>& symbols,
                               std::vector<std::int32_t>& out) const {
  if (ignore_merges_ && word.size() <= vocab_.longest()) {
    std::string text;
    for (char c : word) text += alphabet().letter[static_cast<unsigned char>(c)];
    if (const std::int32_t id = vocab_.find(text); id >= 0) return out.push_back(id);
  }
  symbols.clear();
  for (std::uint32_t i = 0; i < word.size(); ++i)
    symbols.push_back({byte_symbol_[static_cast<unsigned char>(word[i])], i, 1});
  merges_.apply(symbols);
  for (std::int32_t i = symbols.empty() ? -1 : 0; i >= 0;) {
    const MergeTable::Symbol& symbol = symbols[static_cast<std::size_t>(i)];
    if (symbol.id < vocab_.size())
      out.push_back(symbol.id);
    else
      append_bytes(word.substr(symbol.begin, symbol.size), out);
    i = symbol.next;
  }
}

std::vector<std::int32_t> BpeTokenizer::encode(std::string_view text, bool add_special,
                                               bool parse_special) const {
  if (text.size() > static_cast<std::size_t>(INT32_MAX)) throw Error("a text of more than 2^31 bytes");
  std::vector<std::int32_t> out;
  std::vector<MergeTable::Symbol> work;
  if (add_special && vocab_.add_bos) out.push_back(vocab_.bos);
  for (const Fragment& fragment : vocab_.split(text, parse_special)) {
    if (fragment.token >= 0) {
      out.push_back(fragment.token);
      continue;
    }
    const std::string composed = nfc_ ? to_nfc(fragment.text) : "";
    for (std::string_view word : pre_.split(nfc_ ? composed : fragment.text)) encode_word(word, work, out);
  }
  if (add_special && vocab_.add_eos) out.push_back(vocab_.eos);
  return out;
}

std::string BpeTokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string out;
  for (std::int32_t id : ids) {
    vocab_.check(id);
    const std::string& text = vocab_.text(id);
    const TokenType type = vocab_.type(id);
    if (type == TokenType::kControl || type == TokenType::kUnknown || type == TokenType::kUnused) continue;
    if (type == TokenType::kUserDefined) {
      out += text;
      continue;
    }
    for (std::size_t at = 0; at < text.size();) {
      const auto lead = static_cast<unsigned char>(text[at]);
      const std::size_t length = std::max<std::size_t>(1, utf8_length(text, at));
      const int code = length == 1   ? lead
                       : length == 2 ? (lead & 0x1f) << 6 | (static_cast<unsigned char>(text[at + 1]) & 0x3f)
                                     : 0x200;
      const int byte = code < 0x200 ? alphabet().byte_of_code[static_cast<std::size_t>(code)] : -1;
      // A letter outside the alphabet can only come from a hand-made table: it stands for itself.
      if (byte >= 0)
        out += static_cast<char>(byte);
      else
        out += text.substr(at, length);
      at += length;
    }
  }
  return out;
}

}  // namespace brinkmap::worker
