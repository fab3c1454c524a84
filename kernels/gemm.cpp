#include "kernels/gemm.h"

#include <algorithm>
#include <cstring>

#include "kernels/activation.h"
#include "kernels/gemm_panel.h"

namespace brinkmap::kernels {

namespace {

// Loop sizes; no result depends on them. With long batches a task unpacks several strips and passes over the
// columns in runs of tiles, strip by strip: activations come from the outer caches once per kStrips strips,
// and a run's activations stay in the first-level cache beside one panel (int8: 12 + 10 KB, f32: 24 + 16 KB
// of 48).
constexpr int kStrips = 4;
constexpr int kQ8Run = 8;
constexpr int kF32Run = 4;
// Columns whose sums a task keeps: kStrips * kStripRows * 4 bytes each stay in the second-level cache.
constexpr std::int64_t kMaxTaskColumns = 512;
// More tasks than this per thread only repeat the unpacking.
constexpr std::int64_t kTasksPerThread = 4;

const GemmKernels& kernels_for(Isa isa) noexcept {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512Vnni) return gemm_kernels_avx512vnni();
  if (isa == Isa::kAvx2) return gemm_kernels_avx2();
#endif
  (void)isa;
  return gemm_kernels_scalar();
}

// One product, as its tasks see it. A task is some strips of rows times one block of column tiles.
struct Product {
  const WeightView& w;
  const GemmKernels& kernels;
  const CodeLayout* layout;  // null: weights in F32, F16, BF16 or NF4
  bool q8;
  ActivationBatch::Impl& x;
  float* y;
  std::int64_t ldy;
  const Q8Activations* activations = nullptr;
  const std::int32_t* starts = nullptr;
  TileSplit tiles{};
  std::int64_t column_blocks = 1;
  std::int64_t strips_per_task = 1;

  void run(std::int64_t task, int thread) const noexcept;

