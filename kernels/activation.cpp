#include "kernels/activation.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/half.h"

namespace brinkmap::kernels {

namespace {

std::size_t elements(std::int64_t tiles, std::int64_t k, int width) noexcept {
  return static_cast<std::size_t>(tiles) * static_cast<std::size_t>(k) * static_cast<std::size_t>(width);
}

void quantize_tile(const ActivationBatch::Impl& batch, Q8Activations& q8, int block,
                   const GemmKernels& kernels, std::int64_t tile) noexcept {
  const int columns = batch.q8_tiles.columns(tile);
  for (std::int64_t k = 0; k < batch.cols; k += block) {
    const auto at = [&](int group) { return batch.offset(batch.q8_tiles, tile, k, group, kQ8Tile); };
    std::uint32_t* codes = q8.codes.data() + at(4);
    float* scales = q8.scales.data() + at(block);
    std::int32_t* code_sums = q8.code_sums.data() + at(block == 32 ? 32 : 16);
    float* sums32 = q8.sums32.data() + at(32);
    for (int c = 0; c < columns; ++c) {
      const float* x = batch.x + (batch.q8_tiles.first(tile) + c) * batch.ld + k;
      alignas(64) std::int8_t block_codes[256];
      const float d = block == 32 ? quantize_block_q8(kernels, x, block_codes)
                                  : quantize_block_q8_k(kernels, x, block_codes);
      for (int i = 0; i < block; i += 4) std::memcpy(codes + i / 4 * kQ8Tile + c, block_codes + i, 4);
      std::int32_t sums[16];
      kernels.sum_codes(block_codes, block, sums);
      if (block == 32) {
        const std::int32_t sum = sums[0] + sums[1];
        scales[c] = f16_to_f32(f32_to_f16(d));
        code_sums[c] = sum;
        sums32[c] = f16_to_f32(f32_to_f16(static_cast<float>(sum) * d));
        continue;
      }
      scales[c] = d;
      float* sums16 = q8.sums16.data() + at(16);
      for (int i = 0; i < block / 32; ++i) {
        const std::int32_t low = sums[2 * i], high = sums[2 * i + 1];
        const int pair = 2 * i * kQ8Tile + c;
        code_sums[pair] = low;
        code_sums[pair + kQ8Tile] = high;
        sums16[pair] = static_cast<float>(low);
        sums16[pair + kQ8Tile] = static_cast<float>(high);
        sums32[i * kQ8Tile + c] = static_cast<float>(low + high);
      }
    }
  }
}

}  // namespace

float quantize_block_q8(const GemmKernels& kernels, const float* x, std::int8_t* codes) noexcept {
  const float largest = std::bit_cast<float>(kernels.largest_magnitude(x, 32));
  if (largest == 0.0f) {
    std::memset(codes, 0, 32);
    return 0.0f;
  }
  kernels.round_codes(x, 127.0f / largest, 32, codes);
  // Infinity becomes NaN: an infinite scale times code 0 elsewhere would not be one.
  return largest / 127.0f + (largest - largest);
}

float quantize_block_q8_k(const GemmKernels& kernels, const float* x, std::int8_t* codes) noexcept {
  const std::uint32_t largest = kernels.largest_magnitude(x, 256);
  if (largest == 0) {
    std::memset(codes, 0, 256);
    return 0.0f;
  }
  const int at = kernels.find_magnitude(x, 256, largest);
  const float factor = -127.0f / x[at];
  kernels.round_codes(x, factor, 256, codes);
  return 1.0f / factor + (x[at] - x[at]);
}

Q8Activations& ActivationBatch::Impl::prepare_q8(int block, const GemmKernels& kernels, ThreadPool& pool) {
  Q8Activations& q8 = block == 32 ? q8_32 : q8_256;
  if (q8.ready) return q8;
  q8.codes.reserve(elements(q8_tiles.tiles, cols / 4, kQ8Tile));
  q8.scales.reserve(elements(q8_tiles.tiles, cols / block, kQ8Tile));
  q8.code_sums.reserve(elements(q8_tiles.tiles, cols / (block == 32 ? 32 : 16), kQ8Tile));
  q8.sums32.reserve(elements(q8_tiles.tiles, cols / 32, kQ8Tile));
  if (block == 256) q8.sums16.reserve(elements(q8_tiles.tiles, cols / 16, kQ8Tile));
  const auto task = [this, &q8, &kernels, block](std::int64_t tile, int) {
    quantize_tile(*this, q8, block, kernels, tile);
  };
  pool.parallel_for(q8_tiles.tiles, task);
  q8.ready = true;
  return q8;
}

const std::int32_t* ActivationBatch::Impl::prepare_starts(Q8Activations& q8, int block, int group,
                                                          int offset_of_codes, ThreadPool& pool) {
  auto found = std::find_if(q8.starts.begin(), q8.starts.end(), [&](const Q8Activations::Starts& s) {
    return s.group == group && s.offset == offset_of_codes;
  });
  if (found == q8.starts.end()) {
    q8.starts.emplace_back();
    found = q8.starts.end() - 1;
    found->group = group;
    found->offset = offset_of_codes;
  }
  if (found->ready) return found->values.data();
  found->values.reserve(elements(q8_tiles.tiles, cols / group, kQ8Tile));
  const int parts = group / (block == 32 ? 32 : 16);
  std::int32_t* values = found->values.data();
  const std::int32_t* sums = q8.code_sums.data();
  const auto task = [&](std::int64_t tile, int) {
    for (std::int64_t k = 0; k < cols; k += group) {
      const std::int32_t* from = sums + offset(q8_tiles, tile, k, group / parts, kQ8Tile);
      std::int32_t* to = values + offset(q8_tiles, tile, k, group, kQ8Tile);
      for (int c = 0; c < q8_tiles.columns(tile); ++c) {
        std::int32_t sum = 0;
        for (int p = 0; p < parts; ++p) sum += from[p * kQ8Tile + c];
        to[c] = -offset_of_codes * sum;
      }
    }
  };
  pool.parallel_for(q8_tiles.tiles, task);
  found->ready = true;
  return values;
}

void ActivationBatch::Impl::prepare_f32(ThreadPool& pool) {
  if (f32_ready) return;
  f32.reserve(elements(f32_tiles.tiles, cols, kF32Tile));
  const auto task = [this](std::int64_t tile, int) {
    const int columns = f32_tiles.columns(tile);
    const float* in = x + f32_tiles.first(tile) * ld;
    for (std::int64_t chunk = 0; chunk < cols; chunk += kChunk) {
      float* out = f32.data() + offset(f32_tiles, tile, chunk, 1, kF32Tile);
      for (std::int64_t k = chunk; k < cols && k < chunk + kChunk; ++k, out += kF32Tile)
        for (int c = 0; c < columns; ++c) out[c] = in[c * ld + k];
    }
  };
  pool.parallel_for(f32_tiles.tiles, task);
  f32_ready = true;
}

ActivationBatch& ActivationBatch::Impl::reorder(const std::int32_t* order, ThreadPool& pool) {
  gathered.reserve(elements(n, cols, 1));
  const auto task = [this, order](std::int64_t row, int) {
    const float* in = x + row * ld;
    float* out = gathered.data() + row * cols;
    for (std::int64_t j = 0; j < cols; ++j) out[j] = in[order[j]];
  };
  pool.parallel_for(n, task);
  if (!reordered) reordered = std::make_unique<ActivationBatch>();
  reordered->load(gathered.data(), n, cols, cols, kind);
  return *reordered;
}

ActivationBatch::ActivationBatch() : impl_(std::make_unique<Impl>()) {}
ActivationBatch::~ActivationBatch() = default;
ActivationBatch::ActivationBatch(ActivationBatch&&) noexcept = default;
ActivationBatch& ActivationBatch::operator=(ActivationBatch&&) noexcept = default;

void ActivationBatch::load(const float* x, std::int64_t n, std::int64_t cols, std::int64_t ld, Kind kind) {
  impl_->x = x;
  impl_->n = n;
  impl_->cols = cols;
  impl_->ld = ld;
  impl_->kind = kind;
  impl_->q8_tiles = TileSplit(n, kQ8Tile);
  impl_->f32_tiles = TileSplit(n, kF32Tile);
  for (Q8Activations* q8 : {&impl_->q8_32, &impl_->q8_256}) {
    q8->ready = false;
    for (Q8Activations::Starts& starts : q8->starts) starts.ready = false;
  }
  impl_->f32_ready = false;
}

}  // namespace brinkmap::kernels
