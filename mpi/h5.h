#pragma once

#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "schedule/unit.h"

// HDF5 handles that close themselves, each C call wrapped once. Every error is an H5Error with the library's
// own text. HDF5 is not thread-safe here: one thread of a process uses these.
namespace brinkmap::mpi::h5 {

class H5Error : public Error {
 public:
  using Error::Error;
};

// Owns an HDF5 id. Closing never throws: what must reach the disk is synced before.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);
  Handle() = default;
  Handle(hid_t id, Close close, const std::string& what);  // throws H5Error when id is negative
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(close_, other.close_);
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { reset(); }

  hid_t get() const noexcept { return id_; }
  explicit operator bool() const noexcept { return id_ >= 0; }
  void reset() noexcept;

 private:
  hid_t id_ = -1;
  Close close_ = nullptr;
};

// A numeric array of fixed shape. Blocks are [offset, offset + count) on every axis, row-major in memory, in
// the array's own type.
class Array {
 public:
  const std::string& name() const noexcept { return name_; }
  const std::vector<std::uint64_t>& shape() const noexcept { return shape_; }
  schedule::DType dtype() const noexcept { return dtype_; }
  std::uint64_t elements() const noexcept;

  void write(std::span<const std::uint64_t> offset, std::span<const std::uint64_t> count,
             std::span<const std::byte> bytes) const;
  void read(std::span<const std::uint64_t> offset, std::span<const std::uint64_t> count,
            std::span<std::byte> bytes) const;
  // The block of rows [first, first + n) of the first axis.
  void read_rows(std::uint64_t first, std::uint64_t n, std::span<std::byte> bytes) const;

  void set_attribute(const std::string& name, const std::string& text) const;
  void set_attribute(const std::string& name, std::span<const std::uint8_t> values) const;
  void set_fill_attribute(double value) const;  // _FillValue, in the array's type
  void attach_scale(unsigned axis, const Handle& scale) const;

 private:
  friend class File;
  Array(Handle id, std::string name);
  Handle select(std::span<const std::uint64_t> offset, std::span<const std::uint64_t> count,
                std::size_t bytes) const;

  Handle id_;
  std::string name_;
  std::vector<std::uint64_t> shape_;
  schedule::DType dtype_{};
};

class File {
 public:
  // A new file in the default (earliest) format through the serial driver; only its creator may use it.
  static File create(const std::string& path);
  // For reading, serial driver, without taking a file lock: a running sweep may go on writing.
  static File open_for_reading(const std::string& path);
  // For reading and writing through MPI-IO on a communicator of this process alone: writes go straight to the
  // file, so they survive the process. MPI must be initialized.
  static File open_shared(const std::string& path);

  // Contiguous, allocated and filled at once, so that later writes need no new space.
  Array create_array(const std::string& name, schedule::DType dtype, std::span<const std::uint64_t> shape,
                     double fill);
  // A dimension scale: labels when given, else a dimension without a coordinate.
  Handle create_scale(const std::string& name, std::uint64_t size, std::span<const std::string> labels);
  void write_text(const std::string& name, const std::string& text,
                  const std::string& long_name);  // a scalar string
  void set_attribute(const std::string& name, const std::string& text);
  void set_attribute(const std::string& name, std::uint64_t value);

  bool has(const std::string& name) const;
  Array array(const std::string& name) const;
  std::string text(const std::string& name) const;
  std::vector<std::string> texts(const std::string& name) const;  // labels of a scale
  std::string attribute(const std::string& name) const;
  std::uint64_t number_attribute(const std::string& name) const;

  void flush();
  void close() { id_.reset(); }

 private:
  explicit File(Handle id) : id_(std::move(id)) {}
  Handle id_;
};

}  // namespace brinkmap::mpi::h5
