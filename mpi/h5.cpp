#include "mpi/h5.h"

#include <hdf5_hl.h>
#include <mpi.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "mpi/h5_types.h"

namespace brinkmap::mpi::h5 {
namespace {

herr_t innermost(unsigned, const H5E_error2_t* error, void* text) {
  auto& out = *static_cast<std::string*>(text);
  if (error->desc != nullptr && out.size() < 300) out += (out.empty() ? "" : "; ") + std::string(error->desc);
  return 0;
}

[[noreturn]] void fail(const std::string& what) {
  std::string text;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, &text);
  H5Eclear2(H5E_DEFAULT);
  throw H5Error(what + (text.empty() ? "" : " (HDF5: " + text + ")"));
}

void check(herr_t status, const std::string& what) {
  if (status < 0) fail(what);
}

// The library prints its error stack by default; the text goes into the exception instead.
void quiet() { H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr); }

Handle text_type() {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose, "copy the string type");
  check(H5Tset_size(type.get(), H5T_VARIABLE), "make a variable-length string type");
  check(H5Tset_cset(type.get(), H5T_CSET_UTF8), "make a UTF-8 string type");
  return type;
}

void put_text(hid_t object, const std::string& name, const std::string& text) {
  const Handle type = text_type();
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose, "make a scalar");
  const Handle a(H5Acreate2(object, name.c_str(), type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT),
                 H5Aclose, "create attribute " + name);
  const char* value = text.c_str();
  check(H5Awrite(a.get(), type.get(), &value), "write attribute " + name);
}

Handle file_access() {
  Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "create a file access list");
  check(H5Pset_file_locking(access.get(), false, true), "switch off file locks");
  return access;
}

std::vector<std::string> read_texts(hid_t dataset, const std::string& name) {
  const Handle space(H5Dget_space(dataset), H5Sclose, "shape of " + name);
  const hssize_t n = H5Sget_simple_extent_npoints(space.get());
  const Handle stored(H5Dget_type(dataset), H5Tclose, "type of " + name);
  if (n < 0 || n > (1 << 24) || H5Tis_variable_str(stored.get()) <= 0)
    throw H5Error(name + ": expected variable-length strings");
  const Handle type = text_type();
  std::vector<char*> raw(static_cast<std::size_t>(n), nullptr);
  if (n > 0) check(H5Dread(dataset, type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, raw.data()), "read " + name);
  std::vector<std::string> texts;
  for (const char* s : raw) texts.emplace_back(s == nullptr ? "" : s);
  if (n > 0) H5Dvlen_reclaim(type.get(), space.get(), H5P_DEFAULT, raw.data());
  return texts;
}

}  // namespace

Handle::Handle(hid_t id, Close close, const std::string& what) : id_(id), close_(close) {
  if (id < 0) fail("cannot " + what);
}

void Handle::reset() noexcept {
  if (id_ >= 0) close_(id_);
  id_ = -1;
}

Array::Array(Handle id, std::string name) : id_(std::move(id)), name_(std::move(name)) {
  const Handle space(H5Dget_space(id_.get()), H5Sclose, "shape of " + name_);
  const int rank = H5Sget_simple_extent_ndims(space.get());
  if (rank < 0) fail("cannot read the shape of " + name_);
  std::vector<hsize_t> dims(static_cast<std::size_t>(rank));
  if (rank > 0) check(H5Sget_simple_extent_dims(space.get(), dims.data(), nullptr), "shape of " + name_);
  shape_.assign(dims.begin(), dims.end());
  const Handle type(H5Dget_type(id_.get()), H5Tclose, "type of " + name_);
  dtype_ = dtype_of_stored(type.get(), name_);
}

std::uint64_t Array::elements() const noexcept {
  std::uint64_t n = 1;
  for (const std::uint64_t d : shape_) n *= d;
  return n;
}

Handle Array::select(std::span<const std::uint64_t> offset, std::span<const std::uint64_t> count,
                     std::size_t bytes) const {
  if (offset.size() != shape_.size() || count.size() != shape_.size())
    throw Error(name_ + ": a block of another rank than the array");
  std::uint64_t n = schedule::dtype_bytes(dtype_);
  for (std::size_t i = 0; i < shape_.size(); ++i) {
    if (offset[i] > shape_[i] || count[i] > shape_[i] - offset[i])
      throw Error(name_ + ": a block that reaches past axis " + std::to_string(i));
    n *= count[i];
  }
  if (n != bytes)
    throw Error(name_ + ": a block of " + std::to_string(n) + " bytes, but " + std::to_string(bytes) +
                " given");
  Handle space(H5Dget_space(id_.get()), H5Sclose, "shape of " + name_);
  if (!shape_.empty()) {
    const std::vector<hsize_t> start(offset.begin(), offset.end());
    const std::vector<hsize_t> size(count.begin(), count.end());
    check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, size.data(), nullptr),
          "select a block of " + name_);
  }
  return space;
}

