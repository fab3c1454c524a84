#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

#include "bench/peak.h"
#include "kernels/format.h"
#include "kernels/gemm.h"

// Question: how near is the GEMM to the machine's measured limit, per weight format, for prefill (512
// columns), batched decoding (64, 16) and one sequence (1)? Quantized formats with int8 activations are read
// against the int8 peak, the others against the f32 peak, measured in a burst beside each product. The time
// includes quantizing and packing the activations. "of Q8_0" is the rate over that of a Q8_0 product timed
// just before. GB/s is the rate at which weights are read.
//
// Run: gemm_bench [--threads N] [--rows N] [--cols N] [--n N] [--format NAME] [--f32]
//                 [--cpu-time] [--budget SECONDS]
// BRINKMAP_ISA chooses the version. --cpu-time counts processor seconds per thread instead of wall clock, for
// a machine that is busy with something else.
//
// Last answer (November 2026, Sapphire Rapids, AVX-512 VNNI, 1 thread with --cpu-time, 2048 x 2048, machine
// shared with builds: all figures moved by a quarter with the neighbours), of the peak at n = 512 / at n = 64
// as a part of that: Q8_0 41-51 % / 0.69, Q4_0 51 % / 0.86, Q5_0 50 % / 0.84, Q4_1 50 % / 0.86, Q5_1 40 % /
// 0.76, Q4_K 39-49 % / 0.78, Q5_K 38 % / 0.72, Q6_K 44 % / 0.81, Q3_K 45 % / 0.80, Q2_K 40 % / 0.85; BF16
// 68-73 %, F16 73 %, F32 69 %, quantized weights with f32 activations 62-68 % of the f32 peak. In the
// first-level cache the register tile alone reaches 62-85 % of the int8 and 95 % of the f32 peak; a scale
// costs 2 or 3 operations per 8 of the dot, which bounds it. AVX2 against vpmaddubsw alone: 26 % (Q8_0, four
// operations where one counts) to 37 %, f32 69-77 %.
// Beside Q8_0 in one run (n = 512, 1024 x 2048, 1 thread, load 12 on 2 cores): AVX-512 0.88 to 1.06 for every
// int8 format (IQ4_NL 1.02, IQ4_XS 1.01, affine 0.96 to 1.02), 0.42 to 0.45 for F32, F16, BF16 and NF4; AVX2
// IQ4 1.00, affine 1.33 to 1.37 (8 bits 0.94), NF4 0.93.

