#include "mpi/unit_checksum.h"

#include <zlib.h>

#include <array>

#include "schedule/error.h"
#include "schedule/fields.h"

namespace brinkmap::mpi {

Block block_of(const h5::Array& array, const schedule::Unit& unit) {
  Block b{std::vector<std::uint64_t>(array.shape().size(), 0), array.shape()};
  if (b.count.size() < 2) throw Error(array.name() + ": expected a row axis and a prompt or seed axis");
  b.offset[0] = unit.row;
  b.count[0] = 1;
  b.offset[1] = unit.begin;
  b.count[1] = unit.end - unit.begin;
  return b;
}

std::uint32_t crc_of(const std::vector<schedule::Slab>& slabs, std::span<const std::byte> reason) {
  uLong crc = crc32_z(0, nullptr, 0);
  const auto add = [&crc](std::span<const std::byte> bytes) {
    if (!bytes.empty()) crc = crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  };
  for (const schedule::Slab& slab : slabs) add(slab.bytes);
  add(reason);
  return static_cast<std::uint32_t>(crc);
}

std::vector<schedule::Slab> read_slabs(const ArrayOf& array, const schedule::Plan& plan,
                                       const schedule::Unit& unit) {
  std::vector<schedule::Slab> slabs;
  for (const schedule::Field& f : schedule::unit_fields(plan, unit.kind, unit.item)) {
    const h5::Array& a = array(f.name);
    const Block b = block_of(a, unit);
    slabs.emplace_back().bytes.resize(f.item_bytes() * (unit.end - unit.begin));
    a.read(b.offset, b.count, slabs.back().bytes);
  }
  return slabs;
}

UnitStatus verified_status(const ArrayOf& array, const schedule::Plan& plan, std::uint32_t unit) {
  std::uint8_t status = 0;
  std::uint32_t crc = 0;
  std::array<std::byte, kReasonBytes> reason{};
  array(kUnitStatus).read_rows(unit, 1, std::as_writable_bytes(std::span(&status, 1)));
  if (status != static_cast<std::uint8_t>(UnitStatus::kDone) &&
      status != static_cast<std::uint8_t>(UnitStatus::kFailed))
    return UnitStatus::kTodo;
  array(kUnitCrc).read_rows(unit, 1, std::as_writable_bytes(std::span(&crc, 1)));
  array(kUnitReason).read_rows(unit, 1, reason);
  if (crc != crc_of(read_slabs(array, plan, plan.units.at(unit)), reason)) return UnitStatus::kTodo;
  return static_cast<UnitStatus>(status);
}

}  // namespace brinkmap::mpi
