#include <cmath>
#include <limits>
#include <type_traits>

#include "schedule/error.h"
#include "worker/gguf_parse.h"

namespace brinkmap::worker {

std::int64_t GgufTensor::elements() const {
  std::int64_t n = 1;
  for (std::int64_t extent : shape) n *= extent;
  return n;
}

namespace {

template <class T>
void append_raw(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

template <class T>
void append_integer(std::string& out, const GgufValue& value) {
  if (const auto* u = std::get_if<std::uint64_t>(&value.value)) {
    if (*u > static_cast<std::uint64_t>(std::numeric_limits<T>::max()))
      throw Error("GGUF value " + std::to_string(*u) + " does not fit its type " +
                  gguf_type_name(value.type));
    return append_raw(out, static_cast<T>(*u));
  }
  if (const auto* s = std::get_if<std::int64_t>(&value.value)) {
    const bool fits = std::is_signed_v<T>
                          ? *s >= static_cast<std::int64_t>(std::numeric_limits<T>::min()) &&
                                *s <= static_cast<std::int64_t>(std::numeric_limits<T>::max())
                          : *s >= 0 && static_cast<std::uint64_t>(*s) <=
                                           static_cast<std::uint64_t>(std::numeric_limits<T>::max());
    if (!fits)
      throw Error("GGUF value " + std::to_string(*s) + " does not fit its type " +
                  gguf_type_name(value.type));
    return append_raw(out, static_cast<T>(*s));
  }
  throw Error("GGUF value of type " + gguf_type_name(value.type) + " holds no integer");
}

template <class T>
const T& held(const GgufValue& value) {
  if (const T* v = std::get_if<T>(&value.value)) return *v;
  throw Error("GGUF value of type " + gguf_type_name(value.type) + " holds something else");
}

template <class T, class Make>
GgufValue make_array(std::uint32_t type, std::span<const T> values, Make make) {
  auto out = std::make_shared<GgufArray>();
  out->reserve(values.size());
  for (const T& v : values) out->push_back(make(v));
  return {kGgufArray, std::shared_ptr<const GgufArray>(std::move(out)), type};
}

// Bytes of the valid UTF-8 sequence that starts at text[at]; 0 when there is none or it is a control
// character.
std::size_t printable_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : static_cast<unsigned char>(0);
  };
  const unsigned char lead = byte(at);
  if (lead >= 0x20 && lead < 0x7f) return 1;
  const std::size_t length = lead >= 0xf0 && lead <= 0xf4   ? 4
                             : lead >= 0xe0 && lead <= 0xef ? 3
                             : lead >= 0xc3 && lead <= 0xdf ? 2  // c2 80 to c2 9f are control characters
                                                            : 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(at + i) & 0xc0) != 0x80) return 0;
  return length;
}

}  // namespace

std::size_t gguf_type_bytes(std::uint32_t type) {
  switch (type) {
    case kGgufU8:
    case kGgufI8:
    case kGgufBool:
      return 1;
    case kGgufU16:
    case kGgufI16:
      return 2;
    case kGgufU32:
    case kGgufI32:
    case kGgufF32:
      return 4;
    case kGgufU64:
    case kGgufI64:
    case kGgufF64:
      return 8;
    default:
      return 0;
  }
}

std::string gguf_type_name(std::uint32_t type) {
  static constexpr const char* kNames[] = {"u8",   "i8",   "u16",   "i16", "u32", "i32", "f32",
                                           "flag", "text", "array", "u64", "i64", "f64"};
  return type <= kGgufF64 ? kNames[type] : "unknown type " + std::to_string(type);
}

std::string printable(std::string_view text) {
  constexpr std::size_t kMost = 80;
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (out.size() >= kMost) return out + "...";
    if (const std::size_t n = printable_length(text, at); n != 0) {
      out += text.substr(at, n);
      at += n;
    } else {
      const auto byte = static_cast<unsigned char>(text[at++]);
      out += "\\x";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

void append_gguf_value(std::string& out, const GgufValue& value) {
  switch (value.type) {
    case kGgufU8:
      return append_integer<std::uint8_t>(out, value);
    case kGgufI8:
      return append_integer<std::int8_t>(out, value);
    case kGgufU16:
      return append_integer<std::uint16_t>(out, value);
    case kGgufI16:
      return append_integer<std::int16_t>(out, value);
    case kGgufU32:
      return append_integer<std::uint32_t>(out, value);
    case kGgufI32:
      return append_integer<std::int32_t>(out, value);
    case kGgufU64:
      return append_integer<std::uint64_t>(out, value);
    case kGgufI64:
      return append_integer<std::int64_t>(out, value);
    case kGgufF32:
      return append_raw(out, static_cast<float>(held<double>(value)));
    case kGgufF64:
      return append_raw(out, held<double>(value));
    case kGgufBool:
      return append_raw(out, static_cast<std::uint8_t>(held<bool>(value) ? 1 : 0));
    case kGgufText: {
      const std::string& text = held<std::string>(value);
      append_raw(out, static_cast<std::uint64_t>(text.size()));
      out += text;
      return;
    }
    case kGgufArray: {
      const auto& array = held<std::shared_ptr<const GgufArray>>(value);
      if (array == nullptr) throw Error("GGUF array value without an array");
      append_raw(out, value.element_type);
      append_raw(out, static_cast<std::uint64_t>(array->size()));
      for (const GgufValue& element : *array) {
        if (element.type != value.element_type)
          throw Error("GGUF array of " + gguf_type_name(value.element_type) + " holds a " +
                      gguf_type_name(element.type));
        append_gguf_value(out, element);
      }
      return;
    }
    default:
      throw Error("GGUF value of " + gguf_type_name(value.type));
  }
}

GgufValue gguf_u32(std::uint32_t value) { return {kGgufU32, std::uint64_t{value}}; }
GgufValue gguf_f32(float value) { return {kGgufF32, double{value}}; }
GgufValue gguf_bool(bool value) { return {kGgufBool, value}; }
GgufValue gguf_text(std::string value) { return {kGgufText, std::move(value)}; }

GgufValue gguf_texts(std::span<const std::string> values) {
  return make_array(kGgufText, values, [](const std::string& v) { return gguf_text(v); });
}
GgufValue gguf_f32s(std::span<const float> values) {
  return make_array(kGgufF32, values, [](float v) { return gguf_f32(v); });
}
GgufValue gguf_i32s(std::span<const std::int32_t> values) {
  return make_array(kGgufI32, values, [](std::int32_t v) { return GgufValue{kGgufI32, std::int64_t{v}}; });
}

}  // namespace brinkmap::worker