namespace brinkmap::bench {
namespace {

struct Options {
  int threads = static_cast<int>(std::thread::hardware_concurrency());
  std::int64_t rows = 2048;
  std::int64_t cols = 2048;
  std::int64_t n = 0;  // 0: all of 1, 16, 64, 512
  std::string format;
  bool f32 = false;
  bool cpu_time = false;
  double budget = 0.4;
};

// Random codes with small finite scales: what the weights are does not change the work.
std::vector<std::byte> random_weights(kernels::Format format, std::int64_t rows, std::int64_t cols) {
  std::mt19937 random(1);
  std::vector<std::byte> bytes(static_cast<std::size_t>(rows) * kernels::row_bytes(format, cols));
  const std::vector<float> block = [&] {
    std::vector<float> values(256 * 16);
    for (float& v : values) v = static_cast<float>(random() % 2001) / 1000.0f - 1.0f;
    return values;
  }();
  const std::size_t piece = kernels::row_bytes(format, static_cast<std::int64_t>(block.size()));
  std::vector<std::byte> encoded(piece);
  kernels::quantize(format, block.data(), encoded.data(), static_cast<std::int64_t>(block.size()));
  for (std::size_t at = 0; at < bytes.size(); at += piece)
    std::memcpy(bytes.data() + at, encoded.data(), std::min(piece, bytes.size() - at));
  return bytes;
}

void run(const Options& options) {
  kernels::ThreadPool pool(options.threads);
  const kernels::Isa isa = kernels::active_isa();
  std::printf("%s, %d threads, %lld x %lld weights\n", std::string(kernels::isa_name(isa)).c_str(),
              options.threads, static_cast<long long>(options.rows), static_cast<long long>(options.cols));
  std::printf("%-11s %-4s %4s %12s %12s %8s %8s %8s\n", "format", "x", "n", "median GOP/s", "best GOP/s",
              "of peak", "of Q8_0", "GB/s");
  std::vector<float> x(static_cast<std::size_t>(512 * options.cols));
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (float& v : x) v = normal(random);
  const std::vector<std::byte> reference = random_weights(kernels::Format::kQ8_0, options.rows, options.cols);
  for (const kernels::FormatInfo& info : kernels::formats()) {
    if (!options.format.empty() && options.format != info.name) continue;
    const std::vector<std::byte> weights = random_weights(info.format, options.rows, options.cols);
    const bool q8 = info.block > 1 && info.format != kernels::Format::kNF4 && !options.f32;
    for (std::int64_t n : {512, 64, 16, 1}) {
      if (options.n != 0) n = options.n;
      if (n * options.cols > static_cast<std::int64_t>(x.size()))
        x.resize(static_cast<std::size_t>(n * options.cols));
      kernels::ActivationBatch batch;
      std::vector<float> y(static_cast<std::size_t>(n * options.rows));
      const double ops = 2.0 * static_cast<double>(n * options.rows) * static_cast<double>(options.cols);
      const auto time_of = [&](kernels::Format format, const std::vector<std::byte>& w, bool as_q8) {
        const double start = seconds(options.cpu_time);
        batch.load(x.data(), n, options.cols, options.cols,
                   as_q8 ? kernels::ActivationBatch::Kind::kQ8 : kernels::ActivationBatch::Kind::kF32);
        kernels::gemm({format, w.data(), options.rows, options.cols}, batch, y.data(), options.rows, pool,
                      isa);
        return (seconds(options.cpu_time) - start) / (options.cpu_time ? options.threads : 1);
      };
      std::vector<double> rates, ratios, of_q8_0;
      for (double spent = 0; rates.size() < 6 || spent < options.budget;) {
        const double peak = peak_burst(isa, q8 ? Unit::kInt8 : Unit::kF32, pool, options.cpu_time);
        const double q8_0 = time_of(kernels::Format::kQ8_0, reference, !options.f32);
        const double time = time_of(info.format, weights, q8);
        spent += time;
        rates.push_back(ops / time);
        ratios.push_back(peak == 0 ? 0 : ops / time / peak);
        of_q8_0.push_back(q8_0 / time);
      }
      std::printf("%-11s %-4s %4lld %12.1f %12.1f %7.1f%% %8.2f %8.1f\n", std::string(info.name).c_str(),
                  q8 ? "q8" : "f32", static_cast<long long>(n), median(rates) / 1e9,
                  *std::max_element(rates.begin(), rates.end()) / 1e9, 100 * median(ratios), median(of_q8_0),
                  static_cast<double>(weights.size()) / ops * median(rates) / 1e9);
      if (options.n != 0) break;
    }
  }
}

}  // namespace
}  // namespace brinkmap::bench

int main(int argc, char** argv) {
  brinkmap::bench::Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--f32" || name == "--cpu-time") {
      (name == "--f32" ? options.f32 : options.cpu_time) = true;
      continue;
    }
    const char* value = i + 1 < argc ? argv[++i] : nullptr;
    if (value != nullptr && name == "--threads")
      options.threads = std::atoi(value);
    else if (value != nullptr && name == "--rows")
      options.rows = std::atoll(value);
    else if (value != nullptr && name == "--cols")
      options.cols = std::atoll(value);
    else if (value != nullptr && name == "--n")
      options.n = std::atoll(value);
    else if (value != nullptr && name == "--format")
      options.format = value;
    else if (value != nullptr && name == "--budget")
      options.budget = std::atof(value);
    else {
      std::fprintf(stderr, "gemm_bench: %s: see the comment at the top of bench/gemm_bench.cpp\n", argv[i]);
      return 2;
    }
  }
  brinkmap::bench::run(options);
}
