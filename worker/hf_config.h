#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "worker/gguf.h"

// config.json of a Hugging Face folder (transformers, configuration_*.py of each family), turned into the
// metadata that llama.cpp's convert_hf_to_gguf.py writes for the same model.
namespace brinkmap::worker {

enum class HfFamily { kLlama, kQwen2, kQwen3, kPhi2, kPhi3, kGemma2, kGemma3, kQwen35 };

struct HfConfig {
  std::string file;        // path of config.json
  std::string model_type;  // of the text model, as the file says it
  HfFamily family{};
  std::string architecture;  // general.architecture in GGUF
  std::int64_t layers = 0;
  std::int64_t width = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  bool tied = false;  // the embedding is the output head
  // Qwen3.5's linear attention; 0 for other families.
  std::int64_t key_heads = 0, value_heads = 0, key_head_dim = 0, value_head_dim = 0;
  // How weights are packed: the `quantization` object that MLX writes, or `quantization_config`; null: not.
  nlohmann::json quantization;
  bool mlx = false;  // `quantization` is MLX's

  std::vector<std::pair<std::string, GgufValue>> metadata;  // in order
  // Tensors that GGUF has and a folder has only as numbers in config.json: name, values.
  std::vector<std::pair<std::string, std::vector<float>>> tensors;
};

// Throws InputError naming the file and key: an unknown model_type (the known ones are listed), a key that is
// missing or absurd, and every key that asks for a computation that GGUF's architecture does not have.
HfConfig read_hf_config(const std::string& path);

// From text; `file` stands in errors.
HfConfig parse_hf_config(const nlohmann::json& root, const std::string& file);

}  // namespace brinkmap::worker
