#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

namespace brinkmap::tests {

// Path of a file or folder of the published reference vectors, which stand beside the checkout.
inline std::filesystem::path reference(const std::string& name) {
  return std::filesystem::path(BRINKMAP_REFERENCE_DIR) / name;
}

}  // namespace brinkmap::tests

// Skips the running test, with the reason, when a reference file or folder is absent.
#define BRINKMAP_NEEDS_REFERENCE(name)                                                        \
  do {                                                                                        \
    if (!std::filesystem::exists(brinkmap::tests::reference(name)))                           \
      GTEST_SKIP() << "reference data absent: " << brinkmap::tests::reference(name).string(); \
  } while (false)
