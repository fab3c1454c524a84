#include "schedule/nearest.h"

#include <gtest/gtest.h>

#include <vector>

using brinkmap::schedule::nearest;
using brinkmap::schedule::unknown_name;

namespace {
const std::vector<std::string> kNames{"seed", "seeds", "suites", "models"};
}

TEST(Nearest, FindsAWordWithTwoLettersSwapped) { EXPECT_EQ(nearest("suties", kNames), "suites"); }
TEST(Nearest, PrefersTheClosestWord) { EXPECT_EQ(nearest("sed", kNames), "seed"); }
TEST(Nearest, IgnoresCase) { EXPECT_EQ(nearest("MODELS", kNames), "models"); }
TEST(Nearest, NamesNothingWhenNothingIsNear) { EXPECT_EQ(nearest("activations", kNames), ""); }
TEST(Nearest, NamesNothingForAVeryLongWord) { EXPECT_EQ(nearest(std::string(100000, 's'), kNames), ""); }
TEST(Nearest, ListsAllNamesWhenNoneIsNear) {
  EXPECT_EQ(unknown_name("key", "zzzzzzzz", kNames),
            "unknown key 'zzzzzzzz'; known: seed, seeds, suites, models");
}
