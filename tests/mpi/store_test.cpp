#include "mpi/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mpi.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "mpi/facts_text.h"
#include "mpi/reduce_rows.h"
#include "mpi/result_file.h"
#include "tests/mpi/fake_sweep.h"

namespace brinkmap::mpi {
namespace {

namespace fs = std::filesystem;

class StoreTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    int ready = 0;
    MPI_Initialized(&ready);
    setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);  // no daemon: mpi/mpi_communicator.cpp says why
    if (!ready) MPI_Init(nullptr, nullptr);  // one process without mpirun; finalized when the process ends
  }
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("brinkmap-store-" + std::to_string(getpid()));
    fs::create_directories(folder_);
    plan_ = sample::plan();
    plan_.job_hash = job_hash(plan_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name = "out.h5") const { return (folder_ / name).string(); }
  Provenance provenance() const { return {"0", "test", "here", "scalar", "Core", "now"}; }
  void create(const std::string& name = "out.h5") { create_store(path(name), plan_, provenance()); }

  fs::path folder_;
  schedule::Plan plan_;
};

TEST_F(StoreTest, HoldsEveryVariableAtItsFillValueBeforeTheFirstUnit) {
  create();
  const schedule::Results results = read_results(path());
  const schedule::Results empty = schedule::Results::empty(plan_);
  ASSERT_EQ(results.arrays.size(), empty.arrays.size());
  for (const auto& [name, array] : empty.arrays) {
    EXPECT_EQ(results.arrays.at(name).shape, array.shape) << name;
    EXPECT_EQ(results.arrays.at(name).bytes, array.bytes) << name;
  }
  EXPECT_THAT(results.unit_state, testing::Each(schedule::UnitState::kTodo));
  EXPECT_FALSE(read_head(path()).complete);
  EXPECT_FALSE(fs::exists(path() + ".tmp"));
}

TEST_F(StoreTest, KeepsTheJobAndFactsSoThatReadingNeedsNothingElse) {
  create();
  const schedule::Results results = read_results(path());
  EXPECT_EQ(results.plan.job.text, plan_.job.text);
  EXPECT_EQ(results.plan.units.size(), plan_.units.size());
  EXPECT_EQ(facts_to_text(results.plan.facts), facts_to_text(plan_.facts));
  EXPECT_EQ(read_head(path()).job_hash, plan_.job_hash);
}

TEST_F(StoreTest, GivesBackWhatUnitsWrote) {
  create();
  schedule::Results expected = schedule::Results::empty(plan_);
  {
    Store store(path(), plan_);
    for (const schedule::Unit& unit : plan_.units) {
      const schedule::UnitResult result = fake::compute(plan_, unit);
      store.write_unit(result, 3);
      expected.put(result);
      EXPECT_EQ(store.verified_status(unit.id), UnitStatus::kDone);
    }
    store.mark_complete(true);
  }
  const schedule::Results results = read_results(path());
  for (const auto& [name, array] : expected.arrays)
    EXPECT_EQ(results.arrays.at(name).bytes, array.bytes) << name;
  EXPECT_THAT(results.unit_state, testing::Each(schedule::UnitState::kDone));
  EXPECT_TRUE(read_head(path()).complete);
}

TEST_F(StoreTest, CountsAUnitWithAWrongChecksumAsNotDone) {
  create();
  Store store(path(), plan_);
  store.write_unit(fake::compute(plan_, plan_.units[0]), 0);
  ASSERT_EQ(store.verified_status(0), UnitStatus::kDone);
  const schedule::Field field = schedule::unit_fields(plan_, plan_.units[0].kind, plan_.units[0].item)[0];
  const h5::File file = h5::File::open_shared(path());
  const h5::Array array = file.array(field.name);
  std::vector<std::uint64_t> offset(array.shape().size(), 0), count(array.shape().size(), 1);
  offset[0] = plan_.units[0].row;
  offset[1] = plan_.units[0].begin;
  const std::vector<std::byte> torn(schedule::dtype_bytes(array.dtype()), std::byte{0x55});
  array.write(offset, count, torn);
  EXPECT_EQ(store.verified_status(0), UnitStatus::kTodo);
  store.write_unit(fake::compute(plan_, plan_.units[0]), 0);
  EXPECT_EQ(store.verified_status(0), UnitStatus::kDone);
}

