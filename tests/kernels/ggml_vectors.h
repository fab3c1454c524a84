#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/format.h"
#include "tests/kernels/all_formats.h"

namespace brinkmap::tests {

// One entry of tests/data/ggml/index.json: rows of blocks with what ggml decodes them to and, for all but the
// random ones, the input that ggml encoded.
struct GgmlVectors {
  std::string name;
  kernels::Format format{};
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::vector<std::uint8_t> blocks;
  std::vector<float> decoded;
  std::vector<float> input;  // empty when the blocks are random
  std::vector<double> row_rmse;

  std::size_t row_size() const { return kernels::row_bytes(format, cols); }
};

inline std::filesystem::path ggml_folder() {
  return std::filesystem::path(BRINKMAP_SOURCE_DIR) / "tests/data/ggml";
}

template <class T>
std::vector<T> read_values(const std::string& file, std::size_t offset, std::size_t bytes) {
  std::vector<T> values(bytes / sizeof(T));
  std::ifstream in(ggml_folder() / file, std::ios::binary);
  in.seekg(static_cast<std::streamoff>(offset));
  if (!in.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(bytes)))
    throw std::runtime_error("cannot read " + std::to_string(bytes) + " bytes of " +
                             (ggml_folder() / file).string());
  return values;
}

// All entries whose format the program knows.
inline std::vector<GgmlVectors> ggml_vectors() {
  std::ifstream in(ggml_folder() / "index.json");
  const nlohmann::json index = nlohmann::json::parse(in);
  std::vector<GgmlVectors> found;
  for (const auto& entry : index.at("entries")) {
    const kernels::FormatInfo* info = kernels::find_format(entry.at("type").get<std::string>());
    if (info == nullptr) continue;
    GgmlVectors vectors;
    vectors.name = entry.at("name");
    vectors.format = info->format;
    vectors.rows = entry.at("rows");
    vectors.cols = entry.at("cols");
    const std::string file = entry.at("file");
    const auto& blocks = entry.at("quantized");
    vectors.blocks = read_values<std::uint8_t>(file, blocks.at("offset"), blocks.at("bytes"));
    const auto& decoded = entry.at("dequantized");
    vectors.decoded = read_values<float>(file, decoded.at("offset"), decoded.at("bytes"));
    if (entry.contains("row_rmse") && !entry.at("row_rmse").is_null())
      vectors.row_rmse = entry.at("row_rmse").get<std::vector<double>>();
    for (const auto& input : index.at("inputs"))
      if (entry.contains("input") && entry.at("input") == input.at("name"))
        vectors.input = read_values<float>(input.at("file"), input.at("offset"), input.at("bytes"));
    found.push_back(std::move(vectors));
  }
  return found;
}

}  // namespace brinkmap::tests
