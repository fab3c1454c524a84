#include "worker/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "schedule/error.h"
#include "tests/reference.h"
#include "worker/checkpoint.h"
#include "worker/tokenizer_pre.h"

namespace brinkmap::worker {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Ids = std::vector<std::int32_t>;

std::string refusal(const auto& call) {
  try {
    call();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Writes metadata to a file, opens it and removes it.
std::shared_ptr<const Checkpoint> make_file(const std::vector<std::pair<std::string, GgufValue>>& metadata) {
  GgufWriter writer;
  for (const auto& [key, value] : metadata) writer.add(key, value);
  const std::string path = testing::TempDir() + "vocab-" + std::to_string(::getpid()) + ".gguf";
  writer.write(path);
  auto file = Checkpoint::open(path);
  std::filesystem::remove(path);
  return file;
}

// The vocabulary of a reference file, with tokenizer.ggml.pre replaced when `pre` is not empty.
std::shared_ptr<const Tokenizer> reference_tokenizer(const std::string& vocab, const std::string& pre) {
  const auto file = Checkpoint::open(tests::reference("tokenizers/" + vocab).string());
  if (pre.empty()) return Tokenizer::from_gguf(*file);
  std::vector<std::pair<std::string, GgufValue>> metadata;
  for (const std::string& key : file->keys())
    metadata.emplace_back(key, key == "tokenizer.ggml.pre" ? gguf_text(pre) : file->metadata().at(key));
  return Tokenizer::from_gguf(*make_file(metadata));
}

struct Vectors {
  std::string vocab, pre, file;
};

class ReferenceVectors : public testing::TestWithParam<Vectors> {};

TEST_P(ReferenceVectors, GiveTheSameIdsAndBytes) {
  BRINKMAP_NEEDS_REFERENCE("tokenizers");
  const auto tokenizer = reference_tokenizer(GetParam().vocab, GetParam().pre);
  const auto vectors = nlohmann::json::parse(read_text(tests::reference("tokenizers/" + GetParam().file)));
  ASSERT_GT(vectors.size(), 50u);
  for (const auto& v : vectors) {
    const auto text = v.at("text").get<std::string>();
    const auto ids = v.at("ids").get<Ids>();
    EXPECT_EQ(tokenizer->encode(text, false, false), ids) << text;
    EXPECT_EQ(tokenizer->encode(text, true, true), v.at("ids_special").get<Ids>()) << text;
    EXPECT_EQ(tokenizer->decode(ids), v.value("pieces_utf8", text));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Files, ReferenceVectors,
    testing::Values(Vectors{"ggml-vocab-llama-spm.gguf", "", "extra-llama-spm.json"},
                    Vectors{"ggml-vocab-phi-3.gguf", "", "extra-phi-3.json"},
                    Vectors{"ggml-vocab-gpt-2.gguf", "", "extra-gpt-2.json"},
                    Vectors{"ggml-vocab-starcoder.gguf", "", "extra-starcoder.json"},
                    Vectors{"ggml-vocab-gpt-2.gguf", "llama-bpe", "extra-gpt-2-pre-llama-bpe.json"},
                    Vectors{"ggml-vocab-gpt-2.gguf", "qwen2", "extra-gpt-2-pre-qwen2.json"},
                    Vectors{"ggml-vocab-starcoder.gguf", "smollm", "extra-starcoder-pre-smollm.json"}),
    [](const auto& info) {
      std::string name = info.param.file;
      for (char& c : name)
        if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
      return name;
    });

class PublishedVectors : public testing::TestWithParam<std::string> {};

TEST_P(PublishedVectors, GiveTheSameIds) {
  BRINKMAP_NEEDS_REFERENCE("tokenizers");
  const std::string path = "tokenizers/" + GetParam();
  const auto tokenizer = reference_tokenizer(GetParam(), "");
  const std::string inputs = read_text(tests::reference(path + ".inp"));
  std::istringstream outputs(read_text(tests::reference(path + ".out")));
  const std::string separator = "\n__ggml_vocab_test__\n";
  int n = 0;
  for (std::size_t at = 0; at <= inputs.size(); ++n) {
    const std::size_t end = std::min(inputs.find(separator, at), inputs.size());
    const std::string text = inputs.substr(at, end - at);
    at = end + separator.size();
    std::string line;
    if (!std::getline(outputs, line)) break;  // the last separator may end the file
    std::istringstream numbers(line);
    EXPECT_EQ(tokenizer->encode(text, false, false),
              Ids(std::istream_iterator<std::int32_t>(numbers), std::istream_iterator<std::int32_t>()))
        << text;
  }
  EXPECT_EQ(n, 46);
}

INSTANTIATE_TEST_SUITE_P(Files, PublishedVectors,
                         testing::Values("ggml-vocab-llama-spm.gguf", "ggml-vocab-phi-3.gguf",
                                         "ggml-vocab-gpt-2.gguf", "ggml-vocab-starcoder.gguf"),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name)
                             if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
                           return name;
                         });

// A byte-level BPE vocabulary of one's own: "a" "b" "c" "ab" "abc" "aa" "aaaa", a control and a user-defined
// token.
std::vector<std::pair<std::string, GgufValue>> small_bpe() {
  const std::vector<std::string> tokens{"a", "b", "c", "ab", "abc", "aa", "aaaa", "<|end|>", "<user>", "<s>"};
  const std::vector<std::int32_t> types{1, 1, 1, 1, 1, 1, 1, 3, 4, 3};
  const std::vector<std::string> merges{"a b", "ab c", "a a", "aa aa"};
  return {{"tokenizer.ggml.model", gguf_text("gpt2")},      {"tokenizer.ggml.pre", gguf_text("gpt-2")},
          {"tokenizer.ggml.tokens", gguf_texts(tokens)},    {"tokenizer.ggml.token_type", gguf_i32s(types)},
          {"tokenizer.ggml.merges", gguf_texts(merges)},    {"tokenizer.ggml.bos_token_id", gguf_u32(9)},
          {"tokenizer.ggml.add_bos_token", gguf_bool(true)}};
}

std::vector<std::pair<std::string, GgufValue>> small_spm() {
  const std::vector<std::string> tokens{"<unk>", "<s>",  "</s>",   "\xe2\x96\x81", "a",
                                        "aa",    "aaaa", "<0x62>", "<0xFF>"};
  const std::vector<std::int32_t> types{2, 3, 3, 1, 1, 1, 1, 6, 6};
  const std::vector<float> scores{0, 0, 0, -1, -2, -3, -4, 0, 0};
  return {{"tokenizer.ggml.model", gguf_text("llama")},
          {"tokenizer.ggml.tokens", gguf_texts(tokens)},
          {"tokenizer.ggml.token_type", gguf_i32s(types)},
          {"tokenizer.ggml.scores", gguf_f32s(scores)}};
}

using Metadata = std::vector<std::pair<std::string, GgufValue>>;

Metadata with(Metadata metadata, const std::string& key, GgufValue value) {
  for (auto& [have, old] : metadata)
    if (have == key) {
      old = std::move(value);
      return metadata;
    }
  metadata.emplace_back(key, std::move(value));
  return metadata;
}

Metadata without(Metadata metadata, const std::string& key) {
  std::erase_if(metadata, [&](const auto& entry) { return entry.first == key; });
  return metadata;
}

TEST(Tokenizer, MergesByRankThenFromTheLeft) {
  const auto tokenizer = Tokenizer::from_gguf(*make_file(small_bpe()));
  EXPECT_THAT(tokenizer->encode("aab", false, false), ElementsAre(0, 3));  // "a b" ranks before "a a"
  EXPECT_THAT(tokenizer->encode("aaa", false, false), ElementsAre(5, 0));
  EXPECT_THAT(tokenizer->encode("aaaaaa", false, false), ElementsAre(6, 5));
  EXPECT_THAT(tokenizer->encode("abcab", true, false), ElementsAre(9, 4, 3));
}

TEST(Tokenizer, MatchesControlTokensOnlyWhenAskedAndUserTokensAlways) {
  const auto tokenizer = Tokenizer::from_gguf(*make_file(
      with(small_bpe(), "tokenizer.ggml.unknown_token_id", gguf_u32(2))));  // so that '<' has a token
  EXPECT_THAT(tokenizer->encode("a<user>b", false, false), ElementsAre(0, 8, 1));
  EXPECT_THAT(tokenizer->encode("a<|end|>b", false, true), ElementsAre(0, 7, 1));
  EXPECT_EQ(tokenizer->encode("a<|end|>b", false, false).size(), 9u);
  EXPECT_EQ(tokenizer->decode(Ids{0, 7, 8, 1}), "a<user>b");
  EXPECT_TRUE(tokenizer->is_end(7));
  EXPECT_FALSE(tokenizer->is_end(8));
}

TEST(Tokenizer, NamesAByteThatNoTokenStandsFor) {
  const auto tokenizer = Tokenizer::from_gguf(*make_file(small_bpe()));
  EXPECT_THAT(refusal([&] { tokenizer->encode("az", false, false); }),
              AllOf(HasSubstr("tokenizer.ggml.tokens"), HasSubstr("byte 122")));
}

TEST(Tokenizer, KeepsBytesThatAreNotUtf8) {
  BRINKMAP_NEEDS_REFERENCE("tokenizers");
  for (const char* vocab : {"ggml-vocab-gpt-2.gguf", "ggml-vocab-llama-spm.gguf"}) {
    const auto tokenizer = reference_tokenizer(vocab, "");
    const std::string prefix = std::string(vocab).find("spm") != std::string::npos ? " " : "";
    for (const std::string& text :
         {std::string("a\xff\xfe b"), std::string("\xe2\x96"), std::string("x\xc0\x80y"),
          std::string("\xed\xa0\x80"), std::string("a\0b", 3), std::string("\xf4\x90\x80\x80 1")})
      EXPECT_EQ(tokenizer->decode(tokenizer->encode(text, false, false)), prefix + text);
  }
}

TEST(Tokenizer, LongRunsDoNotTakeQuadraticTime) {
  BRINKMAP_NEEDS_REFERENCE("tokenizers");
  // Quadratic merging of 2^18 letters takes minutes; the bound only has to tell the two apart.
  for (const char* vocab : {"ggml-vocab-gpt-2.gguf", "ggml-vocab-llama-spm.gguf"}) {
    const auto tokenizer = reference_tokenizer(vocab, "");
    for (const char* unit : {"a", " ", "\n", "1", "!", "ab ", "\xff", "'s"}) {
      std::string text;
      while (text.size() < (1 << 18)) text += unit;
      const auto start = std::chrono::steady_clock::now();
      const auto ids = tokenizer->encode(text, false, true);
      EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20)) << unit;
      const std::string back = tokenizer->decode(ids);
      EXPECT_EQ(back.substr(back.size() - text.size()), text);
    }
  }
}

