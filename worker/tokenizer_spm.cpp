#include "worker/tokenizer_spm.h"

#include <cmath>
#include <queue>

#include "schedule/error.h"
#include "worker/gguf_parse.h"

namespace brinkmap::worker {

namespace {

constexpr std::string_view kSpace = "\xe2\x96\x81";  // U+2581

struct Symbol {
  std::uint32_t begin, size;  // bytes of the text; size 0: merged into its left neighbour
  std::int32_t prev, next;    // indices, -1 at the ends
};

struct Candidate {
  double score;
  std::int32_t left, right;  // indices
  std::uint32_t size;        // of both when it was found: a symbol that grew since makes it void
  bool operator<(const Candidate& other) const {  // the queue's top is the highest score, then the leftmost
    return score != other.score ? score < other.score : left > other.left;
  }
};

constexpr std::array<std::string_view, 4> kPrefixNames{"every", "every-unless-space", "first-unless-space",
                                                       "none"};

std::string byte_name(int byte) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  return {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'};
}

}  // namespace

SpmTokenizer::SpmTokenizer(const Checkpoint& file)
    : file_(file.path()), vocab_(file, {.bos = 1, .eos = 2, .unknown = 0, .add_bos = true}) {
  constexpr const char* kKey = "tokenizer.ggml.scores";
  scores_ = file.numbers(kKey);
  if (scores_.size() != static_cast<std::size_t>(vocab_.size()))
    throw InputError(file_, std::string("metadata key '") + kKey + "'",
                     "expected one score for each of the " + std::to_string(vocab_.size()) +
                         " tokens, found " + std::to_string(scores_.size()));
  for (std::size_t i = 0; i < scores_.size(); ++i)
    if (std::isnan(scores_[i]))
      throw InputError(file_, std::string("metadata key '") + kKey + "', index " + std::to_string(i),
                       "is NaN");
  for (int byte = 0; byte < 256; ++byte) {
    std::int32_t id = vocab_.find(byte_name(byte));
    if (id < 0) id = vocab_.find(std::string(1, static_cast<char>(byte)));
    byte_token_[static_cast<std::size_t>(byte)] = id;
  }
  prefix_ = file.flag_or("tokenizer.ggml.add_space_prefix", true) ? SpacePrefix::kEvery : SpacePrefix::kNone;
  if (file.has(kSpacePrefixKey)) prefix_ = named_prefix(file);
  ranked_ = file.flag_or(kRankedMergesKey, false);
  if (ranked_) read_merges(file);
}

SpmTokenizer::SpacePrefix SpmTokenizer::named_prefix(const Checkpoint& file) const {
  const std::string& name = file.text(kSpacePrefixKey);
  for (std::size_t i = 0; i < kPrefixNames.size(); ++i)
    if (kPrefixNames[i] == name) return static_cast<SpacePrefix>(i);
  throw InputError(
      file_, std::string("metadata key '") + kSpacePrefixKey + "'",
      "expected every, every-unless-space, first-unless-space or none, found '" + printable(name) + "'");
}

void SpmTokenizer::read_merges(const Checkpoint& file) {
  constexpr const char* kKey = "tokenizer.ggml.merges";
  const std::vector<std::string> lines = file.texts(kKey);
  merges_.reserve(lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::size_t space = std::min(lines[i].find(' '), lines[i].size());
    const std::string left = lines[i].substr(0, space);
    const std::string right = space < lines[i].size() ? lines[i].substr(space + 1) : "";
    const std::int32_t a = vocab_.find(left), b = vocab_.find(right), product = vocab_.find(left + right);
    if (a < 0 || b < 0 || product < 0)
      throw InputError(file_, std::string("metadata key '") + kKey + "', index " + std::to_string(i),
                       "expected two tokens that make a third, found '" + printable(lines[i]) + "'");
    merges_.add(a, b, {static_cast<std::uint32_t>(i), product});
  }
  for (int byte = 0; byte < 256; ++byte)
    if (byte_token_[static_cast<std::size_t>(byte)] < 0)
      throw InputError(file_, "metadata key 'tokenizer.ggml.tokens'",
                       "no token stands for byte " + std::to_string(byte));
}

void SpmTokenizer::encode_ranked(const std::string& text, std::vector<std::int32_t>& out) const {
  std::vector<MergeTable::Symbol> symbols;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size = std::max<std::size_t>(1, utf8_length(text, at));
    const std::string_view letter = std::string_view(text).substr(at, size);
    if (const std::int32_t id = size == 1 && utf8_length(text, at) == 0 ? -1 : vocab_.find(letter); id >= 0)
      symbols.push_back({id});
    else
      for (char c : letter) symbols.push_back({byte_token_[static_cast<unsigned char>(c)]});
    at += size;
  }
  merges_.apply(symbols);
  for (std::int32_t i = symbols.empty() ? -1 : 0; i >= 0; i = symbols[static_cast<std::size_t>(i)].next)
    out.push_back(symbols[static_cast<std::size_t>(i)].id);
}

