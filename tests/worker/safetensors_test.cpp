#include "worker/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schedule/error.h"
#include "tests/worker/hf_files.h"

namespace brinkmap::worker {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using tests::safetensors_bytes;
using tests::SafetensorsBytes;
using tests::TemporaryFolder;

std::vector<SafeTensor> parse(const std::string& bytes) {
  return parse_safetensors(std::as_bytes(std::span(bytes.data(), bytes.size())), "x.safetensors");
}

std::string refusal(const std::string& bytes) {
  try {
    parse(bytes);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

std::string folder_refusal(const std::string& folder) {
  try {
    SafetensorsFolder::open(folder);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Safetensors, ReadsTypesShapesAndBytesInAnyOrderOfTheData) {
  const std::string bytes = safetensors_bytes(
      R"({"__metadata__": {"format": "pt"},
          "b": {"dtype": "F32", "shape": [2, 1], "data_offsets": [4, 12]},
          "a": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]},
          "one": {"dtype": "U8", "shape": [], "data_offsets": [12, 13]}}   )",
      "aaaabbbbBBBB1");
  const auto tensors = parse(bytes);
  ASSERT_EQ(tensors.size(), 3u);
  EXPECT_EQ(tensors[0].name, "a");
  EXPECT_EQ(tensors[0].dtype, "BF16");
  EXPECT_EQ(tensors[1].shape, (std::vector<std::int64_t>{2, 1}));
  EXPECT_EQ(tensors[1].elements(), 2);
  EXPECT_EQ(std::memcmp(tensors[1].data.data(), "bbbbBBBB", 8), 0);
  EXPECT_EQ(tensors[2].elements(), 1);
  EXPECT_TRUE(parse(safetensors_bytes("{}", "")).empty());
}