 private:
  const std::byte* strip_rows(std::int64_t row, std::int64_t k0, int k, std::ptrdiff_t& stride,
                              Scratch& scratch) const noexcept;
  void unpack(std::int64_t row, std::int64_t k0, int k, const Panel& panel, float* weights,
              Scratch& scratch) const noexcept;
  void multiply_q8(const Panel& panel, std::int64_t tile, std::int64_t k0, int k, float* acc) const noexcept;
  std::int64_t rows_from(std::int64_t row) const noexcept {
    return w.rows - row < kStripRows ? w.rows - row : kStripRows;
  }
};

// kStripRows readable rows from `row` on: the weights themselves, or, where they end, a copy padded with
// zeros.
const std::byte* Product::strip_rows(std::int64_t row, std::int64_t k0, int k, std::ptrdiff_t& stride,
                                     Scratch& scratch) const noexcept {
  const auto row_stride = static_cast<std::ptrdiff_t>(row_bytes(w.format, w.cols));
  const std::byte* first = w.data + row * row_stride + static_cast<std::ptrdiff_t>(row_bytes(w.format, k0));
  const std::int64_t rows = rows_from(row);
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

void Product::unpack(std::int64_t row, std::int64_t k0, int k, const Panel& panel, float* weights,
                     Scratch& scratch) const noexcept {
  std::ptrdiff_t stride = 0;
  const std::byte* rows = strip_rows(row, k0, k, stride, scratch);
  if (layout == nullptr) {
    kernels.unpack_float(w.format, rows, stride, k, weights);
    return;
  }
  kernels.unpack(w.format, rows, stride, k, panel);
  if (!q8) kernels.expand(*layout, panel, k, weights);
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
  const std::int64_t first_row = task / column_blocks * strips_per_task * kStripRows;
  const std::int64_t last_row = std::min(w.rows, first_row + strips_per_task * kStripRows);
  const std::int64_t block = task % column_blocks;
  const std::int64_t first_tile = tiles.tiles * block / column_blocks;
  const std::int64_t last_tile = tiles.tiles * (block + 1) / column_blocks;
  const std::int64_t first_column = tiles.first(first_tile);
  const std::int64_t columns = tiles.first(last_tile) - first_column;
  const int step = q8 ? kChunk : kF32Pass;
  const int tile_run = q8 ? kQ8Run : kF32Run;
  const auto panel_of = [&](std::int64_t row) {
    const std::int64_t at = (row - first_row) * kChunk;
    return Panel{scratch.codes.data() + at, scratch.scales.data() + at / 16, scratch.mins.data() + at / 16};
  };
  const auto weights_of = [&](std::int64_t row) {
    return scratch.weights.data() + (row - first_row) * kChunk;
  };
  const auto acc_of = [&](std::int64_t row, std::int64_t tile) {
    return scratch.acc.data() + (row - first_row) * columns + (tiles.first(tile) - first_column) * kStripRows;
  };
  const std::int64_t strips = (last_row - first_row + kStripRows - 1) / kStripRows;
  std::fill_n(scratch.acc.data(), strips * columns * kStripRows, 0.0f);

  for (std::int64_t k0 = 0; k0 < w.cols; k0 += kChunk) {
    const int chunk = static_cast<int>(std::min<std::int64_t>(kChunk, w.cols - k0));
    for (std::int64_t row = first_row; row < last_row; row += kStripRows)
      unpack(row, k0, chunk, panel_of(row), weights_of(row), scratch);
    for (int at = 0; at < chunk; at += step)
      for (std::int64_t run = first_tile; run < last_tile; run += tile_run)
        for (std::int64_t row = first_row; row < last_row; row += kStripRows)
          for (std::int64_t t = run; t < std::min(run + tile_run, last_tile); ++t) {
            float* acc = acc_of(row, t);
            if (q8)
              multiply_q8(panel_of(row), t, k0, chunk, acc);
            else
              kernels.multiply_f32(weights_of(row) + at * kStripRows, std::min(step, chunk - at),
                                   x.f32.data() + x.offset(tiles, t, k0 + at, 1, kF32Tile), tiles.columns(t),
                                   acc);
          }
  }

  // Columns of y lie far apart: fetch a few ahead.
  constexpr std::int64_t kAhead = 4;
  for (std::int64_t c = 0; c < columns; ++c) {
    float* out = y + (first_column + c) * ldy;
    if (c + kAhead < columns)
      for (std::int64_t row = first_row; row < last_row; row += 16)
        __builtin_prefetch(out + kAhead * ldy + row, 1);
    for (std::int64_t row = first_row; row < last_row; row += kStripRows)
      std::memcpy(out + row, acc_of(row, first_tile) + c * kStripRows,
                  static_cast<std::size_t>(rows_from(row)) * sizeof(float));
  }
}

void reserve_scratch(std::vector<Scratch>& all, int threads, std::int64_t strips, std::int64_t columns) {
  while (all.size() < static_cast<std::size_t>(threads)) all.emplace_back();
  const std::size_t rows = static_cast<std::size_t>(strips) * kStripRows;
  for (Scratch& scratch : all) {
    scratch.rows.reserve(static_cast<std::size_t>(kStripRows) * kChunk * 4);
    scratch.codes.reserve(rows * kChunk);
    scratch.scales.reserve(rows * kChunk / 16);
    scratch.mins.reserve(rows * kChunk / 16);
    scratch.weights.reserve(rows * kChunk);
    scratch.acc.reserve(rows * static_cast<std::size_t>(columns));
  }
}

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

}  // namespace

void gemm(const WeightView& w, ActivationBatch& x, float* y, std::int64_t ldy, ThreadPool& pool, Isa isa) {
  ActivationBatch::Impl& batch = x.impl();
  if (batch.n == 0 || w.rows == 0) return;
  if (w.order != nullptr) {
    WeightView stored = w;
    stored.order = nullptr;
    return gemm(stored, batch.reorder(w.order, pool), y, ldy, pool, isa);
  }
  const CodeLayout* layout = code_layout(w.format);
  const bool q8 = layout != nullptr && batch.kind == ActivationBatch::Kind::kQ8;
  Product product{
      .w = w, .kernels = kernels_for(isa), .layout = layout, .q8 = q8, .x = batch, .y = y, .ldy = ldy};
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
  const std::int64_t tiles = product.tiles.tiles;
  const std::int64_t strips = ceil_div(w.rows, kStripRows);
  const std::int64_t wanted = pool.threads() == 1 ? 1 : kTasksPerThread * pool.threads();
  product.column_blocks =
      std::min(tiles, std::max(ceil_div(batch.n, kMaxTaskColumns), ceil_div(wanted, strips)));
  if (tiles > (q8 ? kQ8Run : kF32Run))
    product.strips_per_task = std::clamp<std::int64_t>(strips * product.column_blocks / wanted, 1, kStrips);
  reserve_scratch(batch.scratch, pool.threads(), product.strips_per_task,
                  ceil_div(tiles, product.column_blocks) * (q8 ? kQ8Tile : kF32Tile));
  const Product* shared = &product;
  pool.parallel_for(ceil_div(strips, product.strips_per_task) * product.column_blocks,
                    [shared](std::int64_t task, int thread) { shared->run(task, thread); });
}

void gemm(const WeightView& w, ActivationBatch& x, float* y, std::int64_t ldy, ThreadPool& pool) {
  gemm(w, x, y, ldy, pool, active_isa());
}

}  // namespace brinkmap::kernels
