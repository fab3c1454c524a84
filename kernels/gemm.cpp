#include "kernels/gemm.h"

#include <algorithm>
#include <cstring>

#include "kernels/activation.h"
#include "kernels/gemm_panel.h"

namespace brinkmap::kernels {

namespace {

// Columns whose f32 sums a task keeps beside the panel: 512 * kStripRows * 4 bytes stay in the second-level
// cache.
constexpr std::int64_t kMaxTaskColumns = 512;
// More column blocks than this per thread only repeat the unpacking.
constexpr std::int64_t kTasksPerThread = 4;

const GemmKernels& kernels_for(Isa isa) noexcept {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512Vnni) return gemm_kernels_avx512vnni();
  if (isa == Isa::kAvx2) return gemm_kernels_avx2();
#endif
  (void)isa;
  return gemm_kernels_scalar();
}

// One product, as its tasks see it. A task is one strip of rows times one block of column tiles.
struct Product {
  const WeightView& w;
  const GemmKernels& kernels;
  const CodeLayout* layout;  // null: weights in F32, F16 or BF16
  bool q8;
  ActivationBatch::Impl& x;
  const Q8Activations* activations = nullptr;
  const std::int32_t* starts = nullptr;
  TileSplit tiles;
  std::int64_t column_blocks = 1;
  float* y;
  std::int64_t ldy;

  void run(std::int64_t task, int thread) const noexcept;

 private:
  const std::byte* strip_rows(std::int64_t row, std::int64_t k0, int k, std::ptrdiff_t& stride,
                              Scratch& scratch) const noexcept;
  void multiply_q8(const Panel& panel, std::int64_t tile, std::int64_t k0, int k, float* acc) const noexcept;
};

// kStripRows readable rows from `row` on: the weights themselves, or, where they end, a copy padded with
// zeros.
const std::byte* Product::strip_rows(std::int64_t row, std::int64_t k0, int k, std::ptrdiff_t& stride,
                                     Scratch& scratch) const noexcept {
  const auto row_stride = static_cast<std::ptrdiff_t>(row_bytes(w.format, w.cols));
  const std::byte* first = w.data + row * row_stride + static_cast<std::ptrdiff_t>(row_bytes(w.format, k0));
  const std::int64_t rows = std::min<std::int64_t>(kStripRows, w.rows - row);
  const bool whole_k = layout != nullptr || k % 8 == 0;
  if (rows == kStripRows && whole_k) {
    stride = row_stride;
    return first;
  }
  stride = kChunk * 4;
  const std::size_t bytes = row_bytes(w.format, k);
  std::memset(scratch.rows.data(), 0, static_cast<std::size_t>(kStripRows) * kChunk * 4);
  for (std::int64_t r = 0; r < rows; ++r)
    std::memcpy(scratch.rows.data() + r * stride, first + r * row_stride, bytes);
  return scratch.rows.data();
}

void Product::multiply_q8(const Panel& panel, std::int64_t tile, std::int64_t k0, int k,
                          float* acc) const noexcept {
  const auto at = [&](int group) { return x.offset(tiles, tile, k0, group, kQ8Tile); };
  Q8TileView view{};
  view.codes = activations->codes.data() + at(4);
  view.scales = activations->scales.data() + at(layout->block);
  if (starts != nullptr) view.starts = starts + at(layout->group);
  if (layout->min_group == 16) view.sums = activations->sums16.data() + at(16);
  if (layout->min_group == 32) view.sums = activations->sums32.data() + at(32);
  view.columns = tiles.columns(tile);
  kernels.multiply_q8(*layout, panel, k, view, acc);
}

void Product::run(std::int64_t task, int thread) const noexcept {
  Scratch& scratch = x.scratch[static_cast<std::size_t>(thread)];
  const std::int64_t row = task / column_blocks * kStripRows;
  const std::int64_t block = task % column_blocks;
  const std::int64_t first_tile = tiles.tiles * block / column_blocks;
  const std::int64_t last_tile = tiles.tiles * (block + 1) / column_blocks;
  const std::int64_t first_column = tiles.first(first_tile);
  const std::int64_t columns = tiles.first(last_tile) - first_column;
  const Panel panel{scratch.codes.data(), scratch.scales.data(), scratch.mins.data()};
  float* acc = scratch.acc.data();
  std::fill_n(acc, columns * kStripRows, 0.0f);

  for (std::int64_t k0 = 0; k0 < w.cols; k0 += kChunk) {
    const int k = static_cast<int>(std::min<std::int64_t>(kChunk, w.cols - k0));
    std::ptrdiff_t stride = 0;
    const std::byte* rows = strip_rows(row, k0, k, stride, scratch);
    if (layout != nullptr) {
      kernels.unpack(w.format, rows, stride, k, panel);
      if (!q8) kernels.expand(*layout, panel, k, scratch.weights.data());
    } else {
      kernels.unpack_float(w.format, rows, stride, k, scratch.weights.data());
    }
    if (q8) {
      for (std::int64_t t = first_tile; t < last_tile; ++t)
        multiply_q8(panel, t, k0, k, acc + (tiles.first(t) - first_column) * kStripRows);
      continue;
    }
    for (int pass = 0; pass < k; pass += kF32Pass)
      for (std::int64_t t = first_tile; t < last_tile; ++t)
        kernels.multiply_f32(scratch.weights.data() + pass * kStripRows, std::min(kF32Pass, k - pass),
                             x.f32.data() + x.offset(tiles, t, k0 + pass, 1, kF32Tile), tiles.columns(t),
                             acc + (tiles.first(t) - first_column) * kStripRows);
  }

  const auto rows = static_cast<std::size_t>(std::min<std::int64_t>(kStripRows, w.rows - row));
  for (std::int64_t c = 0; c < columns; ++c)
    std::memcpy(y + (first_column + c) * ldy + row, acc + c * kStripRows, rows * sizeof(float));
}

void reserve_scratch(std::vector<Scratch>& all, int threads, std::int64_t columns) {
  while (all.size() < static_cast<std::size_t>(threads)) all.emplace_back();
  for (Scratch& scratch : all) {
    scratch.rows.reserve(static_cast<std::size_t>(kStripRows) * kChunk * 4);
    scratch.codes.reserve(static_cast<std::size_t>(kStripRows) * kChunk);
    scratch.scales.reserve(static_cast<std::size_t>(kStripRows) * kChunk / 16);
    scratch.mins.reserve(static_cast<std::size_t>(kStripRows) * kChunk / 16);
    scratch.weights.reserve(static_cast<std::size_t>(kStripRows) * kChunk);
    scratch.acc.reserve(static_cast<std::size_t>(columns) * kStripRows);
  }
}

}  // namespace