TEST(Tokenizer, GivesTheSameIdsFromManyThreads) {
  BRINKMAP_NEEDS_REFERENCE("tokenizers");
  const auto tokenizer = reference_tokenizer("ggml-vocab-gpt-2.gguf", "llama-bpe");
  const std::string text = "It's 12345 words, isn't it?\n\n  Ünïcode \xf0\x9f\x99\x82";
  const Ids expected = tokenizer->encode(text, true, true);
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int& count : wrong)
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) count += tokenizer->encode(text, true, true) != expected;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(wrong, ElementsAre(0, 0, 0, 0));
}

TEST(PreTokenizer, WordsAreTheTextInOrderForEveryPattern) {
  std::vector<std::string> texts{"",
                                 " ",
                                 "\n\n x",
                                 "don't DON'T 1234567 \t\r\n",
                                 "a\xff z",
                                 "\xe1\xa0\x8e \xc2\x85 x",
                                 "\xe3\x80\x80\xe3\x80\x80q",
                                 "!!!\n\n\nfoo  \n bar",
                                 "'s'S'll'LL x'",
                                 "\xc2\xb2\xe0\xa9\xa7 7"};
  for (const std::string& name : pre_tokenizer_names()) {
    const PreTokenizer pre(*find_pre_tokenizer(name));
    for (const std::string& text : texts) {
      std::string joined;
      for (std::string_view word : pre.split(text)) {
        EXPECT_FALSE(word.empty());
        joined += word;
      }
      EXPECT_EQ(joined, text) << name;
    }
  }
}

