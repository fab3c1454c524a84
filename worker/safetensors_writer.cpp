#include "worker/safetensors_writer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "schedule/error.h"
#include "worker/atomic_file.h"

namespace brinkmap::worker {

namespace {

// Bytes of an element, at most 8: what its address should be a multiple of.
std::size_t width(const SafetensorsEntry& tensor) {
  std::size_t n = 1;
  for (std::int64_t extent : tensor.shape) n *= static_cast<std::size_t>(extent);
  return n == 0 ? 1 : tensor.data.size() / n;
}

}  // namespace

void write_safetensors(const std::string& path, std::vector<SafetensorsEntry> tensors) {
  // Wide elements first, so that every tensor is aligned.
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const SafetensorsEntry& a, const SafetensorsEntry& b) { return width(a) > width(b); });
  nlohmann::json header;
  header["__metadata__"] = {{"format", "pt"}};
  std::uint64_t offset = 0;
  for (const SafetensorsEntry& tensor : tensors) {
    if (header.contains(tensor.name)) throw Error("safetensors tensor " + tensor.name + " added twice");
    const std::uint64_t end = offset + tensor.data.size();
    header[tensor.name] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  AtomicFile file(path);
  const auto length = static_cast<std::uint64_t>(text.size());
  file.write(&length, sizeof(length));
  file.write(text.data(), text.size());
  for (const SafetensorsEntry& tensor : tensors) file.write(tensor.data.data(), tensor.data.size());
  file.commit();
}

}  // namespace brinkmap::worker