void gemm(const WeightView& w, ActivationBatch& x, float* y, std::int64_t ldy, ThreadPool& pool, Isa isa) {
  ActivationBatch::Impl& batch = x.impl();
  if (batch.n == 0 || w.rows == 0) return;
  const CodeLayout* layout = code_layout(w.format);
  const bool q8 = layout != nullptr && batch.kind == ActivationBatch::Kind::kQ8;
  Product product{.w = w,
                  .kernels = kernels_for(isa),
                  .layout = layout,
                  .q8 = q8,
                  .x = batch,
                  .tiles = {},
                  .y = y,
                  .ldy = ldy};
  if (q8) {
    Q8Activations& activations = batch.prepare_q8(layout->block, product.kernels, pool);
    product.activations = &activations;
    const bool centered = product.kernels.centers_wide_codes && layout->max_code > 127;
    const int offset = layout->offset - (centered ? 128 : 0);
    if (offset != 0)
      product.starts = batch.prepare_starts(activations, layout->block, layout->group, offset, pool);
    product.tiles = batch.q8_tiles;
  } else {
    batch.prepare_f32(pool);
    product.tiles = batch.f32_tiles;
  }
  const std::int64_t strips = (w.rows + kStripRows - 1) / kStripRows;
  const std::int64_t wanted = std::max((batch.n + kMaxTaskColumns - 1) / kMaxTaskColumns,
                                       (kTasksPerThread * pool.threads() + strips - 1) / strips);
  product.column_blocks =
      pool.threads() == 1 && batch.n <= kMaxTaskColumns ? 1 : std::min(wanted, product.tiles.tiles);
  const std::int64_t tiles_per_task =
      (product.tiles.tiles + product.column_blocks - 1) / product.column_blocks;
  reserve_scratch(batch.scratch, pool.threads(), tiles_per_task * (q8 ? kQ8Tile : kF32Tile));
  const Product* shared = &product;
  pool.parallel_for(strips * product.column_blocks,
                    [shared](std::int64_t task, int thread) { shared->run(task, thread); });
}

void gemm(const WeightView& w, ActivationBatch& x, float* y, std::int64_t ldy, ThreadPool& pool) {
  gemm(w, x, y, ldy, pool, active_isa());
}

}  // namespace brinkmap::kernels
