#include "worker/state_slabs.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/half.h"
#include "schedule/error.h"
#include "worker/hash.h"

namespace brinkmap::worker {

using schedule::DType;
using schedule::Field;
using schedule::Slab;

namespace {

constexpr std::uint16_t kInfinity = 0x7c00;

// One field; beyond[item] becomes true where a finite value does not fit.
Slab narrowed(const Field& field, std::size_t items, const Slab& wide, std::vector<bool>& beyond) {
  const std::size_t values = field.item_bytes() / sizeof(std::uint16_t);
  if (wide.bytes.size() != items * values * sizeof(float))
    throw Error("a slab of " + field.name + " has another size");
  Slab half;
  half.bytes.resize(items * values * sizeof(std::uint16_t));
  const std::uint16_t missing = kernels::f32_to_f16(std::numeric_limits<float>::quiet_NaN());
  for (std::size_t i = 0; i < items; ++i)
    for (std::size_t v = i * values; v < (i + 1) * values; ++v) {
      float value;
      std::memcpy(&value, wide.bytes.data() + v * sizeof(float), sizeof(float));
      std::uint16_t bits = kernels::f32_to_f16(value);
      if ((bits & 0x7fff) == kInfinity) {
        bits = missing;
        beyond[i] = true;
      }
      std::memcpy(half.bytes.data() + v * sizeof(bits), &bits, sizeof(bits));
    }
  return half;
}

}  // namespace

std::vector<Field> computed_fields(std::span<const Field> fields) {
  std::vector<Field> out(fields.begin(), fields.end());
  for (Field& f : out)
    if (f.dtype == DType::kF16) f.dtype = DType::kF32;
  return out;
}

void narrow_states(std::span<const Field> fields, std::size_t items, std::vector<Slab>& slabs) {
  if (slabs.size() != fields.size()) throw Error("expected one slab for each field");
  std::vector<bool> beyond(items, false);
  Slab* status = nullptr;
  bool any = false;
  for (std::size_t f = 0; f < fields.size(); ++f) {
    if (fields[f].name.ends_with("_state_status")) status = &slabs[f];
    if (fields[f].dtype != DType::kF16) continue;
    slabs[f] = narrowed(fields[f], items, slabs[f], beyond);
    any = true;
  }
  if (!any) return;
  if (status == nullptr || status->bytes.size() != items)
    throw Error("states without a field that says whether they are kept");
  for (std::size_t i = 0; i < items; ++i)
    if (beyond[i]) status->bytes[i] = static_cast<std::byte>(StateStatus::kBeyondF16);
}

Slab widened(const Slab& half) {
  const std::size_t n = half.bytes.size() / sizeof(std::uint16_t);
  Slab out;
  out.bytes.resize(n * sizeof(float));
  for (std::size_t i = 0; i < n; ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, half.bytes.data() + i * sizeof(bits), sizeof(bits));
    const float value = kernels::f16_to_f32(bits);
    std::memcpy(out.bytes.data() + i * sizeof(value), &value, sizeof(value));
  }
  return out;
}

void record_states(std::string_view row_content, std::span<const std::int32_t> prompt, bool finite,
                   std::size_t at, schedule::SlabSet& slabs) {
  static_assert(std::endian::native == std::endian::little);
  slabs.get<std::uint8_t>("state_status")[at] =
      static_cast<std::uint8_t>(finite ? StateStatus::kKept : StateStatus::kNotFinite);
  Sha256 hash;
  hash.update(row_content);
  hash.update(std::as_bytes(prompt));
  const auto digest = hash.digest();
  std::copy(
      digest.begin(), digest.end(),
      slabs.get<std::uint8_t>("content_hash").begin() + static_cast<std::ptrdiff_t>(at * digest.size()));
}

}  // namespace brinkmap::worker