TEST(PreTokenizer, CutsAsTheModelsDo) {
  const auto words = [](const char* name, std::string_view text) {
    const PreTokenizer pre(*find_pre_tokenizer(name));
    std::vector<std::string> out;
    for (std::string_view word : pre.split(text)) out.emplace_back(word);
    return out;
  };
  EXPECT_THAT(words("gpt-2", "I'll  go 1234"), ElementsAre("I", "'ll", " ", " go", " 1234"));
  EXPECT_THAT(words("llama-bpe", "I'LL go1234\n x"), ElementsAre("I", "'LL", " go", "123", "4", "\n", " x"));
  EXPECT_THAT(words("qwen2", "a 12"), ElementsAre("a", " ", "1", "2"));
  EXPECT_THAT(words("smollm", "a 12"), ElementsAre("a", " ", "1", "2"));
  // U+180E is no white space since Unicode 6.3, though PCRE2's \s takes it.
  EXPECT_THAT(words("gpt-2",
                    "\xe1\xa0\x8e\xe1\xa0\x8e"
                    "a"),
              ElementsAre("\xe1\xa0\x8e\xe1\xa0\x8e", "a"));
}

TEST(SpmTokenizer, MergesByScoreAndFallsBackToBytes) {
  const auto tokenizer = Tokenizer::from_gguf(*make_file(small_spm()));
  EXPECT_THAT(tokenizer->encode("aaaaa", false, false), ElementsAre(3, 6, 4));
  EXPECT_THAT(tokenizer->encode("ab", true, false), ElementsAre(1, 3, 4, 7));
  EXPECT_THAT(tokenizer->encode("\xff", false, false), ElementsAre(3, 8));
  EXPECT_THAT(tokenizer->encode("z", false, false), ElementsAre(3, 0));  // no byte token: unknown
  EXPECT_EQ(tokenizer->decode(Ids{1, 3, 4, 7, 8}), " ab\xff");
  EXPECT_TRUE(tokenizer->encode("", false, false).empty());
}

