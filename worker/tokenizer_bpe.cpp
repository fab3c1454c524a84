#include "worker/tokenizer_bpe.h"

#include <queue>

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

std::uint64_t pair_key(std::int32_t left, std::int32_t right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
         static_cast<std::uint32_t>(right);
}

}  // namespace

// Scratch of one encode() call.
struct BpeTokenizer::Word {
  struct Symbol {
    std::int32_t id;            // -1: merged into its left neighbour
    std::int32_t prev;          // index, -1 at the start
    std::int32_t next;          // index, -1 at the end
    std::uint32_t begin, size;  // bytes of the word
  };
  struct Candidate {
    std::uint32_t rank;
    std::int32_t left, right;        // indices
    std::int32_t left_id, right_id;  // when it was found: a symbol that changed since makes it void
    std::int32_t product;
    bool operator<(const Candidate& other) const {  // the queue's top is the least rank, then the leftmost
      return rank != other.rank ? rank > other.rank : left > other.left;
    }
  };
  std::vector<Symbol> symbols;
  std::priority_queue<Candidate> queue;
};

BpeTokenizer::BpeTokenizer(const Checkpoint& file) : BpeTokenizer(file, spec_of(file)) {}

BpeTokenizer::BpeTokenizer(const Checkpoint& file, const PreTokenizerSpec& spec)
    : file_(file.path()), spec_(spec), vocab_(file, {.add_bos = spec.add_bos}), pre_(spec) {
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
    merges_.emplace(pair_key(a, b),
                    Merge{static_cast<std::uint32_t>(i), product});  // the first of equals counts
  }
}

const BpeTokenizer::Merge* BpeTokenizer::merge_of(std::int32_t left, std::int32_t right) const {
  const auto it = merges_.find(pair_key(left, right));
  return it == merges_.end() ? nullptr : &it->second;
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

void BpeTokenizer::encode_word(std::string_view word, Word& work, std::vector<std::int32_t>& out) const {
  if (spec_.ignore_merges && word.size() <= vocab_.longest()) {
    std::string text;
    for (char c : word) text += alphabet().letter[static_cast<unsigned char>(c)];
    if (const std::int32_t id = vocab_.find(text); id >= 0) return out.push_back(id);
  }
  auto& symbols = work.symbols;
  symbols.clear();
  const auto n = static_cast<std::int32_t>(word.size());
  for (std::int32_t i = 0; i < n; ++i)
    symbols.push_back({byte_symbol_[static_cast<unsigned char>(word[static_cast<std::size_t>(i)])], i - 1,
                       i + 1 < n ? i + 1 : -1, static_cast<std::uint32_t>(i), 1});
  const auto at = [&](std::int32_t i) -> Word::Symbol& { return symbols[static_cast<std::size_t>(i)]; };
  const auto consider = [&](std::int32_t left, std::int32_t right) {
    if (left < 0 || right < 0) return;
    if (const Merge* merge = merge_of(at(left).id, at(right).id))
      work.queue.push({merge->rank, left, right, at(left).id, at(right).id, merge->product});
  };
  for (std::int32_t i = 1; i < n; ++i) consider(i - 1, i);
  while (!work.queue.empty()) {
    const Word::Candidate best = work.queue.top();
    work.queue.pop();
    Word::Symbol& left = at(best.left);
    Word::Symbol& right = at(best.right);
    if (left.id != best.left_id || right.id != best.right_id || left.next != best.right) continue;
    left.id = best.product;
    left.size += right.size;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) at(left.next).prev = best.left;
    consider(left.prev, best.left);
    consider(best.left, left.next);
  }
  for (std::int32_t i = n > 0 ? 0 : -1; i >= 0; i = at(i).next) {
    if (at(i).id < vocab_.size())
      out.push_back(at(i).id);
    else
      append_bytes(word.substr(at(i).begin, at(i).size), out);
  }
}

std::vector<std::int32_t> BpeTokenizer::encode(std::string_view text, bool add_special,
                                               bool parse_special) const {
  if (text.size() > static_cast<std::size_t>(INT32_MAX)) throw Error("a text of more than 2^31 bytes");
  std::vector<std::int32_t> out;
  Word work;
  if (add_special && vocab_.add_bos) out.push_back(vocab_.bos);
  for (const Fragment& fragment : vocab_.split(text, parse_special)) {
    if (fragment.token >= 0)
      out.push_back(fragment.token);
    else
      for (std::string_view word : pre_.split(fragment.text)) encode_word(word, work, out);
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