void Array::write(std::span<const std::uint64_t> offset, std::span<const std::uint64_t> count,
                  std::span<const std::byte> bytes) const {
  const Handle file_space = select(offset, count, bytes.size());
  if (bytes.empty()) return;
  const hsize_t n = bytes.size() / schedule::dtype_bytes(dtype_);
  const Handle memory(H5Screate_simple(1, &n, nullptr), H5Sclose, "describe memory");
  check(H5Dwrite(id_.get(), memory_type(dtype_), memory.get(), file_space.get(), H5P_DEFAULT, bytes.data()),
        "cannot write " + name_);
}

void Array::read(std::span<const std::uint64_t> offset, std::span<const std::uint64_t> count,
                 std::span<std::byte> bytes) const {
  const Handle file_space = select(offset, count, bytes.size());
  if (bytes.empty()) return;
  const hsize_t n = bytes.size() / schedule::dtype_bytes(dtype_);
  const Handle memory(H5Screate_simple(1, &n, nullptr), H5Sclose, "describe memory");
  check(H5Dread(id_.get(), memory_type(dtype_), memory.get(), file_space.get(), H5P_DEFAULT, bytes.data()),
        "cannot read " + name_);
}

void Array::read_rows(std::uint64_t first, std::uint64_t n, std::span<std::byte> bytes) const {
  std::vector<std::uint64_t> offset(shape_.size(), 0), count = shape_;
  if (!shape_.empty()) {
    offset[0] = first;
    count[0] = n;
  }
  read(offset, count, bytes);
}

void Array::set_attribute(const std::string& name, const std::string& text) const {
  put_text(id_.get(), name, text);
}

void Array::set_attribute(const std::string& name, std::span<const std::uint8_t> values) const {
  const hsize_t n = values.size();
  const Handle space(H5Screate_simple(1, &n, nullptr), H5Sclose, "describe attribute " + name);
  const Handle a(H5Acreate2(id_.get(), name.c_str(), H5T_STD_U8LE, space.get(), H5P_DEFAULT, H5P_DEFAULT),
                 H5Aclose, "create attribute " + name);
  check(H5Awrite(a.get(), H5T_NATIVE_UINT8, values.data()), "write attribute " + name);
}

void Array::set_fill_attribute(double value) const {
  const hsize_t one = 1;
  const Handle space(H5Screate_simple(1, &one, nullptr), H5Sclose, "describe _FillValue");
  const Handle a(
      H5Acreate2(id_.get(), "_FillValue", file_type(dtype_), space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose,
      "create _FillValue of " + name_);
  check(H5Awrite(a.get(), H5T_NATIVE_DOUBLE, &value), "write _FillValue of " + name_);
}

void Array::attach_scale(unsigned axis, const Handle& scale) const {
  check(H5DSattach_scale(id_.get(), scale.get(), axis), "attach a dimension scale to " + name_);
}

File File::create(const std::string& path) {
  quiet();
  const Handle access = file_access();
  return File(
      {H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.get()), H5Fclose, "create " + path});
}

File File::open_for_reading(const std::string& path) {
  quiet();
  const Handle access = file_access();
  return File({H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose, "open " + path});
}

File File::open_shared(const std::string& path) {
  quiet();
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "create a file access list");
  // The list keeps its own duplicate of the communicator.
  check(H5Pset_fapl_mpio(access.get(), MPI_COMM_SELF, MPI_INFO_NULL), "choose MPI-IO");
  return File({H5Fopen(path.c_str(), H5F_ACC_RDWR, access.get()), H5Fclose, "open " + path + " with MPI-IO"});
}

Array File::create_array(const std::string& name, schedule::DType dtype, std::span<const std::uint64_t> shape,
                         double fill) {
  const std::vector<hsize_t> dims(shape.begin(), shape.end());
  const Handle space(dims.empty() ? H5Screate(H5S_SCALAR)
                                  : H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr),
                     H5Sclose, "describe " + name);
  const Handle layout(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "describe the layout of " + name);
  check(H5Pset_layout(layout.get(), H5D_CONTIGUOUS), "layout of " + name);
  check(H5Pset_alloc_time(layout.get(), H5D_ALLOC_TIME_EARLY), "allocation of " + name);
  check(H5Pset_fill_value(layout.get(), H5T_NATIVE_DOUBLE, &fill), "fill value of " + name);
  check(H5Pset_fill_time(layout.get(), H5D_FILL_TIME_ALLOC), "fill time of " + name);
  return Array({H5Dcreate2(id_.get(), name.c_str(), file_type(dtype), space.get(), H5P_DEFAULT, layout.get(),
                           H5P_DEFAULT),
                H5Dclose, "create variable " + name},
               name);
}