TEST(Safetensors, RefusesEveryKindOfBrokenHeaderNamingFileAndTensor) {
  const auto one = [](const std::string& entry, const std::string& data = "01234567") {
    return safetensors_bytes(R"({"t": )" + entry + "}", data);
  };
  const auto two = [](const std::string& a, const std::string& b, const std::string& data = "01234567") {
    const auto entry = [](const std::string& offsets) {
      return R"({"dtype": "U8", "shape": [4], "data_offsets": )" + offsets + "}";
    };
    return safetensors_bytes(R"({"a": )" + entry(a) + R"(, "b": )" + entry(b) + "}", data);
  };
  std::string long_header = safetensors_bytes("{}", "");
  long_header[0] = 100;
  std::string huge_header = safetensors_bytes("{}", "");
  std::memset(huge_header.data(), 0xff, 8);
  std::string deep = "{\"t\": ";
  for (int i = 0; i < 100000; ++i) deep += '[';

  struct Case {
    const char* what;
    std::string bytes;
    std::vector<std::string> parts;  // of the error
  };
  const Case cases[] = {
      {"no length", "1234567", {"header", "8 bytes of length", "found 7"}},
      {"a header longer than the file", long_header, {"header", "100 bytes", "only 2 follow"}},
      {"an absurd header length", huge_header, {"header", "18446744073709551615"}},
      {"no JSON", safetensors_bytes("{\"t\": ", ""), {"header", "no valid JSON"}},
      {"broken UTF-8", safetensors_bytes("{\"\xff\": 1}", ""), {"header", "no valid JSON"}},
      {"a list", safetensors_bytes("[]", ""), {"header", "expected a JSON object"}},
      {"nested too deep", safetensors_bytes(deep, ""), {"header", "deeper than 32"}},
      {"a name twice", safetensors_bytes(R"({"t": 1, "t": 2})", ""), {"header", "'t' stands twice"}},
      {"no object", one("7"), {"tensor 't'", "expected an object, found 7"}},
      {"no dtype", one(R"({"shape": [8], "data_offsets": [0, 8]})"), {"tensor 't'", "has no dtype"}},
      {"no shape", one(R"({"dtype": "U8", "data_offsets": [0, 8]})"), {"tensor 't'", "has no shape"}},
      {"no offsets", one(R"({"dtype": "U8", "shape": [8]})"), {"tensor 't'", "has no data_offsets"}},
      {"a key too many",
       one(R"({"dtype": "U8", "shape": [8], "data_offsets": [0, 8], "x": 1})"),
       {"tensor 't'", "only"}},
      {"an unknown dtype",
       one(R"({"dtype": "Q4", "shape": [8], "data_offsets": [0, 8]})"),
       {"tensor 't'", "dtype 'Q4'"}},
      {"a dtype that is no text",
       one(R"({"dtype": 4, "shape": [8], "data_offsets": [0, 8]})"),
       {"tensor 't'", "dtype", "found 4"}},
      {"a negative extent",
       one(R"({"dtype": "U8", "shape": [-8], "data_offsets": [0, 8]})"),
       {"tensor 't'", "[-8]"}},
      {"an extent of zero",
       one(R"({"dtype": "U8", "shape": [8, 0], "data_offsets": [0, 0]})"),
       {"tensor 't'", "zero"}},
      {"a fractional extent",
       one(R"({"dtype": "U8", "shape": [8.5], "data_offsets": [0, 8]})"),
       {"tensor 't'", "[8.5]"}},
      {"a shape whose product overflows",
       one(R"({"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 8]})"),
       {"tensor 't'", "2^63"}},
      {"an extent beyond 64 bits",
       one(R"({"dtype": "U8", "shape": [99999999999999999999], "data_offsets": [0, 8]})"),
       {"tensor 't'", "whole numbers"}},
      {"nine dimensions",
       one(R"({"dtype": "U8", "shape": [1, 1, 1, 1, 1, 1, 1, 1, 8], "data_offsets": [0, 8]})"),
       {"tensor 't'", "at most 8"}},
      {"one offset",
       one(R"({"dtype": "U8", "shape": [8], "data_offsets": [8]})"),
       {"tensor 't'", "two whole numbers"}},
      {"an end before the begin",
       one(R"({"dtype": "U8", "shape": [8], "data_offsets": [8, 0]})"),
       {"tensor 't'", "before the begin"}},
      {"offsets past the end",
       one(R"({"dtype": "U8", "shape": [9], "data_offsets": [0, 9]})"),
       {"tensor 't'", "byte 9", "truncated"}},
      {"offsets near 2^64",
       one(R"({"dtype": "U8", "shape": [8], "data_offsets": [18446744073709551608, 18446744073709551615]})"),
       {"tensor 't'", "truncated"}},
      {"a shape that is not its bytes",
       one(R"({"dtype": "F32", "shape": [3], "data_offsets": [0, 8]})"),
       {"tensor 't'", "12 bytes", "hold 8"}},
      {"tensors that overlap", two("[0, 4]", "[2, 6]"), {"tensor 'b'", "overlaps tensor 'a'"}},
      {"two tensors at one place", two("[0, 4]", "[0, 4]", "0123"), {"overlaps tensor"}},
      {"a hole", two("[0, 4]", "[5, 9]", "012345678"), {"tensor 'b'", "1 bytes before it"}},
      {"a hole at the start", two("[1, 5]", "[5, 9]", "012345678"), {"tensor 'a'", "1 bytes before it"}},
      {"bytes left over", two("[4, 8]", "[0, 4]", "0123456789"), {"tensor 'a'", "2 bytes at the end"}},
      {"data without tensors", safetensors_bytes("{}", "x"), {"header", "1 bytes at the end"}},
      {"an empty name", safetensors_bytes(R"({"": {}})", ""), {"tensor ''", "found 0"}},
      {"an escape sequence", safetensors_bytes("{\"\\u001b[2J\": 1}", ""), {"tensor '\\x1b[2J'"}},
  };
  for (const Case& c : cases) {
    const std::string found = refusal(c.bytes);
    EXPECT_THAT(found, HasSubstr("x.safetensors: ")) << c.what;
    for (const std::string& part : c.parts) EXPECT_THAT(found, HasSubstr(part)) << c.what;
  }
}

TEST(Safetensors, RefusesEveryTruncationAndSurvivesEveryChangedByte) {
  SafetensorsBytes file;
  file.add("a.weight", "F32", {2, 3}, std::vector<float>(6, 1.0f));
  file.add("b", "BF16", {4}, std::vector<std::uint16_t>(4));
  const std::string good = file.bytes();
  EXPECT_EQ(refusal(good), "no error");
  for (std::size_t n = 0; n < good.size(); ++n) EXPECT_NE(refusal(good.substr(0, n)), "no error") << n;
  int refused = 0;
  for (std::size_t i = 0; i < good.size(); ++i)
    for (unsigned char change : {0x01, 0x80, 0xff, 0x20}) {
      std::string bytes = good;
      bytes[i] = static_cast<char>(bytes[i] ^ change);
      refused += refusal(bytes) != "no error";  // only InputError may come out
    }
  EXPECT_GT(refused, 300);
}

