#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "schedule/error.h"
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

// A file that is there only when commit() was reached.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path)
      : path_(path), temporary_(path + ".tmp." + std::to_string(::getpid())) {
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd_ < 0) fail("cannot be created");
  }
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile() {
    if (fd_ >= 0) ::close(fd_);
    if (!done_) ::unlink(temporary_.c_str());
  }

  void write(const void* data, std::size_t size) {
    const char* at = static_cast<const char*>(data);
    while (size > 0) {
      const ssize_t n = ::write(fd_, at, std::min<std::size_t>(size, std::size_t{1} << 30));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail("cannot be written");
      at += n;
      size -= static_cast<std::size_t>(n);
    }
  }

  void commit() {
    if (::fsync(fd_) != 0) fail("cannot be synced");
    const int fd = fd_;
    fd_ = -1;
    if (::close(fd) != 0) fail("cannot be closed");
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("cannot be renamed into place");
    done_ = true;
    const std::string folder = std::filesystem::path(path_).parent_path().string();
    const int dir = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return;  // the file is complete; some file systems cannot sync a folder
    ::fsync(dir);
    ::close(dir);
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    throw InputError(path_, "", std::string(what) + ": " + std::strerror(errno));
  }

  std::string path_;
  std::string temporary_;
  int fd_ = -1;
  bool done_ = false;
};

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
