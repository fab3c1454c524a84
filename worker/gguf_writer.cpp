
#include <bit>
#include <cstring>

#include "schedule/error.h"
#include "worker/atomic_file.h"
#include "worker/gguf_parse.h"

namespace brinkmap::worker {

namespace {

template <class T>
void append_raw(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

void append_text(std::string& out, const std::string& text) {
  append_raw(out, static_cast<std::uint64_t>(text.size()));
  out += text;
}

std::uint64_t padded(std::uint64_t n, std::uint64_t alignment) {
  return (n + alignment - 1) / alignment * alignment;
}

}  // namespace

void GgufWriter::add(const std::string& key, GgufValue value) {
  for (const auto& [have, unused] : metadata_)
    if (have == key) throw Error("GGUF key " + key + " added twice");
  metadata_.emplace_back(key, std::move(value));
}

void GgufWriter::add_tensor(const std::string& name, std::vector<std::int64_t> shape, kernels::Format format,
                            std::span<const std::byte> data) {
  GgufTensor tensor{name, std::move(shape), format, data};
  const kernels::FormatInfo& info = kernels::format_info(format);
  if (name.empty() || name.size() > 64 || tensor.shape.empty() || tensor.shape.size() > 4)
    throw Error("GGUF tensor '" + name + "': expected a name of 1 to 64 bytes and 1 to 4 dimensions");
  if (!kernels::is_gguf(format))
    throw Error("GGUF tensor " + name + ": GGUF has no type for " + std::string(info.name));
  for (std::int64_t extent : tensor.shape)
    if (extent < 1) throw Error("GGUF tensor " + name + ": a dimension below 1");
  if (tensor.shape[0] % info.block != 0)
    throw Error("GGUF tensor " + name + ": rows are no multiple of the " + std::string(info.name) + " block");
  const std::size_t expected = kernels::row_bytes(format, tensor.elements());
  if (data.size() != expected)
    throw Error("GGUF tensor " + name + ": " + std::to_string(data.size()) + " bytes, expected " +
                std::to_string(expected));
  for (const GgufTensor& have : tensors_)
    if (have.name == name) throw Error("GGUF tensor " + name + " added twice");
  tensors_.push_back(std::move(tensor));
}

void GgufWriter::write(const std::string& path) const {
  std::uint64_t alignment = kGgufAlignment;
  std::string header;
  append_raw(header, kGgufMagic);
  append_raw(header, std::uint32_t{3});
  append_raw(header, static_cast<std::uint64_t>(tensors_.size()));
  append_raw(header, static_cast<std::uint64_t>(metadata_.size()));
  for (const auto& [key, value] : metadata_) {
    append_text(header, key);
    append_raw(header, value.type);
    append_gguf_value(header, value);
    if (key == "general.alignment") {
      const auto* v = std::get_if<std::uint64_t>(&value.value);
      if (v == nullptr || !std::has_single_bit(*v))
        throw Error("GGUF general.alignment must be a power of two");
      alignment = *v;
    }
  }
  std::uint64_t offset = 0;
  for (const GgufTensor& tensor : tensors_) {
    append_text(header, tensor.name);
    append_raw(header, static_cast<std::uint32_t>(tensor.shape.size()));
    for (std::int64_t extent : tensor.shape) append_raw(header, static_cast<std::uint64_t>(extent));
    append_raw(header, static_cast<std::uint32_t>(tensor.format));
    append_raw(header, offset);
    offset = padded(offset + tensor.data.size(), alignment);
  }
  header.resize(padded(header.size(), alignment), '\0');

  AtomicFile file(path);
  file.write(header.data(), header.size());
  const std::string zeros(alignment, '\0');
  for (const GgufTensor& tensor : tensors_) {
    file.write(tensor.data.data(), tensor.data.size());
    file.write(zeros.data(), padded(tensor.data.size(), alignment) - tensor.data.size());
  }
  file.commit();
}

}  // namespace brinkmap::worker
