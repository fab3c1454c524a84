#include "worker/hf_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "schedule/error.h"
#include "worker/tokenizer.h"

namespace brinkmap::worker {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using Ids = std::vector<std::int32_t>;

constexpr const char* kSpace = "\xe2\x96\x81";

// A folder of its own for one test.
class Folder {
 public:
  Folder() : path_(testing::TempDir() + "hf-" + std::to_string(::getpid())) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  Folder& file(const std::string& name, const std::string& text) {
    std::ofstream(path_ + "/" + name, std::ios::binary) << text;
    return *this;
  }
  Folder& file(const std::string& name, const json& value) { return file(name, value.dump()); }

  std::shared_ptr<const Checkpoint> open(std::int64_t rows = 0) const {
    CheckpointParts parts;
    parts.path = path_;
    if (rows > 0) parts.tensors.push_back({"token_embd.weight", {4, rows}, {}, {}, {}, {}});
    add_hf_tokenizer(path_, parts);
    return Checkpoint::make(std::move(parts));
  }
  std::shared_ptr<const Tokenizer> tokenizer() const { return Tokenizer::from_gguf(*open()); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

json added(const std::string& text, int id, bool special = true) {
  return {{"id", id},        {"content", text},     {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", special}};
}

// GPT-2's kind: "a" "b" "c" "ab" "abc", then added tokens.
json byte_level() {
  return {{"added_tokens", {added("<|end|>", 5), added("<user>", 6, false)}},
          {"normalizer", nullptr},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
          {"post_processor", {{"type", "ByteLevel"}}},
          {"model",
           {{"type", "BPE"},
            {"vocab", {{"a", 0}, {"b", 1}, {"c", 2}, {"ab", 3}, {"abc", 4}}},
            {"merges", {"a b", "ab c"}}}}};
}

// Llama 2's kind: unknown, BOS, EOS, the bytes, then letters and what they make.
json sentencepiece() {
  json vocab{{"<unk>", 0}, {"<s>", 1}, {"</s>", 2}};
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(byte));
    vocab[name] = 3 + byte;
  }
  int next = 259;
  for (const std::string& text : {std::string(kSpace), std::string("a"), std::string("b"),
                                  kSpace + std::string("a"), std::string("aa"), std::string("aaa")})
    vocab[text] = next++;
  return {{"added_tokens", {added("<unk>", 0), added("<s>", 1), added("</s>", 2)}},
          {"normalizer",
           {{"type", "Sequence"},
            {"normalizers",
             {{{"type", "Prepend"}, {"prepend", kSpace}},
              {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpace}}}}}},
          {"pre_tokenizer", nullptr},
          {"post_processor",
           {{"type", "TemplateProcessing"},
            {"single",
             {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}},
              {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}}}}},
          {"model",
           {{"type", "BPE"},
            {"unk_token", "<unk>"},
            {"byte_fallback", true},
            {"fuse_unk", true},
            {"vocab", vocab},
            {"merges",
             json::array({json::array({"a", "a"}), json::array({"a", "aa"}), json::array({kSpace, "a"})})}}}};
}

TEST(HfTokenizer, ReadsByteLevelTables) {
  const auto tokenizer = Folder().file("tokenizer.json", byte_level()).tokenizer();
  EXPECT_THAT(tokenizer->encode("abcab", true, true), ElementsAre(4, 3));
  EXPECT_THAT(tokenizer->encode("a<user>b<|end|>", false, true), ElementsAre(0, 6, 1, 5));
  EXPECT_EQ(tokenizer->bos(), -1);
}

TEST(HfTokenizer, ReadsMergesAsPairsToo) {
  json j = byte_level();
  j["model"]["merges"] = json::array({json::array({"a", "b"}), json::array({"ab", "c"})});
  EXPECT_THAT(Folder().file("tokenizer.json", j).tokenizer()->encode("abcab", false, false),
              ElementsAre(4, 3));
}

