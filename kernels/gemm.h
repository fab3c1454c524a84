#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/format.h"
#include "kernels/isa.h"
#include "kernels/thread_pool.h"

// One matrix product for every weight format: Y[n, rows] = X[n, cols] * W[rows, cols]^T.
//
// A strip of weight rows is unpacked without loss into an interleaved int8 (or f32) layout and multiplied
// against all columns (tokens); scales are applied per block. The order of operations of an output depends
// only on `cols`, so a token's result is the same alone, in a batch of 300, with any number of threads and
// with every instruction set, bit for bit (a NaN's payload aside).
namespace brinkmap::kernels {

struct WeightView {
  Format format{};
  const std::byte* data = nullptr;  // rows * row_bytes(format, cols), row-major; not owned
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  // Stored column j meets activation order[j] (GPTQ's activation order); null: j. A permutation of 0..cols
  // - 1.
  const std::int32_t* order = nullptr;
};

// A batch of activations X[n, cols] f32 (row-major, leading dimension ld), ready to be multiplied. Quantized
// copies (int8 blocks of 32 as Q8_0 / Q8_1, of 256 as Q8_K, as llama.cpp chooses per weight format) are made
// once, on first use, and shared by every product that reads this batch. Keeps a pointer to x; buffers are
// reused by load().
class ActivationBatch {
 public:
  enum class Kind : std::uint8_t { kQ8, kF32 };  // kF32: never quantized

  ActivationBatch();
  ~ActivationBatch();
  ActivationBatch(ActivationBatch&&) noexcept;
  ActivationBatch& operator=(ActivationBatch&&) noexcept;

  void load(const float* x, std::int64_t n, std::int64_t cols, std::int64_t ld, Kind kind);

  struct Impl;
  Impl& impl() const noexcept { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// y[t * ldy + r] = sum over k of w[r, k] * x[t, k]. Weights in F32, F16, BF16 and NF4 always meet f32
// activations. Needs x.cols == w.cols, w.cols a multiple of the format's block, and a row of w shorter than
// 128 MB. Safe to call again with the same batch; not from two threads at once on one batch.
void gemm(const WeightView& w, ActivationBatch& x, float* y, std::int64_t ldy, ThreadPool& pool);

// The same with a stated instruction set, for tests and benchmarks; `isa` must be in supported_isas().
void gemm(const WeightView& w, ActivationBatch& x, float* y, std::int64_t ldy, ThreadPool& pool, Isa isa);

}  // namespace brinkmap::kernels
