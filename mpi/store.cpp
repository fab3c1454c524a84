#include "mpi/store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "mpi/result_file.h"
#include "mpi/unit_checksum.h"

namespace brinkmap::mpi {
namespace {

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span<const T, 1>(&value, 1));
}

// Cut at the last whole UTF-8 character that fits.
std::array<std::byte, kReasonBytes> reason_bytes(const std::string& reason) {
  std::size_t n = std::min<std::size_t>(reason.size(), kReasonBytes);
  if (n < reason.size())
    while (n > 0 && (static_cast<unsigned char>(reason[n]) & 0xC0) == 0x80) --n;
  std::array<std::byte, kReasonBytes> bytes{};
  std::memcpy(bytes.data(), reason.data(), n);
  return bytes;
}

}  // namespace

Store::Store(std::string path, const schedule::Plan& plan)
    : path_(std::move(path)),
      plan_(plan),
      descriptor_(open(path_.c_str(), O_RDWR | O_CLOEXEC)),
      file_([this] {
        if (descriptor_ < 0)
          throw InputError(path_, "", std::string("cannot be written: ") + std::strerror(errno));
        try {
          return h5::File::open_shared(path_);
        } catch (const h5::H5Error& e) {
          ::close(descriptor_);
          throw InputError(path_, "", e.what());
        }
      }()) {
  try {
    for (const StoredVariable& v : stored_variables(plan)) {
      h5::Array a = file_.array(v.field.name);
      std::vector<std::uint64_t> shape;
      for (const schedule::Dimension& d : v.axes) shape.push_back(d.size);
      if (a.shape() != shape || a.dtype() != v.field.dtype)
        throw InputError(path_, v.field.name, "has another shape or type than the job asks for; use --fresh");
      arrays_.emplace(v.field.name, std::move(a));
    }
  } catch (const h5::H5Error& e) {
    ::close(descriptor_);
    throw InputError(path_, "",
                     std::string(e.what()) + "; it was made for another job: use --fresh or another -o");
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

Store::~Store() {
  arrays_.clear();
  file_.close();
  ::close(descriptor_);
}

const h5::Array& Store::array(const std::string& name) {
  const auto at = arrays_.find(name);
  if (at == arrays_.end()) throw Error("the result file has no variable " + name);
  return at->second;
}

void Store::write_at(const std::string& name, std::uint64_t unit, std::span<const std::byte> bytes) {
  const h5::Array& a = array(name);
  std::vector<std::uint64_t> offset(a.shape().size(), 0), count = a.shape();
  offset.at(0) = unit;
  count.at(0) = 1;
  a.write(offset, count, bytes);
}

void Store::write_unit(const schedule::UnitResult& result, int rank) {
  const schedule::Unit& unit = plan_.units.at(result.unit);
  const std::vector<schedule::Field> fields = schedule::unit_fields(plan_, unit.kind, unit.item);
  std::vector<schedule::Slab> fill;
  if (result.failed) fill = schedule::SlabSet(fields, unit.end - unit.begin).take();
  const std::vector<schedule::Slab>& slabs = result.failed ? fill : result.slabs;
  if (slabs.size() != fields.size())
    throw Error("unit " + std::to_string(unit.id) + ": " + std::to_string(slabs.size()) + " slabs for " +
                std::to_string(fields.size()) + " fields");
  const auto reason = reason_bytes(result.failed ? result.reason : std::string());
  try {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const h5::Array& a = array(fields[i].name);
      const Block b = block_of(a, unit);
      a.write(b.offset, b.count, slabs[i].bytes);
    }
    write_at(kUnitReason, unit.id, reason);
    write_at(kUnitCrc, unit.id, bytes_of(crc_of(slabs, reason)));
    write_at(kUnitSeconds, unit.id, bytes_of(result.seconds));
    write_at(kUnitRank, unit.id, bytes_of(static_cast<std::int32_t>(rank)));
    const UnitStatus status = result.failed ? UnitStatus::kFailed : UnitStatus::kDone;
    write_at(kUnitStatus, unit.id, bytes_of(status));
  } catch (const h5::H5Error& e) {
    throw InputError(path_, "unit " + std::to_string(unit.id),
                     std::string("does not take writes: ") + e.what() + "; units already done are kept");
  }
  sync();
}

UnitStatus Store::verified_status(std::uint32_t id) {
  return mpi::verified_status([this](const std::string& name) -> const h5::Array& { return array(name); },
                              plan_, id);
}

schedule::Slab Store::read(const schedule::Reading& reading) {
  const h5::Array& a = array(reading.variable);
  std::vector<std::uint64_t> offset{reading.row}, count{1};
  offset.insert(offset.end(), reading.offset.begin(), reading.offset.end());
  count.insert(count.end(), reading.count.begin(), reading.count.end());
  if (offset.size() != a.shape().size() || count.size() != offset.size())
    throw Error(reading.variable + ": expected another number of axes");
  std::uint64_t bytes = schedule::dtype_bytes(a.dtype());
  for (const std::uint64_t n : count) bytes *= n;
  schedule::Slab slab;
  slab.bytes.resize(bytes);
  a.read(offset, count, slab.bytes);
  return slab;
}

schedule::Results Store::results() {
  try {
    return read_arrays(file_, plan_);
  } catch (const h5::H5Error& e) {
    throw InputError(path_, "", e.what());
  }
}

void Store::write_row_variable(const std::string& name, std::uint32_t row, std::span<const std::byte> bytes) {
  try {
    write_at(name, row, bytes);
  } catch (const h5::H5Error& e) {
    throw InputError(path_, name, std::string("does not take writes: ") + e.what());
  }
}

void Store::mark_complete(bool complete) {
  const std::uint8_t value = complete ? 1 : 0;
  sync();  // everything the marker vouches for, first
  try {
    array(kComplete).write({}, {}, bytes_of(value));
  } catch (const h5::H5Error& e) {
    throw InputError(path_, kComplete, std::string("does not take writes: ") + e.what());
  }
  sync();
}

void Store::sync() {
  if (fdatasync(descriptor_) != 0)
    throw InputError(path_, "", std::string("cannot be synced to disk: ") + std::strerror(errno));
}

}  // namespace brinkmap::mpi