TEST(HfTokenizer, MergesSentencePieceTextByRankNotByScore) {
  const auto tokenizer = Folder().file("tokenizer.json", sentencepiece()).tokenizer();
  // "aa" ranks first, then "a"+"aa"; "aa"+"a" is no merge, so three letters stay apart as aa, a.
  EXPECT_THAT(tokenizer->encode("aaa", false, false), ElementsAre(259, 263, 260));
  EXPECT_THAT(tokenizer->encode("a", false, false), ElementsAre(262));
  EXPECT_THAT(tokenizer->encode("b\xc3\xa9", true, true), ElementsAre(1, 259, 261, 3 + 0xc3, 3 + 0xa9));
  EXPECT_THAT(tokenizer->encode("<s>a", false, true), ElementsAre(1, 262));
  EXPECT_EQ(tokenizer->decode(Ids{262, 261, 3 + 0xff}), " ab\xff");
}

TEST(HfTokenizer, PutsTheSpaceWhereMetaspaceSays) {
  const auto ids = [](const char* scheme, const std::string& text) {
    json j = sentencepiece();
    j["normalizer"] = nullptr;
    j["pre_tokenizer"] = {
        {"type", "Metaspace"}, {"replacement", kSpace}, {"prepend_scheme", scheme}, {"split", false}};
    return Folder().file("tokenizer.json", j).tokenizer()->encode(text, false, true);
  };
  EXPECT_THAT(ids("first", "b<s>b"), ElementsAre(259, 261, 1, 261));
  EXPECT_THAT(ids("always", "b<s>b"), ElementsAre(259, 261, 1, 259, 261));
  EXPECT_THAT(ids("always", " b"), ElementsAre(259, 261));
  EXPECT_THAT(ids("never", "b<s>b"), ElementsAre(261, 1, 261));
}

TEST(HfTokenizer, DropsWhiteSpaceBehindTokensThatSaySo) {
  json j = byte_level();
  j["added_tokens"][0]["rstrip"] = true;
  EXPECT_THAT(Folder().file("tokenizer.json", j).tokenizer()->encode("a<|end|> \n\xc2\xa0 b", false, true),
              ElementsAre(0, 5, 1));
}

TEST(HfTokenizer, ComposesTextForQwen) {
  json j = byte_level();
  j["normalizer"] = {{"type", "NFC"}};
  j["model"]["vocab"] = {{"a", 0},        {"\xc3\x83", 1}, {"\xc2\xa9", 2},
                         {"\xc3\x8c", 3}, {"\xc4\xa3", 4}, {"e", 7}};
  j["model"]["merges"] = json::array();
  // e and U+0301 are the letter U+00E9: bytes C3 A9.
  EXPECT_THAT(Folder().file("tokenizer.json", j).tokenizer()->encode("e\xcc\x81", false, false),
              ElementsAre(1, 2));
}

TEST(HfTokenizer, RowsWithoutATokenGetOneThatNoTextSpells) {
  Folder folder;
  folder.file("tokenizer.json", byte_level());
  EXPECT_EQ(folder.open(9)->texts("tokenizer.ggml.tokens").at(8), "[PAD8]");
  EXPECT_EQ(folder.open(9)->integers("tokenizer.ggml.token_type").at(8), 5);
  // An added token beyond the rows is dropped; any other is an error.
  EXPECT_EQ(folder.open(6)->texts("tokenizer.ggml.tokens").size(), 6U);
  EXPECT_THROW(folder.open(4), InputError);
}

TEST(HfTokenizer, ReadsSpecialTokensEndsAndTemplate) {
  Folder folder;
  folder.file("tokenizer.json", byte_level())
      .file("tokenizer_config.json",
            json{{"bos_token", {{"content", "<user>"}}},
                 {"eos_token", "<|end|>"},
                 {"pad_token", "nowhere"},
                 {"chat_template",
                  {{{"name", "tools"}, {"template", "T"}}, {{"name", "default"}, {"template", "D"}}}}})
      .file("generation_config.json", json{{"eos_token_id", {5, 2}}})
      .file("config.json", json{{"eos_token_id", 1}});
  const auto file = folder.open();
  EXPECT_EQ(file->integer("tokenizer.ggml.bos_token_id"), 6);
  EXPECT_FALSE(file->flag_or("tokenizer.ggml.add_bos_token", true));
  EXPECT_FALSE(file->has("tokenizer.ggml.padding_token_id"));
  EXPECT_EQ(file->text("tokenizer.chat_template"), "D");
  EXPECT_EQ(file->text("tokenizer.chat_template.tools"), "T");
  const auto tokenizer = Tokenizer::from_gguf(*file);
  EXPECT_TRUE(tokenizer->is_end(5));
  EXPECT_TRUE(tokenizer->is_end(2));
  EXPECT_FALSE(tokenizer->is_end(1));
  EXPECT_THAT(hf_tokenizer_files(folder.path()),
              ElementsAre("generation_config.json", "tokenizer.json", "tokenizer_config.json"));
  folder.file("chat_template.jinja", std::string("J"));
  EXPECT_EQ(folder.open()->text("tokenizer.chat_template"), "J");
}

