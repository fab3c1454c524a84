#include <cstddef>
#include <cstdint>
#include <string_view>

#include "schedule/error.h"
#include "worker/hf_config.h"
#include "worker/hf_tensors.h"
#include "worker/json_text.h"
#include "worker/safetensors.h"

// libFuzzer target. Input: a config.json, a zero byte, a safetensors file; without a zero byte, a safetensors
// file alone. Whatever the bytes, the readers either work or throw brinkmap::Error, and the first and last
// byte of every tensor can be read.

namespace {

std::uint64_t sink = 0;

void touch(std::span<const std::byte> data) {
  sink += static_cast<std::uint64_t>(data.front()) + static_cast<std::uint64_t>(data.back());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace brinkmap;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t zero = text.starts_with('{') ? text.find('\0') : std::string_view::npos;
  const std::size_t begin = zero == std::string_view::npos ? 0 : zero + 1;
  try {
    std::vector<worker::SafeTensor> tensors =
        worker::parse_safetensors(std::as_bytes(std::span(data + begin, size - begin)), "fuzz.safetensors");
    for (const worker::SafeTensor& tensor : tensors) touch(tensor.data);
    if (begin == 0) return 0;
    const std::string file = "config.json";
    const worker::HfConfig config =
        worker::parse_hf_config(worker::parse_json(text.substr(0, zero), file), file);
    const auto folder = worker::SafetensorsFolder::of(std::move(tensors));
    worker::HfStorage storage;
    std::vector<worker::GgufTensor> out;
    worker::add_hf_tensors(config, *folder, storage, out);
    for (const worker::GgufTensor& tensor : out) {
      touch(tensor.data);
      if (tensor.data.size() != kernels::row_bytes(tensor.format, tensor.elements())) __builtin_trap();
      if (tensor.order != nullptr && static_cast<std::int64_t>(tensor.order->size()) != tensor.shape[0])
        __builtin_trap();
    }
  } catch (const Error&) {
  }
  return 0;
}
