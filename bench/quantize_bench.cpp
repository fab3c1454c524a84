// Question: how many MB/s of f32 weights does one thread encode and decode, per format and instruction set?
// A conversion should not be slower than reading the file; llama-quantize is the mark for the K-quants.
// Last answer (max over 15 repetitions, one thread of a busy two-core Xeon with AVX512-VNNI, GCC 12), MiB/s
// of f32: encoding, scalar (SSE2) / AVX2 / AVX512: Q2_K 150 / 301 / 468, Q3_K 292 / 439 / 634, Q4_K 158 / 277
// / 314, Q5_K 195 / 352 / 511, Q6_K 321 / 587 / 886; without a search: Q8_0 1200, Q4_0 2300, Q4_1 1500, Q5_0
// 1500, Q5_1 1100, F16 3500, BF16 6500. Decoding is 3000 (F16) to 33000 (BF16); Q4_K 10500. Not yet compared
// in one run with llama-quantize. With a load of 12 on the two cores: IQ4_NL 51 / 105 / 198, IQ4_XS 56 / 122
// / 193 (Q4_K then 124 / 224 / 297), affine groups 1280, NF4 900.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>
#include <vector>

#include "kernels/quantize.h"

namespace brinkmap::kernels {
namespace {

constexpr std::int64_t kWeights = 4096 * 16;  // fits the second-level cache

std::vector<float> weights() {
  std::vector<float> values(static_cast<std::size_t>(kWeights));
  std::uint32_t seed = 1;
  for (float& value : values) {
    float sum = 0;  // twelve uniforms make a normal that is good enough
    for (int i = 0; i < 12; ++i) {
      seed = seed * 1664525u + 1013904223u;
      sum += static_cast<float>(seed >> 8) * 0x1p-24f;
    }
    value = 0.02f * (sum - 6.0f);
  }
  return values;
}

void count_bytes(benchmark::State& state) {
  state.SetBytesProcessed(state.iterations() * kWeights * static_cast<std::int64_t>(sizeof(float)));
}

void bench_quantize(benchmark::State& state, Format format, Isa isa) {
  const auto in = weights();
  std::vector<std::uint8_t> blocks(row_bytes(format, kWeights));
  for (auto _ : state) {
    quantize(format, in.data(), blocks.data(), kWeights, isa);
    benchmark::DoNotOptimize(blocks.data());
    benchmark::ClobberMemory();
  }
  count_bytes(state);
}

void bench_dequantize(benchmark::State& state, Format format) {
  auto out = weights();
  std::vector<std::uint8_t> blocks(row_bytes(format, kWeights));
  quantize(format, out.data(), blocks.data(), kWeights);
  for (auto _ : state) {
    dequantize(format, blocks.data(), out.data(), kWeights);
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  count_bytes(state);
}

// Many short repetitions: the median shows the machine as it is, the largest rate what the code can do on it.
void repeat(benchmark::internal::Benchmark* bench) {
  bench->MinTime(0.01)->Repetitions(15)->ReportAggregatesOnly()->ComputeStatistics(
      "max",
      [](const std::vector<double>& values) { return *std::max_element(values.begin(), values.end()); });
}

void register_all() {
  for (const FormatInfo& info : formats()) {
    const Format format = info.format;
    if (format == Format::kF32) continue;
    const std::string name(info.name);
    // Only these differ by instruction set.
    const bool searches = info.block == 256 || format == Format::kIQ4_NL;
    for (Isa isa : searches ? supported_isas() : supported_isas().first(1))
      repeat(benchmark::RegisterBenchmark(("quantize/" + name + "/" + std::string(isa_name(isa))).c_str(),
                                          bench_quantize, format, isa));
    repeat(benchmark::RegisterBenchmark(("dequantize/" + name).c_str(), bench_dequantize, format));
  }
}

}  // namespace
}  // namespace brinkmap::kernels

int main(int argc, char** argv) {
  brinkmap::kernels::register_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
