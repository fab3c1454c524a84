#include "mpi/resume.h"

#include <gtest/gtest.h>

namespace brinkmap::mpi {
namespace {

TEST(Difference, NamesTheKeysThatBothJobsHaveFirst) {
  EXPECT_EQ(difference("a=1\nb=2\nc=3\n", "b=2\nc=4\nd=5\n", 3),
            "c was 3, is 4; a was 1, is gone; d is new: 5");
  EXPECT_EQ(difference("a=1\n", "a=1\n", 3), "");
}

TEST(Difference, NamesAtMostSoManyKeys) {
  EXPECT_EQ(difference("a=1\nb=1\n", "a=2\nb=2\n", 1), "a was 1, is 2; ...");
  EXPECT_EQ(difference("a=1\nb=1\n", "a=2\nb=2\n", 2), "a was 1, is 2; b was 1, is 2");
}

TEST(Difference, LeavesOutTheUnits) { EXPECT_EQ(difference("unit=0 0\n", "unit=0 1\nunit=0 2\n", 3), ""); }

TEST(Difference, ShortensLongValuesBetweenCharacters) {
  const std::string x(59, 'x');
  EXPECT_EQ(difference("a=" + x + "yz\n", "a=" + x + "\xC3\xA9\n", 3),
            "a was " + x + "y..., is " + x + "...");
}

}  // namespace
}  // namespace brinkmap::mpi
