#include "worker/state_slabs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "schedule/error.h"

namespace brinkmap::worker {
namespace {

using schedule::DType;
using schedule::Field;
using schedule::Slab;
using schedule::SlabSet;

Field field(const std::string& name, DType dtype, std::vector<std::uint64_t> inner) {
  Field f;
  f.name = "s_" + name;
  f.dtype = dtype;
  f.fill = dtype == DType::kU8 ? 255 : std::numeric_limits<double>::quiet_NaN();
  for (const std::uint64_t size : inner) f.inner.push_back({"axis", size, {}});
  return f;
}

std::vector<Field> fields() {
  return {field("state_last", DType::kF16, {2}), field("accuracy", DType::kF32, {}),
          field("state_status", DType::kU8, {}), field("content_hash", DType::kU8, {32})};
}

std::vector<float> values(const Slab& slab) {
  std::vector<float> out(slab.bytes.size() / sizeof(float));
  std::memcpy(out.data(), slab.bytes.data(), slab.bytes.size());
  return out;
}

TEST(StateSlabs, RoundToTheNearestHalfAndComeBack) {
  const auto f = fields();
  const auto computed = computed_fields(f);
  SlabSet set(computed, 2);
  const auto state = set.get<float>("state_last");
  const float tie = 1 + 0x1p-11F;  // between 1 and 1 + 2^-10: to the even one
  const std::vector<float> given{tie, 65504, -0x1p-24F, 1 + 0x1.8p-10F};
  std::copy(given.begin(), given.end(), state.begin());
  set.get<float>("accuracy")[1] = tie;
  set.get<std::uint8_t>("state_status")[0] = set.get<std::uint8_t>("state_status")[1] = 0;
  std::vector<Slab> slabs = set.take();
  narrow_states(f, 2, slabs);
  EXPECT_EQ(slabs[0].bytes.size(), 8U);
  EXPECT_THAT(values(widened(slabs[0])), testing::ElementsAre(1, 65504, -0x1p-24F, 1 + 0x1p-9F));
  EXPECT_EQ(values(slabs[1])[1], tie);  // f32 stays
  EXPECT_EQ(slabs[2].bytes[0], std::byte{0});
}

TEST(StateSlabs, DropWhatSixteenBitsDoNotHoldAndSaySo) {
  const auto f = fields();
  const auto computed = computed_fields(f);
  SlabSet set(computed, 2);
  const auto state = set.get<float>("state_last");
  state[0] = state[1] = state[2] = 1;
  state[3] = 65520;  // rounds up to infinity
  std::fill_n(set.get<std::uint8_t>("state_status").begin(), 2, std::uint8_t{0});
  std::vector<Slab> slabs = set.take();
  narrow_states(f, 2, slabs);
  const std::vector<float> kept = values(widened(slabs[0]));
  EXPECT_EQ(kept[2], 1);
  EXPECT_TRUE(std::isnan(kept[3]));
  EXPECT_EQ(slabs[2].bytes[0], static_cast<std::byte>(StateStatus::kKept));
  EXPECT_EQ(slabs[2].bytes[1], static_cast<std::byte>(StateStatus::kBeyondF16));
}

TEST(StateSlabs, NeedAFieldThatSaysWhatIsMissing) {
  const std::vector<Field> f{field("state_last", DType::kF16, {2})};
  std::vector<Slab> slabs = SlabSet(computed_fields(f), 1).take();
  EXPECT_THROW(narrow_states(f, 1, slabs), Error);
  EXPECT_THROW(narrow_states(f, 2, slabs), Error);
}

TEST(StateSlabs, OfNoMeasurementAreNaN) {
  const auto f = fields();
  const std::vector<Slab> fill = SlabSet(f, 1).take();
  EXPECT_TRUE(std::isnan(values(widened(fill[0]))[1]));
}

TEST(ContentHash, FollowsRowAndTokens) {
  const auto f = computed_fields(fields());
  SlabSet set(f, 4);
  const std::vector<std::int32_t> prompt{1, 2}, other{1, 3};
  record_states("row", prompt, true, 0, set);
  record_states("row", prompt, false, 1, set);
  record_states("row", other, true, 2, set);
  record_states("raw", prompt, true, 3, set);
  const auto hash = set.get<std::uint8_t>("content_hash");
  const auto of = [&](std::size_t i) {
    return std::vector<std::uint8_t>(hash.begin() + static_cast<std::ptrdiff_t>(32 * i),
                                     hash.begin() + static_cast<std::ptrdiff_t>(32 * i + 32));
  };
  EXPECT_EQ(of(0), of(1));
  EXPECT_NE(of(0), of(2));
  EXPECT_NE(of(0), of(3));
  EXPECT_THAT(set.get<std::uint8_t>("state_status"), testing::ElementsAre(0, 1, 0, 0));
}

}  // namespace
}  // namespace brinkmap::worker
