#include "worker/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "schedule/error.h"
#include "tests/reference.h"
#include "tests/worker/gguf_bytes.h"
#include "worker/hash.h"

namespace brinkmap::worker {
namespace {

using kernels::Format;
using testing::AllOf;
using testing::HasSubstr;
using tests::GgufBytes;

std::string refusal(const std::string& bytes) {
  try {
    Checkpoint::parse(std::as_bytes(std::span(bytes.data(), bytes.size())), "x.gguf");
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

std::shared_ptr<const Checkpoint> parse(const std::string& bytes) {
  return Checkpoint::parse(std::as_bytes(std::span(bytes.data(), bytes.size())), "x.gguf");
}

std::string temporary(const std::string& name) {
  return testing::TempDir() + name + "-" + std::to_string(::getpid()) + ".gguf";
}

// Two keys and two tensors: a [4] F32 and b [32, 2] Q8_0.
GgufBytes small_file(std::uint32_t version = 3) {
  GgufBytes file(version, 2, 2);
  file.key("general.architecture", kGgufText).text("llama");
  file.key("llama.block_count", kGgufU32).u32(2);
  file.tensor("a", {4}, 0, 0).tensor("b", {32, 2}, 8, 32);
  file.pad(32).zeros(32).zeros(68);
  return file;
}

TEST(Gguf, ReadsVersionsTwoAndThree) {
  for (std::uint32_t version : {2u, 3u}) {
    const std::string bytes = small_file(version).bytes();
    const auto file = parse(bytes);
    EXPECT_EQ(file->version(), version);
    EXPECT_EQ(file->text("general.architecture"), "llama");
    EXPECT_EQ(file->integer("llama.block_count"), 2);
    ASSERT_EQ(file->tensors().size(), 2u);
    const GgufTensor* b = file->find("b");
    ASSERT_NE(b, nullptr);
    EXPECT_EQ(b->format, Format::kQ8_0);
    EXPECT_EQ(b->shape, (std::vector<std::int64_t>{32, 2}));
    EXPECT_EQ(b->elements(), 64);
    EXPECT_EQ(b->data.size(), 68u);
    EXPECT_EQ(reinterpret_cast<const char*>(b->data.data()), bytes.data() + bytes.size() - 68);
    EXPECT_EQ(file->find("c"), nullptr);
  }
}

TEST(Gguf, TypedReadsCheckTypeAndRange) {
  GgufBytes bytes(3, 0, 6);
  bytes.key("u64", kGgufU64).u64(~std::uint64_t{0});
  bytes.key("i8", kGgufI8).raw("\xfe");
  bytes.key("f64", kGgufF64).f64(0.25);
  bytes.key("flag", kGgufBool).raw("\x01");
  bytes.key("list", kGgufArray).u32(kGgufI32).u64(2).u32(7).u32(0xffffffff);
  bytes.key("text", kGgufText).text("hi");
  const auto file = parse(bytes.bytes());
  const auto error = [](const std::function<void()>& call) -> std::string {
    try {
      call();
    } catch (const InputError& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_EQ(file->integer("i8"), -2);
  EXPECT_EQ(file->number("f64"), 0.25);
  EXPECT_TRUE(file->flag_or("flag", false));
  EXPECT_EQ(file->integers("list"), (std::vector<std::int64_t>{7, -1}));
  EXPECT_EQ(file->integer_or("none", 5), 5);
  EXPECT_EQ(file->number_or("none", 0.5), 0.5);
  EXPECT_EQ(file->text_or("none", "d"), "d");
  EXPECT_TRUE(file->flag_or("none", true));
  EXPECT_THAT(error([&] { file->integer("u64"); }), AllOf(HasSubstr("'u64'"), HasSubstr("2^63")));
  EXPECT_THAT(error([&] { file->integer("none"); }), AllOf(HasSubstr("'none'"), HasSubstr("missing")));
  EXPECT_THAT(error([&] { file->integer("text"); }), AllOf(HasSubstr("integer"), HasSubstr("text")));
  EXPECT_THAT(error([&] { file->number("i8"); }), HasSubstr("i8"));
  EXPECT_THAT(error([&] { file->text("f64"); }), AllOf(HasSubstr("expected text"), HasSubstr("f64")));
  EXPECT_THAT(error([&] { file->flag_or("text", true); }), HasSubstr("flag"));
  EXPECT_THAT(error([&] { file->texts("list"); }), HasSubstr("expected text"));
  EXPECT_THAT(error([&] { file->integers("text"); }), HasSubstr("array"));
}

TEST(Gguf, RefusesATensorThatReachesPastTheFile) {
  std::string bytes = small_file().bytes();
  bytes.pop_back();
  EXPECT_THAT(refusal(bytes), AllOf(HasSubstr("x.gguf: tensor 'b'"), HasSubstr("truncated")));
}

TEST(Gguf, RefusesEveryTruncation) {
  const std::string bytes = small_file().bytes();
  for (std::size_t n = 0; n < bytes.size(); ++n)
    EXPECT_NE(refusal(bytes.substr(0, n)), "no error") << n << " bytes of " << bytes.size();
}

TEST(Gguf, SurvivesEveryChangedByte) {
  const std::string good = small_file().bytes();
  int refused = 0;
  for (std::size_t i = 0; i < good.size(); ++i)
    for (unsigned char change : {0x01, 0x80, 0xff, 0x20}) {
      std::string bytes = good;
      bytes[i] = static_cast<char>(bytes[i] ^ change);
      refused += refusal(bytes) != "no error";  // only InputError may come out
    }
  EXPECT_GT(refused, 300);
}

TEST(Gguf, RefusesBrokenHeaders) {
  EXPECT_THAT(refusal(""), HasSubstr("magic"));
  EXPECT_THAT(refusal("GGML0000000000000000000000000000"), HasSubstr("not a GGUF file"));
  EXPECT_THAT(refusal(GgufBytes(1, 0, 0).bytes()), HasSubstr("version 1"));
  EXPECT_THAT(refusal(GgufBytes(4, 0, 0).bytes()), HasSubstr("version 4"));
  EXPECT_THAT(refusal(GgufBytes(0x03000000, 0, 0).bytes()), HasSubstr("big-endian"));
  EXPECT_THAT(refusal(GgufBytes(3, 1, 0).bytes()), HasSubstr("1 tensors"));
  EXPECT_THAT(refusal(GgufBytes(3, ~std::uint64_t{0}, 0).zeros(64).bytes()),
              HasSubstr("18446744073709551615 tensors"));
  EXPECT_THAT(refusal(GgufBytes(3, 0, std::uint64_t{1} << 60).zeros(64).bytes()), HasSubstr("metadata keys"));
}

TEST(Gguf, RefusesBrokenMetadata) {
  const auto with_key = [](std::uint32_t type) {
    GgufBytes file(3, 0, 1);
    file.key("k", type);
    return file;
  };
  EXPECT_THAT(refusal(with_key(13).u32(0).bytes()), AllOf(HasSubstr("'k'"), HasSubstr("type 13")));
  EXPECT_THAT(refusal(with_key(kGgufBool).raw("\x02").bytes()), HasSubstr("found 2"));
  EXPECT_THAT(refusal(with_key(kGgufText).u64(~std::uint64_t{0}).raw("abc").bytes()),
              HasSubstr("18446744073709551615"));
  EXPECT_THAT(refusal(with_key(kGgufText).u64(4).raw("abc").bytes()), HasSubstr("ends after 3"));
  EXPECT_THAT(refusal(with_key(kGgufArray).u32(kGgufU8).u64(9).zeros(8).bytes()),
              HasSubstr("9 array elements"));
  EXPECT_THAT(refusal(with_key(kGgufArray).u32(kGgufText).u64(std::uint64_t{1} << 61).zeros(64).bytes()),
              HasSubstr("array elements"));
  EXPECT_THAT(refusal(with_key(kGgufArray).u32(99).u64(0).bytes()), HasSubstr("element type 99"));
  EXPECT_THAT(refusal(GgufBytes(3, 0, 1).u64(0).u32(0).zeros(8).bytes()), HasSubstr("1 to 65535"));
  EXPECT_THAT(refusal(GgufBytes(3, 0, 2).key("k", kGgufU8).raw("a").key("k", kGgufU8).raw("a").bytes()),
              AllOf(HasSubstr("'k'"), HasSubstr("twice")));
  // An error must not carry a file's control characters to the terminal.
  EXPECT_THAT(refusal(GgufBytes(3, 0, 1).key("\x1b[2J\xff", 13).u32(0).bytes()),
              HasSubstr("'\\x1b[2J\\xff'"));
}

TEST(Gguf, RefusesArraysNestedTooDeep) {
  const auto nested = [](int depth) {
    GgufBytes file(3, 0, 1);
    file.key("k", kGgufArray);
    for (int i = 1; i < depth; ++i) file.u32(kGgufArray).u64(1);
    return file.u32(kGgufU8).u64(1).raw("a").bytes();
  };
  EXPECT_EQ(refusal(nested(4)), "no error");
  EXPECT_THAT(refusal(nested(5)), HasSubstr("nested deeper"));
  EXPECT_THAT(refusal(nested(100000)), HasSubstr("nested deeper"));
}

TEST(Gguf, RefusesBrokenAlignments) {
  const auto aligned = [](std::uint32_t type, std::uint32_t value) {
    return refusal(GgufBytes(3, 0, 1).key("general.alignment", type).u32(value).bytes());
  };
  EXPECT_EQ(aligned(kGgufU32, 64), "no error");
  for (std::uint32_t value : {0u, 1u, 4u, 33u, 0x80000000u})
    EXPECT_THAT(aligned(kGgufU32, value), AllOf(HasSubstr("power of two"), HasSubstr(std::to_string(value))));
  EXPECT_THAT(aligned(kGgufI32, 32), HasSubstr("u32"));
}

TEST(Gguf, RefusesBrokenTensors) {
  const auto one = [](const std::string& name, std::vector<std::uint64_t> shape, std::uint32_t type,
                      std::uint64_t offset, std::size_t data = 4096) {
    return refusal(GgufBytes(3, 1, 0).tensor(name, shape, type, offset).pad(32).zeros(data).bytes());
  };
  EXPECT_EQ(one("t", {256, 2}, 12, 0), "no error");
  EXPECT_THAT(one("t", {}, 0, 0), HasSubstr("found 0"));
  EXPECT_THAT(one("t", {1, 1, 1, 1, 1}, 0, 0), AllOf(HasSubstr("'t'"), HasSubstr("found 5")));
  EXPECT_THAT(one("t", {32, 0}, 0, 0), HasSubstr("dimension 1 is zero"));
  EXPECT_THAT(one("t", {std::uint64_t{1} << 32, std::uint64_t{1} << 31}, 0, 0), HasSubstr("2^63"));
  EXPECT_THAT(one("t", {~std::uint64_t{0}}, 0, 0), HasSubstr("2^63"));
  EXPECT_THAT(one("t", {std::uint64_t{1} << 62}, 0, 0), HasSubstr("blocks"));
  EXPECT_THAT(one("t", {32}, 99, 0), AllOf(HasSubstr("'t'"), HasSubstr("type 99")));
  EXPECT_THAT(one("t", {255}, 12, 0), AllOf(HasSubstr("255"), HasSubstr("Q4_K"), HasSubstr("256")));
  EXPECT_THAT(one("t", {33}, 8, 0), HasSubstr("Q8_0"));
  EXPECT_THAT(one("t", {4}, 0, 16), AllOf(HasSubstr("offset 16"), HasSubstr("alignment 32")));
  EXPECT_THAT(one("t", {4}, 0, ~std::uint64_t{31}), HasSubstr("past the end"));
  EXPECT_THAT(one("t", {4}, 0, 4096), HasSubstr("truncated"));
  EXPECT_THAT(one("t", {4}, 0, 1 << 20), HasSubstr("past the end"));
  EXPECT_THAT(one("", {4}, 0, 0), HasSubstr("found 0"));
  EXPECT_EQ(one(std::string(64, 'n'), {4}, 0, 0), "no error");
  EXPECT_THAT(one(std::string(65, 'n'), {4}, 0, 0), HasSubstr("found 65"));
}

TEST(Gguf, RefusesTensorsThatOverlapOrShareAName) {
  GgufBytes overlap(3, 2, 0);
  overlap.tensor("a", {4}, 0, 32).tensor("b", {9}, 0, 0).pad(32).zeros(64);
  EXPECT_THAT(refusal(overlap.bytes()), AllOf(HasSubstr("tensor 'a'"), HasSubstr("overlaps tensor 'b'")));
  GgufBytes twice(3, 2, 0);
  twice.tensor("a", {4}, 0, 0).tensor("a", {4}, 0, 32).pad(32).zeros(64);
  EXPECT_THAT(refusal(twice.bytes()), AllOf(HasSubstr("'a'"), HasSubstr("twice")));
}

TEST(Gguf, RefusesEveryCommittedBrokenFile) {
  const std::filesystem::path folder = std::filesystem::path(BRINKMAP_SOURCE_DIR) / "tests/data/broken";
  std::ifstream in(folder / "expected.json");
  const auto expected = nlohmann::json::parse(in);
  EXPECT_GE(expected.size(), 8u);
  for (const auto& [name, part] : expected.items()) {
    std::string what = "no error";
    try {
      Checkpoint::open((folder / name).string());
    } catch (const InputError& error) {
      what = error.what();
    }
    EXPECT_THAT(what, AllOf(HasSubstr(name), HasSubstr(part.get<std::string>())));
  }
}

TEST(Gguf, NamesAFileThatCannotBeOpened) {
  const auto open = [](const std::string& path) -> std::string {
    try {
      Checkpoint::open(path);
    } catch (const InputError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_THAT(open("/nowhere/model.gguf"),
              AllOf(HasSubstr("/nowhere/model.gguf"), HasSubstr("No such file")));
  EXPECT_THAT(open("/dev/null"), HasSubstr("not a regular file"));
  const std::string empty = temporary("empty");
  std::ofstream{empty};
  EXPECT_THAT(open(empty), HasSubstr("is empty"));
  std::filesystem::remove(empty);
}

TEST(GgufWriter, WritesWhatItReadsByteForByte) {
  BRINKMAP_NEEDS_REFERENCE("logits/llama/llama-Q4_K_M.gguf");
  const auto file = Checkpoint::open(tests::reference("logits/llama/llama-Q4_K_M.gguf").string());
  GgufWriter writer;
  for (const std::string& key : file->keys()) writer.add(key, file->metadata().at(key));
  for (const GgufTensor& tensor : file->tensors())
    writer.add_tensor(tensor.name, tensor.shape, tensor.format, tensor.data);
  const std::string path = temporary("copy");
  writer.write(path);
  EXPECT_EQ(Checkpoint::open(path)->sha256(), file->sha256());
  std::filesystem::remove(path);
}

TEST(GgufWriter, KeepsEveryKindOfValueAndEmptyArrays) {
  GgufWriter writer;
  writer.add("general.alignment", gguf_u32(64));
  writer.add("u8", {kGgufU8, std::uint64_t{255}});
  writer.add("i16", {kGgufI16, std::int64_t{-300}});
  writer.add("i64", {kGgufI64, std::int64_t{-1}});
  writer.add("f64", {kGgufF64, 1e-300});
  writer.add("none", gguf_texts({}));
  const auto inner = std::make_shared<const GgufArray>(GgufArray{gguf_bool(true), gguf_bool(false)});
  const GgufValue list{kGgufArray, inner, kGgufBool};
  writer.add("nested", {kGgufArray, std::make_shared<const GgufArray>(GgufArray{list, list}), kGgufArray});
  std::vector<std::byte> data(12, std::byte{1});
  writer.add_tensor("x", {3}, Format::kF32, data);
  writer.add_tensor("y", {3, 1}, Format::kF32, data);
  const std::string path = temporary("kinds"), again = temporary("kinds-again");
  writer.write(path);
  const auto file = Checkpoint::open(path);
  EXPECT_EQ(file->integer("u8"), 255);
  EXPECT_EQ(file->integer("i16"), -300);
  EXPECT_EQ(file->number("f64"), 1e-300);
  EXPECT_TRUE(file->texts("none").empty());
  EXPECT_EQ(file->metadata().at("none").element_type, kGgufText);
  EXPECT_EQ(file->find("y")->data.data() - file->find("x")->data.data(), 64);
  GgufWriter copy;
  for (const std::string& key : file->keys()) copy.add(key, file->metadata().at(key));
  for (const GgufTensor& t : file->tensors()) copy.add_tensor(t.name, t.shape, t.format, t.data);
  copy.write(again);
  EXPECT_EQ(Checkpoint::open(again)->sha256(), file->sha256());
  std::filesystem::remove(path);
  std::filesystem::remove(again);
}

TEST(GgufWriter, RefusesWrongUse) {
  GgufWriter writer;
  const std::vector<std::byte> data(16);
  writer.add("k", gguf_u32(1));
  EXPECT_THROW(writer.add("k", gguf_u32(2)), Error);
  writer.add_tensor("t", {4}, Format::kF32, data);
  EXPECT_THROW(writer.add_tensor("t", {4}, Format::kF32, data), Error);
  EXPECT_THROW(writer.add_tensor("u", {5}, Format::kF32, data), Error);
  EXPECT_THROW(writer.add_tensor("u", {4}, Format::kQ8_0, data), Error);
  EXPECT_THROW(writer.add_tensor("u", {}, Format::kF32, data), Error);
  GgufWriter range;
  range.add("k", {kGgufU8, std::uint64_t{256}});
  EXPECT_THROW(range.write(temporary("range")), Error);
}

TEST(GgufWriter, LeavesNothingBehindWhenTheDiskIsFull) {
  const std::string folder = testing::TempDir() + "full-" + std::to_string(::getpid());
  std::filesystem::create_directory(folder);
  const pid_t child = ::fork();
  if (child == 0) {
    // A file size limit fails a write in the middle of the file, as a full disk does.
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const std::vector<std::byte> data(65536);
    GgufWriter writer;
    writer.add_tensor("t", {16384}, Format::kF32, data);
    try {
      writer.write(folder + "/model.gguf");
    } catch (const InputError&) {
      ::_exit(std::filesystem::is_empty(folder) ? 0 : 2);
    } catch (...) {
    }
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  std::filesystem::remove_all(folder);
}

TEST(GgufWriter, NamesAFolderThatDoesNotExist) {
  GgufWriter writer;
  EXPECT_THROW(writer.write("/nowhere/model.gguf"), InputError);
}

TEST(Gguf, TokenizerHashSeesTokenizerKeysOnlyAndNotTheirOrder) {
  const auto hash = [](std::vector<std::pair<std::string, std::string>> keys) {
    GgufBytes bytes(3, 0, keys.size());
    for (const auto& [key, text] : keys) bytes.key(key, kGgufText).text(text);
    return parse(bytes.bytes())->tokenizer_sha256();
  };
  const std::string base = hash({{"tokenizer.a", "1"}, {"tokenizer.b", "2"}, {"x", "3"}});
  EXPECT_EQ(hash({{"tokenizer.b", "2"}, {"x", "4"}, {"tokenizer.a", "1"}}), base);
  EXPECT_NE(hash({{"tokenizer.a", "1"}, {"tokenizer.b", "3"}}), base);
  EXPECT_NE(hash({{"tokenizer.a", "1"}}), base);
}

TEST(Hash, EqualsThePublishedTestVectors) {
  // FIPS 180-4 examples: "abc" and the empty message.
  EXPECT_EQ(sha256_hex(std::string_view("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex(std::string_view()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 parts;
  parts.update("a");
  parts.update("bc");
  EXPECT_EQ(parts.hex(), sha256_hex(std::string_view("abc")));
}

}  // namespace
}  // namespace brinkmap::worker
