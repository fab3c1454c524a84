#include "worker/checkpoint.h"

#include <filesystem>
#include <limits>
#include <system_error>
#include <unordered_map>

#include "schedule/error.h"
#include "worker/gguf_parse.h"
#include "worker/hash.h"
#include "worker/hf_folder.h"
#include "worker/mapped_file.h"

namespace brinkmap::worker {

struct Checkpoint::Impl {
  std::string path;
  std::shared_ptr<const void> owner;    // of what tensors point into; null: someone else keeps it
  std::function<std::string()> hasher;  // null: the hash of `bytes`
  std::uint64_t total_bytes = 0;
  std::span<const std::byte> bytes;
  GgufContents contents;
  std::unordered_map<std::string_view, const GgufTensor*> by_name;  // views into contents.tensors

  void read() {
    contents = parse_gguf(bytes, path);
    total_bytes = bytes.size();
    index();
  }

  void index() {
    for (const GgufTensor& tensor : contents.tensors) by_name.emplace(tensor.name, &tensor);
  }

  [[noreturn]] void fail(std::string_view key, const std::string& what) const {
    throw InputError(path, "metadata key '" + printable(key) + "'", what);
  }

  const GgufValue& get(std::string_view key) const {
    const auto it = contents.metadata.find(key);
    if (it == contents.metadata.end()) fail(key, "is missing");
    return it->second;
  }

