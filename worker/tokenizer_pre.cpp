#include "worker/tokenizer_pre.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "schedule/error.h"
#include "worker/tokenizer_vocab.h"

namespace brinkmap::worker {

namespace {

// The expressions belong to the models: they are those of the published tokenizer.json files, as listed in
// llama.cpp, src/llama-vocab.cpp (February 2025). \s is written out because PCRE2 counts U+180E as white
// space, which Unicode since 6.3, and so the models' own tokenizers, do not.
#define SPACE R"(\t-\r\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})"

constexpr std::string_view kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^)" SPACE
                                   R"(\p{L}\p{N}]+|[)" SPACE R"(]+(?![^)" SPACE R"(]))";
constexpr std::string_view kPunctuation = R"([\p{P}\$\+<=>\^~\|]+)";
constexpr std::string_view kNumbers = R"(\p{N}+)";
constexpr std::string_view kThreeDigits = R"([0-9][0-9][0-9])";
constexpr std::string_view kOneNumber = R"(\p{N})";

#define CONTRACTIONS R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|)"
#define REST                                                                                  \
  R"(| ?[^)" SPACE R"(\p{L}\p{N}]+[\r\n]*|[)" SPACE R"(]*[\r\n]+|[)" SPACE R"(]+(?![^)" SPACE \
  R"(])|[)" SPACE R"(]+)"

constexpr std::string_view kLlama3 = CONTRACTIONS R"(\p{N}{1,3})" REST;
constexpr std::string_view kQwen2 = CONTRACTIONS R"(\p{N})" REST;

constexpr std::string_view kQwen35 =
    R"((?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^)" SPACE
    R"(\p{L}\p{M}\p{N}]+[\r\n]*|[)" SPACE R"(]*[\r\n]+|[)" SPACE R"(]+(?![^)" SPACE R"(])|[)" SPACE R"(]+)";

#undef SPACE
#undef CONTRACTIONS
#undef REST

const std::vector<PreTokenizerSpec>& specs() {
  static const std::vector<PreTokenizerSpec> all{
      {{"default"}, {kPunctuation, kGpt2, kNumbers, kThreeDigits}},
      {{"gpt-2", "phi-2", "mpt", "olmo", "jais"}, {kGpt2}},
      {{"llama-bpe", "llama3", "llama-v3", "falcon3"}, {kLlama3}, true, true},
      {{"qwen2", "stablelm2", "deepseek-r1-qwen", "megrez"}, {kQwen2}},
      {{"qwen35"}, {kQwen35}},
      {{"smollm", "starcoder", "refact", "command-r", "codeshell"}, {kOneNumber, kGpt2}},
  };
  return all;
}

struct FreeCode {
  void operator()(pcre2_code* p) const { pcre2_code_free(p); }
};
struct FreeMatchData {
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
};
struct FreeMatchContext {
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
};
struct FreeJitStack {
  void operator()(pcre2_jit_stack* p) const { pcre2_jit_stack_free(p); }
};
using Code = std::unique_ptr<pcre2_code, FreeCode>;

std::string message(int code) {
  PCRE2_UCHAR text[256] = {};
  pcre2_get_error_message(code, text, sizeof(text));
  return reinterpret_cast<const char*>(text);
}

// What one call of split() needs; PCRE2 wants it per thread.
struct Matcher {
  std::unique_ptr<pcre2_match_data, FreeMatchData> data{pcre2_match_data_create(1, nullptr)};
  std::unique_ptr<pcre2_match_context, FreeMatchContext> context{pcre2_match_context_create(nullptr)};
  std::unique_ptr<pcre2_jit_stack, FreeJitStack> stack{pcre2_jit_stack_create(32 << 10, 8 << 20, nullptr)};

  Matcher() {
    if (!data || !context || !stack) throw std::bad_alloc();
    pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
  }

  // Cuts `text`, which is valid UTF-8, at the matches; parts between matches are words too.
  void cut(const pcre2_code* code, std::string_view text, std::vector<std::string_view>& words) const {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    std::size_t done = 0;
    std::size_t from = 0;
    while (from < text.size()) {
      const int found =
          pcre2_match(code, subject, text.size(), from, PCRE2_NO_UTF_CHECK, data.get(), context.get());
      if (found == PCRE2_ERROR_NOMATCH) break;
      if (found < 0) throw Error("pre-tokenizer at byte " + std::to_string(from) + ": " + message(found));
      const std::size_t* range = pcre2_get_ovector_pointer(data.get());
      const std::size_t begin = range[0], end = range[1];
      if (end <= begin) throw Error("pre-tokenizer: an expression matched nothing");
      if (begin > done) words.push_back(text.substr(done, begin - done));
      words.push_back(text.substr(begin, end - begin));
      done = from = end;
    }
    if (done < text.size()) words.push_back(text.substr(done));
  }
};

}  // namespace

struct PreTokenizer::Impl {
  std::vector<Code> codes;
};

PreTokenizer::PreTokenizer(const PreTokenizerSpec& spec) : impl_(std::make_unique<Impl>()) {
  for (std::string_view pattern : spec.patterns) {
    int error = 0;
    std::size_t offset = 0;
    Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                            PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr));
    if (!code)
      throw Error("pre-tokenizer expression, offset " + std::to_string(offset) + ": " + message(error));
    pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);  // without JIT the interpreter gives the same matches
    impl_->codes.push_back(std::move(code));
  }
}

PreTokenizer::~PreTokenizer() = default;

std::vector<std::string_view> PreTokenizer::split(std::string_view text) const {
  // Runs of valid UTF-8 are cut by the patterns; runs of other bytes stay whole.
  std::vector<std::string_view> valid, words, next;
  const Matcher matcher;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    while (at < text.size() && utf8_length(text, at) != 0) at += utf8_length(text, at);
    if (at > begin) {
      words.assign(1, text.substr(begin, at - begin));
      for (const Code& code : impl_->codes) {
        next.clear();
        for (std::string_view word : words) matcher.cut(code.get(), word, next);
        words.swap(next);
      }
      valid.insert(valid.end(), words.begin(), words.end());
    }
    const std::size_t broken = at;
    while (at < text.size() && utf8_length(text, at) == 0) ++at;
    if (at > broken) valid.push_back(text.substr(broken, at - broken));
  }
  return valid;
}

const PreTokenizerSpec* find_pre_tokenizer(std::string_view name) {
  for (const PreTokenizerSpec& spec : specs())
    for (std::string_view known : spec.names)
      if (known == name) return &spec;
  return nullptr;
}

std::vector<std::string> pre_tokenizer_names() {
  std::vector<std::string> names;
  for (const PreTokenizerSpec& spec : specs())
    names.insert(names.end(), spec.names.begin(), spec.names.end());
  return names;
}

}  // namespace brinkmap::worker
