#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

// Hugging Face folders written by tests.
namespace brinkmap::tests {

// A safetensors file from a header and data as they are, so that a test can write wrong ones.
inline std::string safetensors_bytes(const std::string& header, const std::string& data) {
  std::string out(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(out.data(), &length, 8);
  return out + header + data;
}

// A safetensors file that is right.
class SafetensorsBytes {
 public:
  template <class T>
  SafetensorsBytes& add(const std::string& name, const std::string& dtype, std::vector<std::int64_t> shape,
                        const std::vector<T>& values) {
    return add_raw(name, dtype, std::move(shape), values.data(), values.size() * sizeof(T));
  }

  SafetensorsBytes& add_raw(const std::string& name, const std::string& dtype,
                            std::vector<std::int64_t> shape, const void* bytes, std::size_t n) {
    header_[name] = {{"dtype", dtype}, {"shape", shape}, {"data_offsets", {data_.size(), data_.size() + n}}};
    data_.append(static_cast<const char*>(bytes), n);
    return *this;
  }

  nlohmann::json& header() { return header_; }

  // `padding`: spaces behind the header, which move the data to another address.
  std::string bytes(std::size_t padding = 0) const {
    std::string text = header_.dump();
    text.append((8 - text.size() % 8) % 8 + padding, ' ');
    return safetensors_bytes(text, data_);
  }

 private:
  nlohmann::json header_ = nlohmann::json::object();
  std::string data_;
};

// A folder that goes when the object goes.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::string& name)
      : path_(std::filesystem::temp_directory_path() / (name + "-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~TemporaryFolder() {
    std::error_code error;
    std::filesystem::remove_all(path_, error);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string path() const { return path_.string(); }
  std::string file(const std::string& name) const { return (path_ / name).string(); }
  const TemporaryFolder& write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path_ / name, std::ios::binary) << bytes;
    return *this;
  }

 private:
  std::filesystem::path path_;
};

// config.json of a small llama: 2 layers, width 8, 2 heads of 4, 1 key head, ffn 16, 10 tokens.
inline nlohmann::json small_llama_config() {
  return {{"model_type", "llama"},      {"num_hidden_layers", 2},   {"hidden_size", 8},
          {"intermediate_size", 16},    {"num_attention_heads", 2}, {"num_key_value_heads", 1},
          {"vocab_size", 10},           {"rms_norm_eps", 1e-5},     {"rope_theta", 10000.0},
          {"tie_word_embeddings", true}};
}

}  // namespace brinkmap::tests
