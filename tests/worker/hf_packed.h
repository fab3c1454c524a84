#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/half.h"
#include "kernels/philox.h"
#include "tests/worker/hf_files.h"

// Modules in the packings of other tools.
namespace brinkmap::tests {

// One packed module, built by plain loops from codes and parameters that the test knows.
struct Packed {
  struct Part {
    std::string dtype;
    nlohmann::json shape;
    std::string bytes;
  };
  std::map<std::string, Part> parts;  // by what follows the module's name
  nlohmann::json quantization;
  bool mlx = false;
  std::vector<float> weights;  // [rows, cols]: what it decodes to

  template <class T>
  void add(const std::string& name, const std::string& dtype, std::vector<std::int64_t> shape,
           const std::vector<T>& values) {
    parts[name] = {dtype, shape,
                   std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T))};
  }

  void add_to(SafetensorsBytes& file, const std::string& module) const {
    for (const auto& [name, part] : parts)
      file.add_raw(module + "." + name, part.dtype, part.shape, part.bytes.data(), part.bytes.size());
  }
};

inline constexpr std::int64_t kRows = 32;

inline std::vector<std::uint32_t> random_words(std::size_t n, std::uint64_t stream) {
  const kernels::RandomStream random{7, stream};
  std::vector<std::uint32_t> out;
  for (std::uint64_t i = 0; out.size() < n; ++i)
    for (const std::uint32_t word : random.block(i)) out.push_back(word);
  out.resize(n);
  return out;
}

inline std::vector<std::uint32_t> random_codes(std::int64_t n, std::int64_t bits, std::uint64_t stream) {
  std::vector<std::uint32_t> out = random_words(static_cast<std::size_t>(n), stream);
  for (std::uint32_t& code : out) code >>= 32 - bits;
  return out;
}

// Scales of both signs, none of them round.
inline std::vector<std::uint16_t> random_halves(std::int64_t n, std::uint64_t stream) {
  std::vector<std::uint16_t> out;
  for (const std::uint32_t word : random_words(static_cast<std::size_t>(n), stream))
    out.push_back(kernels::f32_to_f16((static_cast<float>(word) * 0x1p-32f - 0.5f) * 0.1f));
  return out;
}

inline float half_at(const std::vector<std::uint16_t>& values, std::int64_t i) {
  return kernels::f16_to_f32(values[static_cast<std::size_t>(i)]);
}

inline void put_bits(std::vector<std::uint32_t>& words, std::size_t first, std::size_t stride,
                     std::int64_t index, std::int64_t bits, std::uint32_t value) {
  for (std::int64_t b = 0; b < bits; ++b) {
    const auto at = static_cast<std::size_t>(index * bits + b);
    if (value >> b & 1u) words[first + at / 32 * stride] |= 1u << (at % 32);
  }
}

inline Packed pack_mlx(std::int64_t bits, std::int64_t group, std::int64_t cols) {
  Packed out;
  out.mlx = true;
  out.quantization = {{"bits", bits}, {"group_size", group}, {"mode", "affine"}};
  const std::vector<std::uint32_t> codes = random_codes(kRows * cols, bits, 1);
  const std::vector<std::uint16_t> scales = random_halves(kRows * cols / group, 2);
  const std::vector<std::uint16_t> biases = random_halves(kRows * cols / group, 3);
  const auto row_words = static_cast<std::size_t>(cols * bits / 32);
  std::vector<std::uint32_t> words(static_cast<std::size_t>(kRows) * row_words);
  for (std::int64_t r = 0; r < kRows; ++r)
    for (std::int64_t c = 0; c < cols; ++c) {
      const std::uint32_t code = codes[static_cast<std::size_t>(r * cols + c)];
      put_bits(words, static_cast<std::size_t>(r) * row_words, 1, c, bits, code);
      const std::int64_t g = (r * cols + c) / group;
      out.weights.push_back(half_at(scales, g) * static_cast<float>(code) + half_at(biases, g));
    }
  out.add("weight", "U32", {kRows, cols * bits / 32}, words);
  out.add("scales", "F16", {kRows, cols / group}, scales);
  out.add("biases", "F16", {kRows, cols / group}, biases);
  return out;
}