std::string shard(const std::string& tensor) {
  return SafetensorsBytes().add(tensor, "F32", {1}, std::vector<float>{1}).bytes();
}

std::string index(const std::string& map) { return R"({"metadata": {}, "weight_map": )" + map + "}"; }

constexpr const char* kIndex = "model.safetensors.index.json";

TEST(Safetensors, JoinsShardsThatTheIndexLists) {
  const TemporaryFolder folder("shards");
  folder.write("one.safetensors", shard("a")).write("two.safetensors", shard("b"));
  folder.write(kIndex, index(R"({"a": "one.safetensors", "b": "two.safetensors"})"));
  const auto tensors = SafetensorsFolder::open(folder.path());
  EXPECT_EQ(tensors->tensors().size(), 2u);
  EXPECT_EQ(tensors->find("b")->file, folder.file("two.safetensors"));
  EXPECT_EQ(tensors->find("c"), nullptr);
  EXPECT_EQ(tensors->files(), (std::vector<std::string>{kIndex, "one.safetensors", "two.safetensors"}));
  EXPECT_EQ(tensors->bytes(), 2 * shard("a").size() + std::filesystem::file_size(folder.file(kIndex)));
}

TEST(Safetensors, TakesTheOnlyFileOfAFolderWhateverItsName) {
  const TemporaryFolder folder("single");
  EXPECT_THAT(folder_refusal(folder.path()), HasSubstr("found neither"));
  folder.write("gptq_model.safetensors", shard("a"));
  EXPECT_NE(SafetensorsFolder::open(folder.path())->find("a"), nullptr);
  folder.write("other.safetensors", shard("b"));
  EXPECT_THAT(folder_refusal(folder.path()), HasSubstr("2 *.safetensors files"));
  folder.write("model.safetensors", shard("c"));
  EXPECT_EQ(SafetensorsFolder::open(folder.path())->tensors().size(), 1u);
}

TEST(Safetensors, RefusesABrokenIndex) {
  const TemporaryFolder folder("index");
  folder.write("one.safetensors", shard("a")).write("two.safetensors", shard("b"));
  const auto with = [&](const std::string& text) {
    folder.write(kIndex, text);
    return folder_refusal(folder.path());
  };
  EXPECT_THAT(with("{}"), AllOf(HasSubstr(kIndex), HasSubstr("'weight_map'"), HasSubstr("missing")));
  EXPECT_THAT(with(index("[]")), HasSubstr("expected an object"));
  EXPECT_THAT(with(index("{}")), HasSubstr("lists no tensor"));
  EXPECT_THAT(with("[]"), HasSubstr("expected a JSON object"));
  for (const char* file :
       {"../one.safetensors", "/etc/one.safetensors", "sub/one.safetensors", "one.bin", ".safetensors", ""})
    EXPECT_THAT(with(index(R"({"a": ")" + std::string(file) + "\"}")),
                AllOf(HasSubstr("tensor 'a'"), HasSubstr("same folder")))
        << file;
  EXPECT_THAT(with(index(R"({"a": 7})")), HasSubstr("found 7"));
  EXPECT_THAT(with(index(R"({"a": "three.safetensors"})")),
              AllOf(HasSubstr("three.safetensors"), HasSubstr("cannot be opened")));
  EXPECT_THAT(with(index(R"({"a": "one.safetensors", "x": "one.safetensors"})")),
              AllOf(HasSubstr("one.safetensors"), HasSubstr("tensor 'x'"), HasSubstr("is not in the file")));
  EXPECT_THAT(with(index(R"({"a": "two.safetensors", "b": "one.safetensors"})")),
              AllOf(HasSubstr("tensor 'a'"), HasSubstr("is not in the file")));
  folder.write("both.safetensors", SafetensorsBytes()
                                       .add("a", "F32", {1}, std::vector<float>{1})
                                       .add("b", "F32", {1}, std::vector<float>{1})
                                       .bytes());
  EXPECT_THAT(with(index(R"({"a": "both.safetensors"})")),
              AllOf(HasSubstr("both.safetensors"), HasSubstr("tensor 'b'"), HasSubstr("not listed")));
  EXPECT_THAT(with(index(R"({"a": "one.safetensors", "b": "both.safetensors"})")),
              HasSubstr("also stands in"));
}

}  // namespace
}  // namespace brinkmap::worker
