#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "mpi/h5.h"
#include "mpi/schema.h"
#include "schedule/results.h"

// What a unit has in a result file, and the CRC-32 that vouches for it.
namespace brinkmap::mpi {

using ArrayOf = std::function<const h5::Array&(const std::string& name)>;

// A block of a sharded variable: the unit's row, its items, everything inside. Throws Error for an array with
// fewer axes.
struct Block {
  std::vector<std::uint64_t> offset, count;
};
Block block_of(const h5::Array& array, const schedule::Unit& unit);

// Of the slabs, in the order of schedule::unit_fields, and the reason's bytes.
std::uint32_t crc_of(const std::vector<schedule::Slab>& slabs, std::span<const std::byte> reason);

std::vector<schedule::Slab> read_slabs(const ArrayOf& array, const schedule::Plan& plan,
                                       const schedule::Unit& unit);

// The unit's status as stored, kTodo where its data do not have their checksum.
UnitStatus verified_status(const ArrayOf& array, const schedule::Plan& plan, std::uint32_t unit);

}  // namespace brinkmap::mpi
