#include "worker/gguf_parse.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <unordered_set>

#include "schedule/error.h"

namespace brinkmap::worker {

namespace {

static_assert(std::endian::native == std::endian::little, "GGUF is read in place, little-endian");

constexpr std::uint64_t kMaxDims = 4;       // GGML_MAX_DIMS
constexpr std::size_t kMaxTensorName = 64;  // GGUF specification: at most 64 bytes
constexpr std::size_t kMaxKey = 65535;      // GGUF specification: at most 2^16 - 1 bytes
constexpr std::uint64_t kMaxAlignment = 1 << 20;
constexpr int kMaxArrayDepth = 4;
// A value in memory is about ten times its bytes in the file, so the number of array elements in one file has
// a limit. The largest vocabularies in use have 260 k tokens and 520 k merges.
constexpr std::uint64_t kMaxArrayElements = std::uint64_t{1} << 23;

class Parser {
 public:
  Parser(std::span<const std::byte> bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  GgufContents parse() {
    GgufContents out;
    where_ = "header";
    const auto magic = fixed<std::uint32_t>("magic");
    if (magic != kGgufMagic) fail("not a GGUF file: it does not start with \"GGUF\"");
    out.version = fixed<std::uint32_t>("version");
    if (out.version == 0x02000000 || out.version == 0x03000000)
      fail("big-endian GGUF files are not supported");
    if (out.version != 2 && out.version != 3)
      fail("GGUF version " + std::to_string(out.version) + ": expected 2 or 3");
    const auto tensors = fixed<std::uint64_t>("tensor count");
    const auto keys = fixed<std::uint64_t>("metadata count");
    // The least a tensor and a key can take: name length, dimensions, one extent, type, offset; key, type,
    // value.
    check_count(tensors, 8 + 1 + 4 + 8 + 4 + 8, "tensors");
    check_count(keys, 8 + 1 + 4 + 1, "metadata keys");
    read_metadata(keys, out);
    read_tensors(tensors, out);
    return out;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw InputError(name_, where_, what); }

  std::size_t left() const { return bytes_.size() - at_; }

  void need(std::uint64_t n, const char* what) const {
    if (n > left())
      fail(std::string(what) + " needs " + std::to_string(n) + " bytes at offset " + std::to_string(at_) +
           ", but the file ends after " + std::to_string(left()));
  }

  template <class T>
  T fixed(const char* what) {
    need(sizeof(T), what);
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }

  std::string text(const char* what) {
    const auto length = fixed<std::uint64_t>(what);
    need(length, what);
    std::string value(reinterpret_cast<const char*>(bytes_.data()) + at_, static_cast<std::size_t>(length));
    at_ += static_cast<std::size_t>(length);
    return value;
  }

  void check_count(std::uint64_t count, std::uint64_t least_bytes, const char* what) const {
    if (count > left() / least_bytes)
      fail(std::to_string(count) + " " + what + " cannot fit into the " + std::to_string(left()) +
           " bytes that follow");
  }

  GgufValue value(std::uint32_t type, int depth) {
    switch (type) {
      case kGgufU8:
        return {type, std::uint64_t{fixed<std::uint8_t>("value")}};
      case kGgufU16:
        return {type, std::uint64_t{fixed<std::uint16_t>("value")}};
      case kGgufU32:
        return {type, std::uint64_t{fixed<std::uint32_t>("value")}};
      case kGgufU64:
        return {type, fixed<std::uint64_t>("value")};
      case kGgufI8:
        return {type, std::int64_t{fixed<std::int8_t>("value")}};
      case kGgufI16:
        return {type, std::int64_t{fixed<std::int16_t>("value")}};
      case kGgufI32:
        return {type, std::int64_t{fixed<std::int32_t>("value")}};
      case kGgufI64:
        return {type, fixed<std::int64_t>("value")};
      case kGgufF32:
        return {type, double{fixed<float>("value")}};
      case kGgufF64:
        return {type, fixed<double>("value")};
      case kGgufBool: {
        const auto raw = fixed<std::uint8_t>("value");
        if (raw > 1) fail("a flag must be 0 or 1, found " + std::to_string(raw));
        return {type, raw == 1};
      }
      case kGgufText:
        return {type, text("text")};
      case kGgufArray:
        return array(depth);
      default:
        fail("metadata type " + std::to_string(type) + " is unknown (expected 0 to 12)");
    }
  }

  GgufValue array(int depth) {
    if (depth >= kMaxArrayDepth) fail("arrays nested deeper than " + std::to_string(kMaxArrayDepth));
    const auto type = fixed<std::uint32_t>("array type");
    if (type > kGgufF64)
      fail("array element type " + std::to_string(type) + " is unknown (expected 0 to 12)");
    const auto count = fixed<std::uint64_t>("array length");
    const std::size_t least = type == kGgufText ? 8 : type == kGgufArray ? 12 : gguf_type_bytes(type);
    check_count(count, least, "array elements");
    elements_ += count;
    if (elements_ > kMaxArrayElements)
      fail("more than " + std::to_string(kMaxArrayElements) + " array elements in the metadata");
    auto values = std::make_shared<GgufArray>();
    values->reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) values->push_back(value(type, depth + 1));
    return {kGgufArray, std::shared_ptr<const GgufArray>(std::move(values)), type};
  }