TEST_F(StoreTest, KeepsTheReasonOfAFailedUnitWithinItsBytes) {
  create();
  {
    Store store(path(), plan_);
    schedule::UnitResult failed;
    failed.failed = true;
    failed.unit = 0;
    failed.reason = "tensor blk.0.attn_q.weight holds a NaN";
    store.write_unit(failed, 0);
    failed.unit = 1;
    failed.reason = std::string(kReasonBytes - 1, 'x') + "\xC3\xA9 and more";  // a character across the end
    store.write_unit(failed, 0);
    EXPECT_EQ(store.verified_status(0), UnitStatus::kFailed);
  }
  const schedule::Results results = read_results(path());
  EXPECT_EQ(results.unit_reason[0], "tensor blk.0.attn_q.weight holds a NaN");
  EXPECT_EQ(results.unit_reason[1], std::string(kReasonBytes - 1, 'x'));
  EXPECT_EQ(results.unit_state[1], schedule::UnitState::kFailed);
}

TEST_F(StoreTest, ReadsTheStatesOfOneRowAndLayer) {
  create();
  Store store(path(), plan_);
  const std::uint32_t suite = schedule::suite_of(plan_, 0);
  std::vector<float> expected;
  for (const schedule::Unit& unit : plan_.units) {
    if (unit.kind != schedule::UnitKind::kPrompts || unit.item != suite || unit.row != 1) continue;
    const auto fields = schedule::unit_fields(plan_, unit.kind, unit.item);
    schedule::SlabSet slabs(fields, unit.end - unit.begin);
    const std::span<float> states = slabs.get<float>("state_last");
    for (std::size_t i = 0; i < states.size(); ++i) states[i] = static_cast<float>(unit.begin * 1000 + i);
    expected.insert(expected.end(), states.begin(), states.end());
    schedule::UnitResult result;
    result.unit = unit.id;
    result.slabs = slabs.take();
    store.write_unit(result, 0);
  }
  schedule::Unit heads;
  heads.kind = schedule::UnitKind::kHeads;
  heads.row = 1;
  const schedule::Slab states = store.read(schedule::unit_readings(plan_, heads).at(0));
  ASSERT_EQ(states.bytes.size(), expected.size() * sizeof(float));
  EXPECT_EQ(std::memcmp(states.bytes.data(), expected.data(), states.bytes.size()), 0);
}

TEST_F(StoreTest, HasOneDigestForAnyOrderRankAndTime) {
  create("a.h5");
  create("b.h5");
  {
    Store a(path("a.h5"), plan_), b(path("b.h5"), plan_);
    for (std::size_t i = 0; i < plan_.units.size(); ++i) {
      a.write_unit(fake::compute(plan_, plan_.units[i]), 0);
      schedule::UnitResult late = fake::compute(plan_, plan_.units[plan_.units.size() - 1 - i]);
      late.seconds = 99;
      b.write_unit(late, 5);
    }
    reduce_rows(a, plan_, [] {});
    EXPECT_NE(digest(path("a.h5")), digest(path("b.h5")));
    reduce_rows(b, plan_, [] {});
  }
  EXPECT_EQ(digest(path("a.h5")), digest(path("b.h5")));
  {
    Store b(path("b.h5"), plan_);
    schedule::UnitResult other = fake::compute(plan_, plan_.units[0]);
    other.slabs[0].bytes[0] ^= std::byte{1};
    b.write_unit(other, 0);
  }
  EXPECT_NE(digest(path("a.h5")), digest(path("b.h5")));
}

TEST_F(StoreTest, LeavesTheOldFileAndNothingElseWhenTheDiskHasNoRoom) {
  std::ofstream(path()) << "old";
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  for (const rlim_t room : {rlim_t{1000}, rlim_t{100'000}}) {
    const rlimit small{room, before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    EXPECT_THROW(create(), InputError);
    setrlimit(RLIMIT_FSIZE, &before);
    EXPECT_FALSE(fs::exists(path() + ".tmp"));
    std::string text;
    std::ifstream(path()) >> text;
    EXPECT_EQ(text, "old");
  }
}

TEST_F(StoreTest, RefusesAFolderThatDoesNotExist) {
  try {
    create("no/such/out.h5");
    FAIL();
  } catch (const InputError& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("no folder"));
  }
}

TEST_F(StoreTest, RefusesAFileOfAnotherJob) {
  create();
  schedule::Facts facts = sample::facts(10);
  const schedule::Plan other = schedule::expand(sample::job(), facts);
  EXPECT_THROW(Store(path(), other), InputError);
}

TEST_F(StoreTest, RefusesFilesThatAreNoResults) {
  EXPECT_THROW(read_head(path("absent.h5")), InputError);
  std::ofstream(path("text.h5")) << "not HDF5";
  EXPECT_THROW(read_head(path("text.h5")), InputError);
  create();
  const auto size = fs::file_size(path());
  for (const std::uintmax_t cut : {std::uintmax_t{10}, size / 4, size / 2}) {
    fs::copy_file(path(), path("cut.h5"), fs::copy_options::overwrite_existing);
    fs::resize_file(path("cut.h5"), cut);
    EXPECT_THROW(read_results(path("cut.h5")), InputError) << cut;
  }
}

}  // namespace
}  // namespace brinkmap::mpi