inline Packed pack_awq(std::int64_t group, std::int64_t cols) {
  static constexpr std::int64_t kChannel[8] = {0, 2, 4, 6, 1, 3, 5, 7};  // in nibble i of a word
  Packed out;
  out.quantization = {
      {"quant_method", "awq"}, {"bits", 4}, {"group_size", group}, {"version", "gemm"}, {"zero_point", true}};
  const std::int64_t real = group == -1 ? cols : group, groups = cols / real;
  const std::vector<std::uint32_t> codes = random_codes(cols * kRows, 4, 1);  // [in, out]
  const std::vector<std::uint32_t> zeros = random_codes(groups * kRows, 4, 2);
  const std::vector<std::uint16_t> scales = random_halves(groups * kRows, 3);
  const auto pack = [](const std::vector<std::uint32_t>& values) {
    std::vector<std::uint32_t> words(values.size() / 8);
    for (std::size_t w = 0; w < words.size(); ++w)
      for (std::size_t i = 0; i < 8; ++i)
        words[w] |= values[8 * w + static_cast<std::size_t>(kChannel[i])] << (4 * i);
    return words;
  };
  for (std::int64_t r = 0; r < kRows; ++r)
    for (std::int64_t c = 0; c < cols; ++c) {
      const std::int64_t g = c / real * kRows + r;
      const int difference = static_cast<int>(codes[static_cast<std::size_t>(c * kRows + r)]) -
                             static_cast<int>(zeros[static_cast<std::size_t>(g)]);
      out.weights.push_back(half_at(scales, g) * static_cast<float>(difference));
    }
  out.add("qweight", "I32", {cols, kRows / 8}, pack(codes));
  out.add("qzeros", "I32", {groups, kRows / 8}, pack(zeros));
  out.add("scales", "F16", {groups, kRows}, scales);
  return out;
}

enum class Index { kNone, kPlain, kActOrder };

inline Packed pack_gptq(std::int64_t bits, std::int64_t group, std::int64_t cols, Index index, bool v2) {
  Packed out;
  out.quantization = {{"quant_method", "gptq"}, {"bits", bits}, {"group_size", group}};
  if (v2) out.quantization["checkpoint_format"] = "gptq_v2";
  const std::int64_t real = group == -1 ? cols : group, groups = (cols + real - 1) / real;
  std::vector<std::int32_t> group_of;
  for (std::int64_t c = 0; c < cols; ++c)
    // 37 has no factor in common with the columns: every group gets its share, from everywhere.
    group_of.push_back(static_cast<std::int32_t>((index == Index::kActOrder ? c * 37 % cols : c) / real));
  const std::vector<std::uint32_t> codes = random_codes(cols * kRows, bits, 1);
  const std::vector<std::uint32_t> zeros = random_codes(groups * kRows, bits, 2);
  const std::vector<std::uint16_t> scales = random_halves(groups * kRows, 3);
  std::vector<std::uint32_t> words(static_cast<std::size_t>(cols * bits / 32 * kRows));
  std::vector<std::uint32_t> zero_words(static_cast<std::size_t>(groups * kRows * bits / 32));
  const std::uint32_t mask = (1u << bits) - 1;
  for (std::int64_t g = 0; g < groups; ++g)
    for (std::int64_t r = 0; r < kRows; ++r)
      put_bits(zero_words, static_cast<std::size_t>(g * kRows * bits / 32), 1, r, bits,
               (zeros[static_cast<std::size_t>(g * kRows + r)] - (v2 ? 0u : 1u)) & mask);
  for (std::int64_t r = 0; r < kRows; ++r)
    for (std::int64_t c = 0; c < cols; ++c) {
      const std::uint32_t code = codes[static_cast<std::size_t>(c * kRows + r)];
      put_bits(words, static_cast<std::size_t>(r), static_cast<std::size_t>(kRows), c, bits, code);
      const std::int64_t g = group_of[static_cast<std::size_t>(c)] * kRows + r;
      out.weights.push_back(
          half_at(scales, g) *
          static_cast<float>(static_cast<int>(code) - static_cast<int>(zeros[static_cast<std::size_t>(g)])));
    }
  out.add("qweight", "I32", {cols * bits / 32, kRows}, words);
  out.add("qzeros", "I32", {groups, kRows * bits / 32}, zero_words);
  out.add("scales", "F16", {groups, kRows}, scales);
  if (index != Index::kNone) out.add("g_idx", "I32", {cols}, group_of);
  return out;
}

