#pragma once

#include <hdf5.h>

#include <string>

#include "mpi/h5.h"
#include "schedule/unit.h"

// The HDF5 types of the result file: little-endian on disk, native in memory.
namespace brinkmap::mpi::h5 {

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
  }
  throw Error("unknown element type");
}

// Throws H5Error for a type the result file never holds.
inline schedule::DType dtype_of_stored(hid_t stored, const std::string& name) {
  using schedule::DType;
  for (const DType t : {DType::kU8, DType::kI32, DType::kU32, DType::kI64, DType::kF32, DType::kF64})
    if (H5Tequal(stored, file_type(t)) > 0) return t;
  throw H5Error(name + ": an element type that result files do not hold");
}

}  // namespace brinkmap::mpi::h5
