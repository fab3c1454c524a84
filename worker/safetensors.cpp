#include "worker/safetensors.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "schedule/error.h"
#include "worker/gguf_parse.h"
#include "worker/json_text.h"

namespace brinkmap::worker {

namespace {

using nlohmann::json;

constexpr std::uint64_t kMaxHeader = 100'000'000;  // the reference implementation's limit
constexpr std::size_t kMaxDims = 8;
constexpr std::size_t kMaxName = 1024;

// Bytes of one value; 0 for a type that the format does not have or that is not made of whole bytes.
std::uint64_t dtype_bytes(std::string_view dtype) {
  struct Size {
    std::string_view name;
    std::uint64_t bytes;
  };
  static constexpr Size kSizes[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1},
                                    {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},
                                    {"U32", 4},  {"F32", 4}, {"I64", 8}, {"U64", 8},     {"F64", 8}};
  for (const Size& size : kSizes)
    if (size.name == dtype) return size.bytes;
  return 0;
}

class Parser {
 public:
  Parser(std::span<const std::byte> bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  std::vector<SafeTensor> parse() {
    const json header = read_header();
    if (!header.is_object())
      throw InputError(name_, "header", "expected a JSON object, found " + printable_json(header));
    std::vector<SafeTensor> tensors;
    for (const auto& [name, entry] : header.items())
      if (name != "__metadata__") tensors.push_back(read_tensor(name, entry));
    check_layout(tensors);
    return tensors;
  }

 private:
  json read_header() {
    if (bytes_.size() < 8)
      throw InputError(name_, "header",
                       "a safetensors file starts with 8 bytes of length, found " +
                           std::to_string(bytes_.size()) + " bytes in all");
    std::uint64_t length = 0;
    for (std::size_t i = 0; i < 8; ++i) length |= static_cast<std::uint64_t>(bytes_[i]) << (8 * i);
    if (length > kMaxHeader)
      throw InputError(name_, "header",
                       "expected a length of at most " + std::to_string(kMaxHeader) + " bytes, found " +
                           std::to_string(length) + ": is it a safetensors file?");
    if (length > bytes_.size() - 8)
      throw InputError(name_, "header",
                       "says it has " + std::to_string(length) + " bytes, but only " +
                           std::to_string(bytes_.size() - 8) + " follow");
    data_ = bytes_.subspan(8 + static_cast<std::size_t>(length));
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + 8,
                                static_cast<std::size_t>(length));
    return parse_json(text, name_, "header");
  }

  SafeTensor read_tensor(const std::string& name, const json& entry) {
    const auto fail = [&](const std::string& what) { throw InputError(name_, tensor_place(name), what); };
    if (name.empty() || name.size() > kMaxName)
      fail("a name must have 1 to " + std::to_string(kMaxName) + " bytes, found " +
           std::to_string(name.size()));
    if (!entry.is_object()) fail("expected an object, found " + printable_json(entry));
    for (const char* key : {"dtype", "shape", "data_offsets"})
      if (!entry.contains(key)) fail(std::string("has no ") + key);
    if (entry.size() != 3)
      fail("expected dtype, shape and data_offsets only, found " + printable_json(entry));
    SafeTensor tensor;
    tensor.name = name;
    tensor.file = name_;
    if (!entry["dtype"].is_string()) fail("dtype: expected text, found " + printable_json(entry["dtype"]));
    tensor.dtype = entry["dtype"].get<std::string>();
    const std::uint64_t size = dtype_bytes(tensor.dtype);
    if (size == 0) fail("dtype '" + printable(tensor.dtype) + "' is not one this program knows");

    const json& shape = entry["shape"];
    if (!shape.is_array() || shape.size() > kMaxDims)
      fail("shape: expected at most " + std::to_string(kMaxDims) + " numbers, found " +
           printable_json(shape));
    // Below 2^63 bytes, so that no later product or sum can overflow.
    const std::uint64_t most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / size;
    std::uint64_t elements = 1;
    for (const json& extent : shape) {
      if (!extent.is_number_unsigned()) fail("shape: expected whole numbers, found " + printable_json(shape));
      const auto n = extent.get<std::uint64_t>();
      if (n == 0) fail("shape: a dimension is zero in " + printable_json(shape));
      if (n > most / elements) fail("shape: more than 2^63 bytes in " + printable_json(shape));
      elements *= n;
      tensor.shape.push_back(static_cast<std::int64_t>(n));
    }

    const json& offsets = entry["data_offsets"];
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
        !offsets[1].is_number_unsigned())
      fail("data_offsets: expected two whole numbers, found " + printable_json(offsets));
    const auto begin = offsets[0].get<std::uint64_t>(), end = offsets[1].get<std::uint64_t>();
    if (begin > end) fail("data_offsets: the end lies before the begin in " + printable_json(offsets));
    if (end > data_.size())
      fail("data_offsets: reach to byte " + std::to_string(end) + ", but the file has only " +
           std::to_string(data_.size()) + " bytes of data: is it truncated?");
    if (end - begin != elements * size)
      fail("shape " + printable_json(shape) + " of " + tensor.dtype + " needs " +
           std::to_string(elements * size) + " bytes, but data_offsets " + printable_json(offsets) +
           " hold " + std::to_string(end - begin));
    tensor.data = data_.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
    return tensor;
  }

  // The data must be covered exactly once: what no tensor describes could be anything.
  void check_layout(const std::vector<SafeTensor>& tensors) const {
    std::vector<const SafeTensor*> order;
    for (const SafeTensor& tensor : tensors) order.push_back(&tensor);
    std::sort(order.begin(), order.end(),
              [](const SafeTensor* a, const SafeTensor* b) { return a->data.data() < b->data.data(); });
    const std::byte* at = data_.data();
    const SafeTensor* before = nullptr;
    for (const SafeTensor* tensor : order) {
      const auto fail = [&](const std::string& what) {
        throw InputError(name_, tensor_place(tensor->name), what);
      };
      if (tensor->data.data() < at) fail("overlaps tensor '" + printable(before->name) + "'");
      if (tensor->data.data() > at)
        fail(std::to_string(tensor->data.data() - at) + " bytes before it belong to no tensor");
      at = tensor->data.data() + tensor->data.size();
      before = tensor;
    }
    if (const auto rest = data_.data() + data_.size() - at; rest > 0)
      throw InputError(name_, before == nullptr ? "header" : tensor_place(before->name),
                       std::to_string(rest) + " bytes at the end of the file belong to no tensor");
  }

  std::span<const std::byte> bytes_;
  std::span<const std::byte> data_;
  const std::string& name_;
};

}  // namespace

std::int64_t SafeTensor::elements() const {
  std::int64_t n = 1;
  for (std::int64_t extent : shape) n *= extent;
  return n;
}

std::string tensor_place(std::string_view name) { return "tensor '" + printable(name) + "'"; }

std::vector<SafeTensor> parse_safetensors(std::span<const std::byte> bytes, const std::string& name) {
  return Parser(bytes, name).parse();
}

}  // namespace brinkmap::worker
