#pragma once

#include <vector>

#include "kernels/format.h"

namespace brinkmap::tests {

inline const std::vector<kernels::Format> kAllFormats = [] {
  std::vector<kernels::Format> all;
  for (const kernels::FormatInfo& info : kernels::formats()) all.push_back(info.format);
  return all;
}();

}  // namespace brinkmap::tests