  std::int64_t integer(std::string_view key, const GgufValue& value) const {
    if (const auto* s = std::get_if<std::int64_t>(&value.value)) return *s;
    const auto* u = std::get_if<std::uint64_t>(&value.value);
    if (u == nullptr) fail(key, "expected an integer, found " + gguf_type_name(value.type));
    if (*u > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      fail(key, "expected an integer below 2^63, found " + std::to_string(*u));
    return static_cast<std::int64_t>(*u);
  }

  double number(std::string_view key, const GgufValue& value) const {
    if (const auto* v = std::get_if<double>(&value.value)) return *v;
    fail(key, "expected a floating-point number, found " + gguf_type_name(value.type));
  }

  const std::string& text(std::string_view key, const GgufValue& value) const {
    if (const auto* v = std::get_if<std::string>(&value.value)) return *v;
    fail(key, "expected text, found " + gguf_type_name(value.type));
  }

  const GgufArray& array(std::string_view key) const {
    const GgufValue& value = get(key);
    if (const auto* v = std::get_if<std::shared_ptr<const GgufArray>>(&value.value)) return **v;
    fail(key, "expected an array, found " + gguf_type_name(value.type));
  }
};

Checkpoint::Checkpoint(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Checkpoint::~Checkpoint() = default;

std::shared_ptr<const Checkpoint> Checkpoint::open(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return make(read_hf_folder(path));
  auto impl = std::make_unique<Impl>();
  impl->path = path;
  const auto file = MappedFile::open(path, "a GGUF file");
  impl->bytes = file->bytes();
  impl->owner = file;
  impl->read();
  return std::shared_ptr<const Checkpoint>(new Checkpoint(std::move(impl)));
}

std::shared_ptr<const Checkpoint> Checkpoint::parse(std::span<const std::byte> bytes,
                                                    const std::string& name) {
  auto impl = std::make_unique<Impl>();
  impl->path = name;
  impl->bytes = bytes;
  impl->read();
  return std::shared_ptr<const Checkpoint>(new Checkpoint(std::move(impl)));
}

std::shared_ptr<const Checkpoint> Checkpoint::make(CheckpointParts parts) {
  auto impl = std::make_unique<Impl>();
  impl->path = std::move(parts.path);
  impl->owner = std::move(parts.owner);
  impl->hasher = std::move(parts.sha256);
  impl->total_bytes = parts.bytes;
  impl->contents.keys = std::move(parts.keys);
  impl->contents.metadata = std::move(parts.metadata);
  impl->contents.tensors = std::move(parts.tensors);
  impl->index();
  if (impl->by_name.size() != impl->contents.tensors.size())
    for (const GgufTensor& tensor : impl->contents.tensors)
      if (impl->by_name.at(tensor.name) != &tensor)
        throw InputError(impl->path, "tensor '" + printable(tensor.name) + "'", "stands twice");
  return std::shared_ptr<const Checkpoint>(new Checkpoint(std::move(impl)));
}

const std::string& Checkpoint::path() const noexcept { return impl_->path; }
std::uint32_t Checkpoint::version() const noexcept { return impl_->contents.version; }
std::uint64_t Checkpoint::bytes() const noexcept { return impl_->total_bytes; }

const std::map<std::string, GgufValue, std::less<>>& Checkpoint::metadata() const noexcept {
  return impl_->contents.metadata;
}
const std::vector<std::string>& Checkpoint::keys() const noexcept { return impl_->contents.keys; }
const std::vector<GgufTensor>& Checkpoint::tensors() const noexcept { return impl_->contents.tensors; }

const GgufTensor* Checkpoint::find(std::string_view tensor) const noexcept {
  const auto it = impl_->by_name.find(tensor);
  return it == impl_->by_name.end() ? nullptr : it->second;
}

bool Checkpoint::has(std::string_view key) const noexcept { return impl_->contents.metadata.contains(key); }

std::int64_t Checkpoint::integer(std::string_view key) const { return impl_->integer(key, impl_->get(key)); }
std::int64_t Checkpoint::integer_or(std::string_view key, std::int64_t fallback) const {
  return has(key) ? integer(key) : fallback;
}
double Checkpoint::number(std::string_view key) const { return impl_->number(key, impl_->get(key)); }
double Checkpoint::number_or(std::string_view key, double fallback) const {
  return has(key) ? number(key) : fallback;
}
bool Checkpoint::flag_or(std::string_view key, bool fallback) const {
  if (!has(key)) return fallback;
  const GgufValue& value = impl_->get(key);
  if (const auto* v = std::get_if<bool>(&value.value)) return *v;
  impl_->fail(key, "expected a flag, found " + gguf_type_name(value.type));
}
const std::string& Checkpoint::text(std::string_view key) const { return impl_->text(key, impl_->get(key)); }
std::string Checkpoint::text_or(std::string_view key, std::string fallback) const {
  return has(key) ? text(key) : std::move(fallback);
}

std::vector<std::string> Checkpoint::texts(std::string_view key) const {
  std::vector<std::string> out;
  const GgufArray& array = impl_->array(key);
  out.reserve(array.size());
  for (const GgufValue& value : array) out.push_back(impl_->text(key, value));
  return out;
}
std::vector<std::int64_t> Checkpoint::integers(std::string_view key) const {
  std::vector<std::int64_t> out;
  const GgufArray& array = impl_->array(key);
  out.reserve(array.size());
  for (const GgufValue& value : array) out.push_back(impl_->integer(key, value));
  return out;
}
std::vector<double> Checkpoint::numbers(std::string_view key) const {
  std::vector<double> out;
  const GgufArray& array = impl_->array(key);
  out.reserve(array.size());
  for (const GgufValue& value : array) out.push_back(impl_->number(key, value));
  return out;
}

std::string Checkpoint::sha256() const { return impl_->hasher ? impl_->hasher() : sha256_hex(impl_->bytes); }

std::string Checkpoint::tokenizer_sha256() const {
  // Sorted by key, so that a file that only lists its keys in another order hashes the same.
  Sha256 hash;
  for (const auto& [key, value] : impl_->contents.metadata) {
    if (!key.starts_with("tokenizer.")) continue;
    std::string bytes = key + '\0' + gguf_type_name(value.type) + '\0';
    append_gguf_value(bytes, value);
    hash.update(bytes);
  }
  return hash.hex();
}

}  // namespace brinkmap::worker
