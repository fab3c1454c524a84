#include "mpi/spectra_farm.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <future>
#include <thread>

#include "kernels/blas.h"
#include "mpi/local_communicator.h"

namespace brinkmap::mpi {
namespace {

const char* const kModel = BRINKMAP_SOURCE_DIR "/tests/data/spectra/matrices.gguf";

// What the root has in the end, and how many matrices the other ranks sent.
struct Outcome {
  std::vector<worker::MatrixSpectrum> spectra;
  int sent = 0;
  std::size_t last_progress = 0;
};

enum class Helper { kFine, kSilent, kBroken, kOtherCore };

Outcome farm(int ranks, Helper kind) {
  kernels::pin_blas();
  const auto model = worker::Checkpoint::open(kModel);
  LocalNetwork network(ranks);
  std::atomic<bool> over = false;
  std::atomic<int> sent = 0;
  std::vector<std::thread> others;
  for (int r = 1; r < ranks; ++r)
    others.emplace_back([&, r] {
      const Communicator communicator = network.communicator(r);
      SpectraHelper helper(2);
      while (!over) {
        const auto message = communicator.try_receive();
        if (!message || kind == Helper::kSilent) {
          std::this_thread::yield();
          continue;
        }
        SpectraTask task = unpack<SpectraTask>(message->bytes);
        if (kind == Helper::kBroken) task.path = "/nowhere/model.gguf";
        SpectraDone done = helper.compute(task);
        done.path = unpack<SpectraTask>(message->bytes).path;
        if (kind == Helper::kOtherCore) {
          done.blas_core = "another";
          for (std::vector<double>& figures : done.figures) figures.assign(figures.size(), 1.0);
        }
        sent += static_cast<int>(done.figures.size());
        communicator.send(0, kSpectraDoneTag, pack(done));
      }
    });
  const Communicator root = network.communicator(0);
  SpectraFarm farm;
  Outcome out;
  auto spectra = std::async(std::launch::async, [&] {
    kernels::ThreadPool pool(1);
    return farm.compute(*model, pool, [&](std::size_t done) { out.last_progress = done; });
  });
  while (spectra.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) farm.step(root);
  over = true;
  for (std::thread& t : others) t.join();
  out.spectra = spectra.get();
  out.sent = sent;
  return out;
}

// Bit for bit: a figure that a matrix lacks is NaN on both sides.
void expect_same(const std::vector<worker::MatrixSpectrum>& a, const std::vector<worker::MatrixSpectrum>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].name, b[i].name);
    EXPECT_EQ(a[i].rows, b[i].rows);
    EXPECT_EQ(a[i].cols, b[i].cols);
    for (const worker::SpectrumField& field : worker::spectrum_fields())
      EXPECT_EQ(std::memcmp(&(a[i].*field.value), &(b[i].*field.value), sizeof(double)), 0) << field.name;
  }
}

std::vector<worker::MatrixSpectrum> alone() {
  kernels::pin_blas();
  kernels::ThreadPool pool(1);
  return worker::compute_spectra(*worker::Checkpoint::open(kModel), pool);
}

TEST(SpectraFarm, GivesTheSameBitsForAnyNumberOfRanks) {
  const auto expected = alone();
  for (const int ranks : {1, 2, 3, 5}) {
    const Outcome out = farm(ranks, Helper::kFine);
    expect_same(out.spectra, expected);
    EXPECT_EQ(out.last_progress, expected.size());
    if (ranks == 1) {
      EXPECT_EQ(out.sent, 0);
    }
  }
}

TEST(SpectraFarm, LosesNothingWithARankThatNeverAnswers) {
  expect_same(farm(2, Helper::kSilent).spectra, alone());
}

TEST(SpectraFarm, LosesNothingWithARankThatCannotReadTheModel) {
  expect_same(farm(3, Helper::kBroken).spectra, alone());
}

TEST(SpectraFarm, TakesNothingFromAnotherBlasCore) {
  expect_same(farm(2, Helper::kOtherCore).spectra, alone());
}

}  // namespace
}  // namespace brinkmap::mpi