void SpmTokenizer::encode_text(const std::string& text, std::vector<std::int32_t>& out) const {
  std::vector<Symbol> symbols;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t size =
        std::max<std::size_t>(1, utf8_length(text, at));  // a broken byte is its own symbol
    const auto i = static_cast<std::int32_t>(symbols.size());
    symbols.push_back({static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(size), i - 1, i + 1});
    at += size;
  }
  if (symbols.empty()) return;
  symbols.back().next = -1;
  const auto at = [&](std::int32_t i) -> Symbol& { return symbols[static_cast<std::size_t>(i)]; };

  std::priority_queue<Candidate> queue;
  const auto consider = [&](std::int32_t left, std::int32_t right) {
    if (left < 0 || right < 0) return;
    const std::uint32_t size = at(left).size + at(right).size;
    if (size > vocab_.longest()) return;
    const std::int32_t id = vocab_.find(std::string_view(text).substr(at(left).begin, size));
    if (id >= 0) queue.push({scores_[static_cast<std::size_t>(id)], left, right, size});
  };
  for (std::int32_t i = 0; i >= 0; i = at(i).next) consider(i, at(i).next);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = at(best.left);
    Symbol& right = at(best.right);
    if (left.size == 0 || right.size == 0 || left.size + right.size != best.size) continue;
    left.size = best.size;
    left.next = right.next;
    right.size = 0;
    if (left.next >= 0) at(left.next).prev = best.left;
    consider(left.prev, best.left);
    consider(best.left, left.next);
  }

  for (std::int32_t i = 0; i >= 0; i = at(i).next) {
    const std::string_view piece = std::string_view(text).substr(at(i).begin, at(i).size);
    if (const std::int32_t id = vocab_.find(piece); id >= 0) {
      out.push_back(id);
      continue;
    }
    for (char c : piece) {
      std::int32_t id = byte_token_[static_cast<unsigned char>(c)];
      if (id < 0) id = vocab_.unknown;  // a vocabulary without byte fallback
      if (id < 0)
        throw InputError(file_, "metadata key 'tokenizer.ggml.tokens'",
                         "no token stands for byte " + std::to_string(static_cast<unsigned char>(c)) +
                             ", and there is no unknown token");
      out.push_back(id);
    }
  }
}

bool SpmTokenizer::takes_prefix(std::string_view part, bool first) const {
  if (prefix_ == SpacePrefix::kEvery || prefix_ == SpacePrefix::kNone) return prefix_ == SpacePrefix::kEvery;
  const bool space = part.starts_with(' ') || part.starts_with(kSpace);
  return !space && (first || prefix_ == SpacePrefix::kEveryUnlessSpace);
}

std::vector<std::int32_t> SpmTokenizer::encode(std::string_view text, bool add_special,
                                               bool parse_special) const {
  // Three bytes a space, and 32-bit offsets.
  if (text.size() > static_cast<std::size_t>(INT32_MAX) / 4) throw Error("a text of more than 2^29 bytes");
  std::vector<std::int32_t> out;
  if (add_special && vocab_.add_bos) out.push_back(vocab_.bos);
  for (const Fragment& fragment : vocab_.split(text, parse_special)) {
    if (fragment.token >= 0) {
      out.push_back(fragment.token);
      continue;
    }
    std::string escaped;
    if (takes_prefix(fragment.text, fragment.text.data() == text.data())) escaped += kSpace;
    for (char c : fragment.text) {
      if (c == ' ')
        escaped += kSpace;
      else
        escaped += c;
    }
    if (ranked_)
      encode_ranked(escaped, out);
    else
      encode_text(escaped, out);
  }
  if (add_special && vocab_.add_eos) out.push_back(vocab_.eos);
  return out;
}

std::string SpmTokenizer::decode(std::span<const std::int32_t> ids) const {
  std::string out;
  for (std::int32_t id : ids) {
    vocab_.check(id);
    const std::string& text = vocab_.text(id);
    switch (vocab_.type(id)) {
      case TokenType::kUserDefined:
        if (!ranked_) {
          out += text;
          break;
        }
        [[fallthrough]];  // a tokenizer.json writes spaces as U+2581 there too
      case TokenType::kNormal:
        for (std::size_t at = 0; at < text.size();) {
          if (text.compare(at, kSpace.size(), kSpace) == 0) {
            out += ' ';
            at += kSpace.size();
          } else {
            out += text[at++];
          }
        }
        break;
      case TokenType::kByte: {
        int byte = 0;
        while (byte < 256 && byte_token_[static_cast<std::size_t>(byte)] != id) ++byte;
        if (byte < 256) out += static_cast<char>(byte);
        break;
      }
      default:
        break;
    }
  }
  return out;
}

}  // namespace brinkmap::worker
