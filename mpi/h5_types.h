#pragma once

#include <hdf5.h>

#include <string>

#include "mpi/h5.h"
#include "schedule/unit.h"

// The HDF5 types of the result file: little-endian on disk, native in memory.
namespace brinkmap::mpi::h5 {

// IEEE binary16, little-endian, which HDF5 has no name for; h5py reads it as float16. Lives as long as the
// process, as the library's own types do.
inline hid_t half_type() {
  static const hid_t type = [] {
    const hid_t t = H5Tcopy(H5T_IEEE_F32LE);
    // Sign, exponent and fraction have to fit before the type shrinks around them.
    if (t < 0 || H5Tset_fields(t, 15, 10, 5, 0, 10) < 0 || H5Tset_size(t, 2) < 0 || H5Tset_ebias(t, 15) < 0)
      throw H5Error("cannot make a 16-bit floating-point type");
    return t;
  }();
  return type;
}

inline hid_t file_type(schedule::DType t) {
  switch (t) {
    case schedule::DType::kU8:
      return H5T_STD_U8LE;
    case schedule::DType::kI32:
      return H5T_STD_I32LE;
    case schedule::DType::kU32:
      return H5T_STD_U32LE;
    case schedule::DType::kI64:
      return H5T_STD_I64LE;
    case schedule::DType::kF32:
      return H5T_IEEE_F32LE;
    case schedule::DType::kF64:
      return H5T_IEEE_F64LE;
    case schedule::DType::kF16:
      return half_type();
  }
  throw Error("unknown element type");
}

inline hid_t memory_type(schedule::DType t) {
  switch (t) {
    case schedule::DType::kU8:
      return H5T_NATIVE_UINT8;
    case schedule::DType::kI32:
      return H5T_NATIVE_INT32;
    case schedule::DType::kU32:
      return H5T_NATIVE_UINT32;
    case schedule::DType::kI64:
      return H5T_NATIVE_INT64;
    case schedule::DType::kF32:
      return H5T_NATIVE_FLOAT;
    case schedule::DType::kF64:
      return H5T_NATIVE_DOUBLE;
    case schedule::DType::kF16:
      return half_type();
  }
  throw Error("unknown element type");
}

// Throws H5Error for a type the result file never holds.
inline schedule::DType dtype_of_stored(hid_t stored, const std::string& name) {
  using schedule::DType;
  for (const DType t :
       {DType::kU8, DType::kI32, DType::kU32, DType::kI64, DType::kF32, DType::kF64, DType::kF16})
    if (H5Tequal(stored, file_type(t)) > 0) return t;
  throw H5Error(name + ": an element type that result files do not hold");
}

}  // namespace brinkmap::mpi::h5