  void read_metadata(std::uint64_t count, GgufContents& out) {
    for (std::uint64_t i = 0; i < count; ++i) {
      where_ = "metadata key " + std::to_string(i);
      std::string key = text("key");
      if (key.empty() || key.size() > kMaxKey)
        fail("a key must have 1 to 65535 bytes, found " + std::to_string(key.size()));
      where_ = "metadata key '" + printable(key) + "'";
      const auto type = fixed<std::uint32_t>("type");
      const auto [it, inserted] = out.metadata.emplace(key, value(type, 0));
      if (!inserted) fail("appears twice");
      out.keys.push_back(std::move(key));
    }
    where_ = "metadata key 'general.alignment'";
    if (const auto it = out.metadata.find("general.alignment"); it != out.metadata.end()) {
      const auto* value = std::get_if<std::uint64_t>(&it->second.value);
      if (value == nullptr || it->second.type != kGgufU32)
        fail("expected a u32, found " + gguf_type_name(it->second.type));
      if (!std::has_single_bit(*value) || *value < 8 || *value > kMaxAlignment)
        fail("expected a power of two from 8 to " + std::to_string(kMaxAlignment) + ", found " +
             std::to_string(*value));
      alignment_ = *value;
    }
  }

  // Shape and format of one tensor; the offset is relative to the data section.
  std::uint64_t read_tensor_info(GgufTensor& tensor, std::uint64_t& bytes) {
    const auto dims = fixed<std::uint32_t>("dimension count");
    if (dims < 1 || dims > kMaxDims) fail("expected 1 to 4 dimensions, found " + std::to_string(dims));
    // The product stays below 2^63 so that no later sum of bytes can overflow 64 bits.
    std::uint64_t elements = 1;
    for (std::uint32_t d = 0; d < dims; ++d) {
      const auto extent = fixed<std::uint64_t>("dimension");
      if (extent == 0) fail("dimension " + std::to_string(d) + " is zero");
      if (extent > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / elements)
        fail("more than 2^63 elements");
      elements *= extent;
      tensor.shape.push_back(static_cast<std::int64_t>(extent));
    }
    const auto type = fixed<std::uint32_t>("tensor type");
    const kernels::FormatInfo* info = kernels::find_format(type);
    if (info == nullptr) fail("tensor type " + std::to_string(type) + " is not a format this program knows");
    tensor.format = info->format;
    const auto block = static_cast<std::uint64_t>(info->block);
    if (static_cast<std::uint64_t>(tensor.shape[0]) % block != 0)
      fail("rows of " + std::to_string(tensor.shape[0]) + " weights are no multiple of the " +
           std::string(info->name) + " block of " + std::to_string(block));
    const std::uint64_t blocks = elements / block;
    if (blocks > bytes_.size() / static_cast<std::uint64_t>(info->bytes))
      fail("needs " + std::to_string(blocks) + " blocks of " + std::to_string(info->bytes) +
           " bytes, but the file has only " + std::to_string(bytes_.size()) + " bytes");
    bytes = blocks * static_cast<std::uint64_t>(info->bytes);
    const auto offset = fixed<std::uint64_t>("tensor offset");
    if (offset % alignment_ != 0)
      fail("offset " + std::to_string(offset) + " is no multiple of the alignment " +
           std::to_string(alignment_));
    return offset;
  }

  void read_tensors(std::uint64_t count, GgufContents& out) {
    struct Range {
      std::uint64_t begin, end;
      std::size_t tensor;
    };
    std::vector<Range> ranges;
    std::unordered_set<std::string> names;
    for (std::uint64_t i = 0; i < count; ++i) {
      where_ = "tensor " + std::to_string(i);
      GgufTensor tensor;
      tensor.name = text("name");
      if (tensor.name.empty() || tensor.name.size() > kMaxTensorName)
        fail("a tensor name must have 1 to 64 bytes, found " + std::to_string(tensor.name.size()));
      where_ = "tensor '" + printable(tensor.name) + "'";
      if (!names.insert(tensor.name).second) fail("appears twice");
      std::uint64_t bytes = 0;
      const std::uint64_t offset = read_tensor_info(tensor, bytes);
      if (offset > bytes_.size()) fail("offset " + std::to_string(offset) + " lies past the end of the file");
      ranges.push_back({offset, offset + bytes, out.tensors.size()});
      out.tensors.push_back(std::move(tensor));
    }
    // A file without tensors (a vocabulary) may end right here, without padding.
    const std::uint64_t data = (at_ + alignment_ - 1) / alignment_ * alignment_;
    const std::uint64_t data_bytes = data <= bytes_.size() ? bytes_.size() - data : 0;
    for (const Range& range : ranges) {
      GgufTensor& tensor = out.tensors[range.tensor];
      where_ = "tensor '" + printable(tensor.name) + "'";
      if (range.end > data_bytes)
        fail("reaches to byte " + std::to_string(data + range.end) + ", but the file has only " +
             std::to_string(bytes_.size()) + " bytes: is it truncated?");
      tensor.data = bytes_.subspan(static_cast<std::size_t>(data + range.begin),
                                   static_cast<std::size_t>(range.end - range.begin));
    }
    std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
    for (std::size_t i = 1; i < ranges.size(); ++i) {
      if (ranges[i].begin >= ranges[i - 1].end) continue;
      where_ = "tensor '" + printable(out.tensors[ranges[i].tensor].name) + "'";
      fail("overlaps tensor '" + printable(out.tensors[ranges[i - 1].tensor].name) + "'");
    }
  }

  std::span<const std::byte> bytes_;
  const std::string& name_;
  std::string where_;
  std::size_t at_ = 0;
  std::uint64_t alignment_ = kGgufAlignment;
  std::uint64_t elements_ = 0;  // of all metadata arrays so far
};

}  // namespace

GgufContents parse_gguf(std::span<const std::byte> bytes, const std::string& name) {
  return Parser(bytes, name).parse();
}

}  // namespace brinkmap::worker
