#include "kernels/isa.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace brinkmap::kernels {
namespace {

constexpr std::array kAll{Isa::kScalar, Isa::kAvx2, Isa::kAvx512Vnni};
constexpr std::array kOld{Isa::kScalar};

std::string refusal(const char* forced, std::span<const Isa> supported) {
  try {
    choose_isa(forced, supported);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

TEST(Isa, IsTheBestOneWhenNothingForcesAnother) {
  EXPECT_EQ(choose_isa(nullptr, kAll), Isa::kAvx512Vnni);
  EXPECT_EQ(choose_isa("", kAll), Isa::kAvx512Vnni);
  EXPECT_EQ(choose_isa(nullptr, kOld), Isa::kScalar);
}

TEST(Isa, IsTheForcedOneWhenTheCpuHasIt) {
  for (Isa isa : kAll) EXPECT_EQ(choose_isa(std::string(isa_name(isa)).c_str(), kAll), isa);
}

TEST(Isa, OfAnUnknownNameIsAnErrorThatListsTheKnownOnes) {
  for (const char* name : {"avx", "AVX2", "avx512", "scalar ", "neon"})
    EXPECT_EQ(refusal(name, kAll),
              "BRINKMAP_ISA=" + std::string(name) + ": expected scalar, avx2 or avx512vnni");
}

TEST(Isa, ThatTheCpuLacksIsAnErrorThatNamesTheBestOneItHas) {
  EXPECT_EQ(refusal("avx512vnni", kOld),
            "BRINKMAP_ISA=avx512vnni: this CPU lacks it; the best it has is scalar");
  EXPECT_EQ(refusal("avx2", kOld), "BRINKMAP_ISA=avx2: this CPU lacks it; the best it has is scalar");
}

TEST(Isa, ListStartsWithScalarAndNamesEachOnce) {
  const auto supported = supported_isas();
  ASSERT_FALSE(supported.empty());
  EXPECT_EQ(supported.front(), Isa::kScalar);
  for (std::size_t i = 1; i < supported.size(); ++i) EXPECT_LT(supported[i - 1], supported[i]);
}

// The variable is read once a process, so each name gets a process of its own.
TEST(IsaDeathTest, InUseIsTheOneThatTheEnvironmentForces) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  for (Isa isa : supported_isas())
    EXPECT_EXIT(
        {
          setenv("BRINKMAP_ISA", std::string(isa_name(isa)).c_str(), 1);
          std::_Exit(active_isa() == isa ? 0 : 1);
        },
        testing::ExitedWithCode(0), "");
}

TEST(IsaDeathTest, InUseRefusesAnUnknownEnvironment) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        setenv("BRINKMAP_ISA", "sse9", 1);
        try {
          active_isa();
        } catch (const std::runtime_error&) {
          std::_Exit(42);
        }
        std::_Exit(0);
      },
      testing::ExitedWithCode(42), "");
}

}  // namespace
}  // namespace brinkmap::kernels
