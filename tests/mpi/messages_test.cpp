#include "mpi/messages.h"

#include <gtest/gtest.h>

#include "mpi/local_communicator.h"
#include "schedule/error.h"

namespace brinkmap::mpi {
namespace {

TEST(Messages, ComeOutAsTheyWentIn) {
  mpi::Setup setup;
  setup.job_path = "jobs/first.yaml";
  setup.job_text = std::string("a\0b", 3);
  setup.threads = 7;
  const mpi::Setup again = unpack<mpi::Setup>(pack(setup));
  EXPECT_EQ(again.version, kProtocolVersion);
  EXPECT_EQ(again.job_path, setup.job_path);
  EXPECT_EQ(again.job_text, setup.job_text);
  EXPECT_EQ(again.threads, 7);
  EXPECT_EQ(unpack<Lease>(pack(Lease{{3, 1, 2}})).units, (std::vector<std::uint32_t>{3, 1, 2}));
  const Done done = unpack<Done>(pack(Done{9, true, 0.5, 100}));
  EXPECT_EQ(done.unit, 9u);
  EXPECT_TRUE(done.failed);
  EXPECT_EQ(done.tokens, 100u);
  EXPECT_EQ(unpack<Fault>(pack(Fault{2, "disk full"})).text, "disk full");
  EXPECT_FALSE(unpack<Stop>(pack(Stop{4, false})).finalize);
}

TEST(Messages, RefuseBytesThatWereCut) {
  const std::string bytes = pack(Lease{{1, 2, 3}});
  for (std::size_t n = 0; n < bytes.size(); ++n) EXPECT_THROW(unpack<Lease>(bytes.substr(0, n)), Error) << n;
}

TEST(LocalCommunicator, KeepsTheOrderOfMessagesBetweenTwoRanks) {
  LocalNetwork network(2);
  const Communicator a = network.communicator(0), b = network.communicator(1);
  a.send(1, kLeaseTag, "first");
  a.send(1, kStopTag, "second");
  const auto first = b.try_receive(), second = b.try_receive();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->bytes, "first");
  EXPECT_EQ(first->source, 0);
  EXPECT_EQ(second->tag, kStopTag);
  EXPECT_FALSE(b.try_receive());
}

TEST(LocalCommunicator, SilencesAKilledRank) {
  LocalNetwork network(2);
  network.communicator(0).send(1, kLeaseTag, "lost");
  network.kill(1);
  EXPECT_FALSE(network.communicator(1).try_receive());
  network.communicator(1).send(0, kDoneTag, "lost too");
  EXPECT_FALSE(network.communicator(0).try_receive());
}

}  // namespace
}  // namespace brinkmap::mpi
