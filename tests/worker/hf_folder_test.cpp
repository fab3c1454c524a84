#include "worker/hf_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "bench/random_llama.h"
#include "schedule/error.h"
#include "tests/worker/hf_packed.h"
#include "worker/engine.h"
#include "worker/recipe.h"

namespace brinkmap::worker {
namespace {

using kernels::Format;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using tests::SafetensorsBytes;
using tests::TemporaryFolder;

std::string refusal(const std::string& path) {
  try {
    Checkpoint::open(path);
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

std::vector<float> floats(const GgufTensor& tensor) {
  std::vector<float> out(static_cast<std::size_t>(tensor.elements()));
  kernels::dequantize(tensor.format, tensor.data.data(), out.data(), tensor.elements());
  return out;
}

std::vector<float> counting(std::int64_t n, float start = 0) {
  std::vector<float> out(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = start + static_cast<float>(i);
  return out;
}

// The folder that convert_hf_to_gguf.py would have made a GGUF file of: names back, q and k rows back.
void write_as_folder(const Checkpoint& gguf, const bench::RandomLlama& model, const TemporaryFolder& folder,
                     std::size_t padding) {
  const std::pair<std::string, std::string> names[] = {
      {"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"},
      {"attn_norm", "input_layernorm"},     {"attn_q", "self_attn.q_proj"},
      {"attn_k", "self_attn.k_proj"},       {"attn_v", "self_attn.v_proj"},
      {"attn_output", "self_attn.o_proj"},  {"ffn_norm", "post_attention_layernorm"},
      {"ffn_gate", "mlp.gate_proj"},        {"ffn_up", "mlp.up_proj"},
      {"ffn_down", "mlp.down_proj"},        {"output", "lm_head"}};
  SafetensorsBytes file;
  for (const GgufTensor& tensor : gguf.tensors()) {
    std::string name = tensor.name.substr(0, tensor.name.size() - 7);  // .weight
    std::string prefix;
    if (name.starts_with("blk.")) {
      const std::size_t dot = name.find('.', 4);
      prefix = "model.layers." + name.substr(4, dot - 3);
      name = name.substr(dot + 1);
    }
    std::vector<std::byte> data(tensor.data.begin(), tensor.data.end());
    if (name == "attn_q" || name == "attn_k") {
      const std::size_t row = kernels::row_bytes(tensor.format, tensor.shape[0]);
      const std::int64_t half = model.head_dim / 2;
      for (std::int64_t r = 0; r < tensor.shape[1]; ++r) {
        const std::int64_t head = r / model.head_dim, i = r % model.head_dim / 2, second = r % 2;
        std::memcpy(data.data() + static_cast<std::size_t>(head * model.head_dim + second * half + i) * row,
                    tensor.data.data() + static_cast<std::size_t>(r) * row, row);
      }
    }
    for (const auto& [from, to] : names)
      if (name == from) {
        std::vector<std::int64_t> shape(tensor.shape.rbegin(), tensor.shape.rend());
        file.add(prefix + to + ".weight", tensor.format == Format::kF32 ? "F32" : "BF16", shape, data);
        break;
      }
  }
  folder.write("model.safetensors", file.bytes(padding));
  const json config = {{"model_type", "llama"},
                       {"num_hidden_layers", model.layers},
                       {"hidden_size", model.width},
                       {"intermediate_size", model.ffn},
                       {"num_attention_heads", model.heads},
                       {"num_key_value_heads", model.kv_heads},
                       {"head_dim", model.head_dim},
                       {"vocab_size", model.vocab},
                       {"max_position_embeddings", model.context},
                       {"rms_norm_eps", 1e-5},
                       {"rope_theta", 10000.0},
                       {"tie_word_embeddings", model.tied}};
  folder.write("config.json", config.dump());
}

std::vector<float> logits(std::shared_ptr<const Checkpoint> file, const std::string& recipe) {
  kernels::ThreadPool pool(2);
  EngineOptions options;
  Engine engine(load_model(make_row(std::move(file), recipe, pool)), options, pool);
  const std::vector<std::int32_t> tokens = {1, 40, 7, 99, 3, 280, 12};
  return engine.logits(tokens);
}

TEST(HfFolder, GivesTheLogitsOfTheGgufFileOfTheSameModelBitForBit) {
  for (const bool tied : {false, true}) {
    const bench::RandomLlama model{
        .width = 64, .ffn = 96, .heads = 4, .kv_heads = 2, .head_dim = 16, .tied = tied};
    const TemporaryFolder folder("hf-llama");
    const std::string path = folder.file("model.gguf");
    model.write(path);
    const auto gguf = Checkpoint::open(path);
    for (const std::size_t padding : {0u, 1u}) {  // 1: data at odd addresses
      write_as_folder(*gguf, model, folder, padding);
      const auto hf = Checkpoint::open(folder.path());
      ASSERT_EQ(hf->tensors().size(), gguf->tensors().size());
      for (const GgufTensor& tensor : gguf->tensors()) {
        const GgufTensor* found = hf->find(tensor.name);
        ASSERT_NE(found, nullptr) << tensor.name;
        EXPECT_EQ(found->shape, tensor.shape) << tensor.name;
        EXPECT_EQ(found->format, tensor.format) << tensor.name;
        EXPECT_TRUE(
            std::equal(found->data.begin(), found->data.end(), tensor.data.begin(), tensor.data.end()))
            << tensor.name;
      }
      for (const char* recipe : {"as-is", "q8_0"})
        EXPECT_EQ(logits(hf, recipe), logits(gguf, recipe)) << recipe;
    }
  }
}

// A folder of one layer with every tensor that `names` lists, filled with different numbers.
struct Tensor {
  std::string name;
  std::vector<std::int64_t> shape;
};

SafetensorsBytes file_of(const std::vector<Tensor>& tensors) {
  SafetensorsBytes file;
  float start = 1;
  for (const Tensor& tensor : tensors) {
    std::int64_t n = 1;
    for (const std::int64_t extent : tensor.shape) n *= extent;
    file.add(tensor.name, "F32", tensor.shape, counting(n, start));
    start += 1000;
  }
  return file;
}

std::vector<Tensor> small_llama_tensors() {
  std::vector<Tensor> out = {{"model.embed_tokens.weight", {10, 8}}, {"model.norm.weight", {8}}};
  for (int l = 0; l < 2; ++l) {
    const std::string block = "model.layers." + std::to_string(l) + ".";
    for (const Tensor& t : std::vector<Tensor>{{"input_layernorm", {8}},
                                               {"self_attn.q_proj", {8, 8}},
                                               {"self_attn.k_proj", {4, 8}},
                                               {"self_attn.v_proj", {4, 8}},
                                               {"self_attn.o_proj", {8, 8}},
                                               {"post_attention_layernorm", {8}},
                                               {"mlp.gate_proj", {16, 8}},
                                               {"mlp.up_proj", {16, 8}},
                                               {"mlp.down_proj", {8, 16}}})
      out.push_back({block + t.name + ".weight", t.shape});
  }
  return out;
}

std::string refusal_of(const json& config, const std::vector<Tensor>& tensors) {
  const TemporaryFolder folder("hf-broken");
  folder.write("config.json", config.dump()).write("model.safetensors", file_of(tensors).bytes());
  return refusal(folder.path());
}

TEST(HfFolder, RefusesTensorsThatDoNotFitTheModelNamingFileAndTensor) {
  const json config = tests::small_llama_config();
  const std::vector<Tensor> good = small_llama_tensors();
  EXPECT_EQ(refusal_of(config, good), "no error");
  const auto with = [&](const Tensor& tensor) {
    std::vector<Tensor> tensors = good;
    std::erase_if(tensors, [&](const Tensor& t) { return t.name == tensor.name; });
    tensors.push_back(tensor);
    return refusal_of(config, tensors);
  };
  const std::string q = "model.layers.0.self_attn.q_proj.weight";
  EXPECT_THAT(with({q, {6, 8}}), AllOf(HasSubstr("model.safetensors"), HasSubstr(q),
                                       HasSubstr("expected 8 rows"), HasSubstr("found 6")));
  EXPECT_THAT(with({q, {8, 8, 1}}), AllOf(HasSubstr(q), HasSubstr("two dimensions, found 3")));
  EXPECT_THAT(with({"model.layers.2.mlp.up_proj.weight", {16, 8}}),
              AllOf(HasSubstr("'model.layers.2.mlp.up_proj.weight'"), HasSubstr("no such tensor")));
  for (const char* name : {"model.layers.00.mlp.up_proj.weight", "model.layers.0.mlp.up_proj",
                           "model.layers.0", "model.layers.0.mlp.up_proj_weight",
                           "model.layers.-1.mlp.up_proj.weight", "model.visual.blocks.0.weight", "x"})
    EXPECT_THAT(with({name, {16, 8}}), AllOf(HasSubstr(name), HasSubstr("no such tensor"))) << name;
  EXPECT_THAT(with({"model.layers.0.mlp.up_proj.weight_scale", {1}}),
              AllOf(HasSubstr("weight_scale"), HasSubstr("no part of the packing")));
  EXPECT_THAT(with({"lm_head.weight", {10, 8}}), AllOf(HasSubstr("'lm_head.weight'"), HasSubstr("differs")));
  EXPECT_EQ(with({"model.layers.0.self_attn.rotary_emb.inv_freq", {2}}), "no error");

  json untied = config;
  untied["tie_word_embeddings"] = false;
  EXPECT_THAT(refusal_of(untied, good),
              AllOf(HasSubstr("'tie_word_embeddings'"), HasSubstr("'lm_head.weight'")));
  std::vector<Tensor> headless(good.begin() + 1, good.end());
  EXPECT_THAT(refusal_of(config, headless), HasSubstr("model.embed_tokens.weight"));
}

TEST(HfFolder, RefusesTypesItCannotCompute) {
  const TemporaryFolder folder("hf-types");
  folder.write("config.json", tests::small_llama_config().dump());
  std::vector<Tensor> tensors = small_llama_tensors();
  std::erase_if(tensors, [](const Tensor& t) { return t.name == "model.norm.weight"; });
  folder.write("model.safetensors",
               file_of(tensors).add("model.norm.weight", "F64", {8}, std::vector<double>(8)).bytes());
  EXPECT_THAT(refusal(folder.path()), AllOf(HasSubstr("tensor 'model.norm.weight'"),
                                            HasSubstr("F32, F16 or BF16"), HasSubstr("F64")));
}

TEST(HfFolder, NamesAFolderWithoutAModel) {
  const TemporaryFolder folder("hf-empty");
  EXPECT_THAT(refusal(folder.path()), AllOf(HasSubstr(folder.path()), HasSubstr("config.json")));
  folder.write("config.json", "{");
  EXPECT_THAT(refusal(folder.path()), AllOf(HasSubstr("config.json"), HasSubstr("no valid JSON")));
  folder.write("config.json", tests::small_llama_config().dump());
  EXPECT_THAT(refusal(folder.path()), HasSubstr("model.safetensors"));
}

TEST(HfFolder, HashesNamesAndContentsOfTheFilesItUses) {
  const TemporaryFolder a("hf-hash-a"), b("hf-hash-b");
  const std::string weights = file_of(small_llama_tensors()).bytes();
  for (const TemporaryFolder* folder : {&a, &b})
    folder->write("config.json", tests::small_llama_config().dump()).write("model.safetensors", weights);
  const std::string hash = Checkpoint::open(a.path())->sha256();
  b.write("README.md", "not used");
  EXPECT_EQ(Checkpoint::open(b.path())->sha256(), hash);
  EXPECT_EQ(Checkpoint::open(b.path())->bytes(), weights.size() + tests::small_llama_config().dump().size());
  b.write("generation_config.json", "{}");
  EXPECT_NE(Checkpoint::open(b.path())->sha256(), hash);
}

json small_qwen35_config() {
  return {{"model_type", "qwen3_5"},
          {"text_config",
           {{"model_type", "qwen3_5_text"},
            {"num_hidden_layers", 2},
            {"hidden_size", 8},
            {"intermediate_size", 16},
            {"num_attention_heads", 2},
            {"num_key_value_heads", 1},
            {"head_dim", 8},
            {"full_attention_interval", 2},
            {"linear_num_key_heads", 2},
            {"linear_num_value_heads", 4},
            {"linear_key_head_dim", 2},
            {"linear_value_head_dim", 2},
            {"linear_conv_kernel_dim", 3}}},
          {"tie_word_embeddings", true}};
}

std::vector<Tensor> small_qwen35_tensors(bool converted) {
  const std::string block = "model.language_model.layers.0.linear_attn.";
  return {{"model.language_model.embed_tokens.weight", {10, 8}},
          {"model.language_model.norm.weight", {8}},
          {"model.visual.blocks.0.weight", {3}},
          {"mtp.fc.weight", {3}},
          {block + "in_proj_qkv.weight", {16, 8}},
          {block + "in_proj_b.weight", {4, 8}},
          {block + "conv1d.weight",
           converted ? std::vector<std::int64_t>{16, 3, 1} : std::vector<std::int64_t>{16, 1, 3}},
          {block + "A_log", {4}},
          {block + "dt_bias", {4}},
          {block + "norm.weight", {2}},
          {block + "out_proj.weight", {8, 8}}};
}

TEST(HfFolder, TilesTheValueHeadsOfQwen35AndAddsOneToItsNorms) {
  for (const bool converted : {false, true}) {
    const TemporaryFolder folder("hf-qwen35");
    folder.write("config.json", small_qwen35_config().dump());
    folder.write("model.safetensors", file_of(small_qwen35_tensors(converted)).bytes());
    const auto file = Checkpoint::open(folder.path());
    EXPECT_EQ(file->find("mtp.fc.weight"), nullptr);
    const auto values = [&](const std::string& name) { return floats(*file->find(name)); };
    EXPECT_EQ(values("output_norm.weight")[0], converted ? 1001.0f : 1002.0f);
    EXPECT_EQ(values("blk.0.ssm_norm.weight")[0], 9001.0f);  // an ordinary norm
    // Heads 0 1 | 2 3 by key head become 0 2 1 3.
    const int heads[] = {0, 2, 1, 3};
    for (int h = 0; h < 4; ++h) {
      EXPECT_EQ(values("blk.0.ssm_dt.bias")[static_cast<std::size_t>(h)],
                8001.0f + static_cast<float>(heads[h]));
      EXPECT_EQ(values("blk.0.ssm_a")[static_cast<std::size_t>(h)],
                -std::exp(7001.0f + static_cast<float>(heads[h])));
      EXPECT_EQ(values("blk.0.ssm_beta.weight")[static_cast<std::size_t>(8 * h)],
                5001.0f + static_cast<float>(8 * heads[h]));
      for (int e = 0; e < 2; ++e) {
        const auto row = static_cast<std::size_t>(8 + 2 * h + e);
        const auto from = static_cast<float>(8 + 2 * heads[h] + e);
        EXPECT_EQ(values("blk.0.attn_qkv.weight")[8 * row], 4001 + 8 * from);
        EXPECT_EQ(values("blk.0.ssm_conv1d.weight")[3 * row], 6001 + 3 * from);
        EXPECT_EQ(values("blk.0.ssm_out.weight")[row - 8], 10001 + from - 8);
      }
    }
    for (std::size_t row = 0; row < 8; ++row)  // queries and keys stay
      EXPECT_EQ(values("blk.0.attn_qkv.weight")[8 * row], 4001.0f + static_cast<float>(8 * row));
    EXPECT_EQ(file->find("blk.0.ssm_conv1d.weight")->shape, (std::vector<std::int64_t>{3, 16}));
  }
}

// A weight as the engine uses it: stored columns at the activations they meet.
std::vector<float> in_order(const GgufTensor& tensor) {
  std::vector<float> out = floats(tensor);
  if (tensor.order == nullptr) return out;
  const std::vector<float> stored = out;
  const auto cols = static_cast<std::size_t>(tensor.shape[0]);
  for (std::size_t i = 0; i < stored.size(); ++i)
    out[i / cols * cols + static_cast<std::size_t>((*tensor.order)[i % cols])] = stored[i];
  return out;
}

// The tensor that `module` becomes, packed and, as a plain one, of the weights the packing means.
void expect_same_places(json config, const std::vector<Tensor>& others, const std::string& module,
                        const std::string& gguf, const tests::Packed& packed) {
  const TemporaryFolder folder("hf-packed");
  SafetensorsBytes file = file_of(others), plain = file_of(others);
  packed.add_to(file, module);
  const auto cols = static_cast<std::int64_t>(packed.weights.size()) / tests::kRows;
  plain.add(module + ".weight", "F32", {tests::kRows, cols}, packed.weights);
  folder.write("config.json", config.dump()).write("model.safetensors", plain.bytes());
  const std::vector<float> expected = in_order(*Checkpoint::open(folder.path())->find(gguf));
  EXPECT_NE(expected, packed.weights) << "nothing moves: the test would show nothing";
  config[packed.mlx ? "quantization" : "quantization_config"] = packed.quantization;
  folder.write("config.json", config.dump()).write("model.safetensors", file.bytes());
  const auto checkpoint = Checkpoint::open(folder.path());
  EXPECT_NE(checkpoint->find(gguf)->format, Format::kF32);
  EXPECT_EQ(in_order(*checkpoint->find(gguf)), expected) << packed.quantization;
}

TEST(HfFolder, MovesPackedRowsAndColumnsToWherePlainOnesGo) {
  json llama = tests::small_llama_config();
  llama.update({{"hidden_size", 128}, {"num_attention_heads", 4}, {"head_dim", 8}});
  const std::vector<Tensor> embedding = {{"model.embed_tokens.weight", {10, 128}}};
  json qwen = small_qwen35_config();
  qwen["text_config"].update(
      {{"linear_num_value_heads", 8}, {"linear_key_head_dim", 16}, {"linear_value_head_dim", 16}});
  const std::vector<tests::Packed> packings = {tests::pack_mlx(3, 32, 128), tests::pack_awq(64, 128),
                                               tests::pack_nf4(128, true),
                                               tests::pack_gptq(4, 32, 128, tests::Index::kActOrder, false)};
  for (const tests::Packed& packed : packings) {
    expect_same_places(llama, embedding, "model.layers.1.self_attn.q_proj", "blk.1.attn_q.weight", packed);
    expect_same_places(qwen, embedding, "model.layers.0.linear_attn.out_proj", "blk.0.ssm_out.weight",
                       packed);
  }
}

}  // namespace
}  // namespace brinkmap::worker