inline const std::vector<float>& nf4_levels() {
  // Dettmers et al. 2023 (QLoRA), appendix E.
  static const std::vector<float> levels = {-1.0f,
                                            -0.6961928009986877f,
                                            -0.5250730514526367f,
                                            -0.39491748809814453f,
                                            -0.28444138169288635f,
                                            -0.18477343022823334f,
                                            -0.09105003625154495f,
                                            0.0f,
                                            0.07958029955625534f,
                                            0.16093020141124725f,
                                            0.24611230194568634f,
                                            0.33791524171829224f,
                                            0.44070982933044434f,
                                            0.5626170039176941f,
                                            0.7229568362236023f,
                                            1.0f};
  return levels;
}

inline Packed pack_nf4(std::int64_t cols, bool nested,
                       const nlohmann::json& more_state = nlohmann::json::object()) {
  Packed out;
  out.quantization = {
      {"quant_method", "bitsandbytes"}, {"load_in_4bit", true}, {"bnb_4bit_quant_type", "nf4"}};
  const std::int64_t blocks = kRows * cols / 64;
  const std::vector<std::uint32_t> codes = random_codes(kRows * cols, 4, 1);
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i < codes.size(); i += 2)
    bytes.push_back(static_cast<std::uint8_t>(codes[i] << 4 | codes[i + 1]));
  nlohmann::json state = {
      {"quant_type", "nf4"}, {"blocksize", 64}, {"dtype", "bfloat16"}, {"shape", {kRows, cols}}};
  std::vector<float> absmax;
  std::vector<std::uint8_t> nested_codes;
  std::vector<float> nested_absmax, nested_map;
  if (nested) {
    for (int i = 0; i < 256; ++i) nested_map.push_back(static_cast<float>(i - 128) / 127.0f);
    for (std::int64_t i = 0; i < (blocks + 3) / 4; ++i)
      nested_absmax.push_back(0.01f + 0.003f * static_cast<float>(i));
    state.update({{"nested_blocksize", 4}, {"nested_dtype", "float32"}, {"nested_offset", 0.0625}});
    for (const std::uint32_t word : random_words(static_cast<std::size_t>(blocks), 2))
      nested_codes.push_back(static_cast<std::uint8_t>(word >> 24));
    for (std::size_t b = 0; b < nested_codes.size(); ++b) {
      const float product = nested_map[nested_codes[b]] * nested_absmax[b / 4];
      absmax.push_back(product + 0.0625f);
    }
  } else {
    for (const std::uint32_t word : random_words(static_cast<std::size_t>(blocks), 2))
      absmax.push_back(static_cast<float>(word) * 0x1p-32f);
  }
  for (std::size_t i = 0; i < codes.size(); ++i)
    out.weights.push_back(nf4_levels()[codes[i]] * absmax[i / 64]);
  state.update(more_state);
  const std::string text = state.dump();
  out.add("weight", "U8", {static_cast<std::int64_t>(bytes.size()), 1}, bytes);
  if (nested) {
    out.add("weight.absmax", "U8", {blocks}, nested_codes);
    out.add("weight.nested_absmax", "F32", {static_cast<std::int64_t>(nested_absmax.size())}, nested_absmax);
    out.add("weight.nested_quant_map", "F32", {256}, nested_map);
  } else {
    out.add("weight.absmax", "F32", {blocks}, absmax);
  }
  out.add("weight.quant_map", "F32", {16}, nf4_levels());
  out.parts["weight.quant_state.bitsandbytes__nf4"] = {"U8", {text.size()}, text};
  return out;
}

}  // namespace brinkmap::tests