TEST(SpmTokenizer, LeavesTheSpaceOutWhenTheFileSaysSo) {
  const auto tokenizer = Tokenizer::from_gguf(
      *make_file(with(small_spm(), "tokenizer.ggml.add_space_prefix", gguf_bool(false))));
  EXPECT_THAT(tokenizer->encode("aa", false, false), ElementsAre(5));
}

TEST(Tokenizer, RefusesIdsOutsideTheVocabulary) {
  const auto tokenizer = Tokenizer::from_gguf(*make_file(small_bpe()));
  EXPECT_EQ(tokenizer->size(), 10);
  EXPECT_THROW(tokenizer->decode(Ids{10}), Error);
  EXPECT_THROW(tokenizer->decode(Ids{-1}), Error);
}

TEST(Tokenizer, BrokenTablesAreNamed) {
  const auto open = [](const Metadata& metadata) {
    return refusal([&] { Tokenizer::from_gguf(*make_file(metadata)); });
  };
  const std::string t = "tokenizer.ggml.";
  const auto texts = [](std::vector<std::string> v) { return gguf_texts(v); };
  const auto numbers = [](std::vector<std::int32_t> v) { return gguf_i32s(v); };
  EXPECT_EQ(open(small_bpe()), "no error");
  EXPECT_EQ(open(small_spm()), "no error");
  EXPECT_THAT(open({}), AllOf(HasSubstr(t + "model"), HasSubstr("missing")));
  EXPECT_THAT(open(with(small_bpe(), t + "model", gguf_text("bert"))),
              AllOf(HasSubstr("'bert'"), HasSubstr("gpt2")));
  EXPECT_THAT(open(with(small_bpe(), t + "model", gguf_u32(1))),
              AllOf(HasSubstr(t + "model"), HasSubstr("text")));
  EXPECT_THAT(open(with(small_bpe(), t + "pre", gguf_text("tekken"))),
              AllOf(HasSubstr("'tekken'"), HasSubstr("qwen2")));
  EXPECT_THAT(open(without(small_bpe(), t + "tokens")), HasSubstr(t + "tokens"));
  EXPECT_THAT(open(with(small_bpe(), t + "tokens", texts({}))), HasSubstr("is empty"));
  EXPECT_THAT(open(with(small_bpe(), t + "tokens", numbers({1}))),
              AllOf(HasSubstr(t + "tokens"), HasSubstr("text")));
  EXPECT_THAT(open(with(small_bpe(), t + "token_type", numbers({1, 1}))),
              AllOf(HasSubstr("token_type"), HasSubstr("10")));
  EXPECT_THAT(open(with(small_bpe(), t + "token_type", numbers({1, 1, 1, 7, 1, 1, 1, 1, 1, 1}))),
              AllOf(HasSubstr("token_type"), HasSubstr("index 3"), HasSubstr("7")));
  EXPECT_THAT(
      open(with(small_bpe(), t + "tokens", texts({"a", "b", "c", "d", "e", "f", "g", "h", "b", "<s>"}))),
      AllOf(HasSubstr("index 8"), HasSubstr("'b'"), HasSubstr("index 1")));
  EXPECT_THAT(open(without(small_bpe(), t + "merges")), HasSubstr(t + "merges"));
  for (const char* merge : {"ab", "a ", " a", ""})
    EXPECT_THAT(open(with(small_bpe(), t + "merges", texts({"a b", merge}))),
                AllOf(HasSubstr("merges"), HasSubstr("index 1")));
  EXPECT_THAT(open(with(small_bpe(), t + "bos_token_id", gguf_u32(10))),
              AllOf(HasSubstr("bos_token_id"), HasSubstr("10")));
  EXPECT_THAT(open(with(small_bpe(), t + "add_bos_token", gguf_u32(1))),
              AllOf(HasSubstr("add_bos_token"), HasSubstr("flag")));
  EXPECT_THAT(open(with(small_bpe(), t + "add_eos_token", gguf_bool(true))), HasSubstr("eos_token_id"));
  EXPECT_THAT(open(without(small_spm(), t + "scores")), HasSubstr(t + "scores"));
  EXPECT_THAT(open(with(small_spm(), t + "scores", gguf_f32s(std::vector<float>(3)))),
              AllOf(HasSubstr("scores"), HasSubstr("9")));
  std::vector<float> nan(9);
  nan[4] = std::nanf("");
  EXPECT_THAT(open(with(small_spm(), t + "scores", gguf_f32s(nan))),
              AllOf(HasSubstr("scores"), HasSubstr("index 4")));
}

}  // namespace
}  // namespace brinkmap::worker