Handle File::create_scale(const std::string& name, std::uint64_t size, std::span<const std::string> labels) {
  const hsize_t n = size;
  const Handle space(H5Screate_simple(1, &n, nullptr), H5Sclose, "describe " + name);
  const bool labelled = !labels.empty();
  const Handle type = labelled ? text_type() : Handle(H5Tcopy(H5T_IEEE_F32BE), H5Tclose, "copy a type");
  Handle scale(
      H5Dcreate2(id_.get(), name.c_str(), type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
      H5Dclose, "create dimension " + name);
  if (labelled) {
    std::vector<const char*> raw;
    for (const std::string& l : labels) raw.push_back(l.c_str());
    check(H5Dwrite(scale.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, raw.data()),
          "write labels of " + name);
    put_text(scale.get(), "long_name", "labels of the axis " + name);
    check(H5DSset_scale(scale.get(), name.c_str()), "make a dimension scale of " + name);
  } else {
    // The name by which netCDF-4 readers know a dimension that has no coordinate variable.
    std::string digits = std::to_string(size);
    digits.insert(0, digits.size() < 10 ? 10 - digits.size() : 0, ' ');
    check(H5DSset_scale(scale.get(),
                        ("This is a netCDF dimension but not a netCDF variable." + digits).c_str()),
          "make a dimension of " + name);
  }
  return scale;
}

void File::write_text(const std::string& name, const std::string& text, const std::string& long_name) {
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose, "make a scalar");
  const Handle type = text_type();
  const Handle d(
      H5Dcreate2(id_.get(), name.c_str(), type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
      H5Dclose, "create " + name);
  const char* value = text.c_str();
  check(H5Dwrite(d.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, &value), "write " + name);
  put_text(d.get(), "long_name", long_name);
}

void File::set_attribute(const std::string& name, const std::string& text) {
  put_text(id_.get(), name, text);
}

void File::set_attribute(const std::string& name, std::uint64_t value) {
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose, "make a scalar");
  const Handle a(H5Acreate2(id_.get(), name.c_str(), H5T_STD_U64LE, space.get(), H5P_DEFAULT, H5P_DEFAULT),
                 H5Aclose, "create attribute " + name);
  check(H5Awrite(a.get(), H5T_NATIVE_UINT64, &value), "write attribute " + name);
}

bool File::has(const std::string& name) const { return H5Lexists(id_.get(), name.c_str(), H5P_DEFAULT) > 0; }

Array File::array(const std::string& name) const {
  return Array({H5Dopen2(id_.get(), name.c_str(), H5P_DEFAULT), H5Dclose, "open variable " + name}, name);
}

std::string File::text(const std::string& name) const {
  const Handle d(H5Dopen2(id_.get(), name.c_str(), H5P_DEFAULT), H5Dclose, "open " + name);
  const std::vector<std::string> all = read_texts(d.get(), name);
  if (all.size() != 1) throw H5Error(name + ": expected one string, found " + std::to_string(all.size()));
  return all[0];
}

std::vector<std::string> File::texts(const std::string& name) const {
  const Handle d(H5Dopen2(id_.get(), name.c_str(), H5P_DEFAULT), H5Dclose, "open " + name);
  return read_texts(d.get(), name);
}

std::string File::attribute(const std::string& name) const {
  const Handle a(H5Aopen(id_.get(), name.c_str(), H5P_DEFAULT), H5Aclose, "open attribute " + name);
  const Handle stored(H5Aget_type(a.get()), H5Tclose, "type of attribute " + name);
  const Handle space(H5Aget_space(a.get()), H5Sclose, "shape of attribute " + name);
  if (H5Tis_variable_str(stored.get()) <= 0 || H5Sget_simple_extent_npoints(space.get()) != 1)
    throw H5Error("attribute " + name + ": expected one variable-length string");
  const Handle type = text_type();
  char* raw = nullptr;
  check(H5Aread(a.get(), type.get(), &raw), "read attribute " + name);
  std::string text = raw == nullptr ? "" : raw;
  H5Dvlen_reclaim(type.get(), space.get(), H5P_DEFAULT, &raw);
  return text;
}

std::uint64_t File::number_attribute(const std::string& name) const {
  const Handle a(H5Aopen(id_.get(), name.c_str(), H5P_DEFAULT), H5Aclose, "open attribute " + name);
  const Handle space(H5Aget_space(a.get()), H5Sclose, "shape of attribute " + name);
  if (H5Sget_simple_extent_npoints(space.get()) != 1)
    throw H5Error("attribute " + name + ": expected one number");
  std::uint64_t value = 0;
  check(H5Aread(a.get(), H5T_NATIVE_UINT64, &value), "read attribute " + name);
  return value;
}

void File::flush() { check(H5Fflush(id_.get(), H5F_SCOPE_GLOBAL), "flush the file"); }

}  // namespace brinkmap::mpi::h5