TEST(HfTokenizer, TakesBosFromTheFlagsOfLlamaAndGemma) {
  Folder folder;
  folder.file("tokenizer.json", sentencepiece());
  EXPECT_THAT(folder.tokenizer()->encode("a", true, false), ElementsAre(1, 262));
  folder.file("tokenizer_config.json", json{{"tokenizer_class", "LlamaTokenizerFast"},
                                            {"add_bos_token", false},
                                            {"add_eos_token", true},
                                            {"bos_token", "<s>"},
                                            {"eos_token", "</s>"}});
  EXPECT_THAT(folder.tokenizer()->encode("a", true, false), ElementsAre(262, 2));
}

struct Broken {
  const char* name;
  void (*change)(json&);
  const char* says;
};

class BrokenHfTokenizer : public testing::TestWithParam<Broken> {};

TEST_P(BrokenHfTokenizer, IsRefusedByName) {
  json j = std::string(GetParam().name).starts_with("Spm") ? sentencepiece() : byte_level();
  GetParam().change(j);
  Folder folder;
  folder.file("tokenizer.json", j);
  try {
    folder.open();
    ADD_FAILURE() << "no error";
  } catch (const InputError& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr("tokenizer.json"), HasSubstr(GetParam().says)));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Files, BrokenHfTokenizer,
    testing::Values(
        Broken{"NoModel", [](json& j) { j.erase("model"); }, "key 'model': is missing"},
        Broken{"OtherModel", [](json& j) { j["model"]["type"] = "Unigram"; },
               "expected BPE, found \"Unigram\""},
        Broken{"Dropout", [](json& j) { j["model"]["dropout"] = 0.1; }, "dropout"},
        Broken{"WordSuffix", [](json& j) { j["model"]["end_of_word_suffix"] = "</w>"; },
               "end_of_word_suffix"},
        Broken{"NoVocab", [](json& j) { j["model"].erase("vocab"); }, "model.vocab"},
        Broken{"EmptyVocab", [](json& j) { j["model"]["vocab"] = json::object(); }, "model.vocab"},
        Broken{"IdTwice", [](json& j) { j["model"]["vocab"]["b"] = 0; }, "id 0 is already that of 'a'"},
        Broken{"NegativeId", [](json& j) { j["model"]["vocab"]["b"] = -1; }, "found -1"},
        Broken{"IdIsText", [](json& j) { j["model"]["vocab"]["b"] = "1"; }, "model.vocab.b"},
        Broken{"HugeId", [](json& j) { j["model"]["vocab"]["b"] = 4000000; }, "without large gaps"},
        Broken{"AbsurdId", [](json& j) { j["model"]["vocab"]["b"] = 18446744073709551615ULL; },
               "model.vocab.b"},
        Broken{"MergeOfNothing", [](json& j) { j["model"]["merges"][1] = "ab z"; },
               "merges[1]': 'z' is no token"},
        Broken{"MergeToNothing", [](json& j) { j["model"]["merges"][1] = "c a"; }, "'ca' is no token"},
        Broken{"MergeTwice", [](json& j) { j["model"]["merges"][1] = "a b"; }, "stands twice"},
        Broken{"MergeOfThree", [](json& j) { j["model"]["merges"][1] = "a b c"; }, "expected two tokens"},
        Broken{"MergeIsNumber", [](json& j) { j["model"]["merges"][1] = 7; }, "expected two tokens, found 7"},
        Broken{"AddedIdTaken", [](json& j) { j["added_tokens"][0]["id"] = 1; },
               "id 1 is already that of 'b'"},
        Broken{"AddedTextTaken", [](json& j) { j["added_tokens"][0]["content"] = "a"; },
               "'a' already has id 0"},
        Broken{"AddedTwice", [](json& j) { j["added_tokens"][1] = j["added_tokens"][0]; },
               "id 5 stands twice"},
        Broken{"AddedWithoutText", [](json& j) { j["added_tokens"][0].erase("content"); },
               "added_tokens[0].content"},
        Broken{"SingleWord", [](json& j) { j["added_tokens"][0]["single_word"] = true; }, "single_word"},
        Broken{"LeftStrip", [](json& j) { j["added_tokens"][1]["lstrip"] = true; }, "('<user>')"},
        Broken{"OtherRegex",
               [](json& j) {
                 j["pre_tokenizer"] = {
                     {"type", "Sequence"},
                     {"pretokenizers",
                      {{{"type", "Split"}, {"pattern", {{"Regex", "[a-z]+"}}}, {"behavior", "Isolated"}},
                       {{"type", "ByteLevel"}, {"use_regex", false}}}}};
               },
               "[a-z]+"},
        Broken{"PrefixSpace", [](json& j) { j["pre_tokenizer"]["add_prefix_space"] = true; },
               "add_prefix_space"},
        Broken{"OtherNormalizer",
               [](json& j) {
                 j["normalizer"] = {{"type", "Lowercase"}};
               },
               "Lowercase"},
        Broken{"OtherPostProcessor",
               [](json& j) {
                 j["post_processor"] = {{"type", "BertProcessing"}};
               },
               "BertProcessing"},
        Broken{"SpmWithoutBytes", [](json& j) { j["model"]["byte_fallback"] = false; }, "byte_fallback"},
        Broken{"SpmByteMissing", [](json& j) { j["model"]["vocab"].erase("<0x41>"); }, "<0x41>"},
        Broken{"SpmOtherNormalizer",
               [](json& j) {
                 j["normalizer"] = {{"type", "NFKC"}};
               },
               "NFKC"},
        Broken{"SpmSplits",
               [](json& j) {
                 j["normalizer"] = nullptr;
                 j["pre_tokenizer"] = {
                     {"type", "Metaspace"}, {"replacement", kSpace}, {"prepend_scheme", "first"}};
               },
               "without split"},
        Broken{"SpmTwoBos",
               [](json& j) {
                 j["post_processor"]["single"].insert(j["post_processor"]["single"].begin(),
                                                      j["post_processor"]["single"][0]);
               },
               "at most one special token"},
        Broken{"SpmNormalizedUserToken",
               [](json& j) {
                 json token = added("b", 261, false);
                 token["normalized"] = true;
                 j["added_tokens"].push_back(token);
               },
               "normalized"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(HfTokenizer, RefusesBytesThatAreNoUtf8AndSaysWhichFileIsMissing) {
  const auto why = [](const Folder& folder) -> std::string {
    try {
      folder.open();
    } catch (const InputError& e) {
      return e.what();
    }
    return "no error";
  };
  Folder folder;
  EXPECT_THAT(why(folder), AllOf(HasSubstr("tokenizer.json"), HasSubstr("is missing")));
  folder.file("tokenizer.json", std::string("{\"model\": \"\xff\"}"));
  EXPECT_THAT(why(folder), AllOf(HasSubstr("tokenizer.json"), HasSubstr("no valid JSON")));
  folder.file("tokenizer.json", byte_level()).file("tokenizer_config.json", json{{"eos_token", "<eos>"}});
  EXPECT_THAT(why(folder), AllOf(HasSubstr("tokenizer_config.json"), HasSubstr("'<eos>' is no token")));
  folder.file("tokenizer_config.json", json::object())
      .file("generation_config.json", json{{"eos_token_id", {1, 99}}});
  EXPECT_THAT(why(folder), AllOf(HasSubstr("generation_config.json"), HasSubstr("found 99")));
}

}  // namespace
}  // namespace brinkmap::worker
