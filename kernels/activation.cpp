#include "kernels/activation.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/half.h"

namespace brinkmap::kernels {

namespace {

// The magnitude's bits order like the magnitude, with infinity and NaN on top.
std::uint32_t magnitude_bits(float value) noexcept {
  return std::bit_cast<std::uint32_t>(value) & 0x7fffffffu;
}

std::uint32_t largest_magnitude(const float* x, int n) noexcept {
  std::uint32_t largest = 0;
  for (int i = 0; i < n; ++i) {
    const std::uint32_t bits = magnitude_bits(x[i]);
    largest = bits > largest ? bits : largest;
  }
  return largest;
}

// Nearest integer, ties to even, without a conversion that is undefined for NaN: adding 1.5 * 2^23 leaves the
// integer in the low bits.
void round_codes(const float* x, float factor, int n, std::int8_t* codes) noexcept {
  for (int i = 0; i < n; ++i) {
    const float shifted = x[i] * factor + 12582912.0f;
    const int code = static_cast<int>(std::bit_cast<std::uint32_t>(shifted) & 0x7fffffu) - 0x400000;
    codes[i] = static_cast<std::int8_t>(code > 127 ? 127 : code < -127 ? -127 : code);
  }
}

std::int32_t sum_codes(const std::int8_t* codes, int n) noexcept {
  std::int32_t sum = 0;
  for (int i = 0; i < n; ++i) sum += codes[i];
  return sum;
}

std::size_t elements(std::int64_t tiles, std::int64_t k, int width) noexcept {
  return static_cast<std::size_t>(tiles) * static_cast<std::size_t>(k) * static_cast<std::size_t>(width);
}

void quantize_tile(const ActivationBatch::Impl& batch, Q8Activations& q8, int block,
                   std::int64_t tile) noexcept {
  const std::int64_t cols = batch.cols;
  const int columns = batch.q8_tiles.columns(tile);
  std::uint32_t* codes = q8.codes.data() + tile * (cols / 4) * kQ8Tile;
  float* scales = q8.scales.data() + tile * (cols / block) * kQ8Tile;
  const int sum_group = block == 32 ? 32 : 16;
  std::int32_t* code_sums = q8.code_sums.data() + tile * (cols / sum_group) * kQ8Tile;
  float* sums32 = q8.sums32.data() + tile * (cols / 32) * kQ8Tile;
  float* sums16 = block == 256 ? q8.sums16.data() + tile * (cols / 16) * kQ8Tile : nullptr;
  for (int c = 0; c < columns; ++c) {
    const float* x = batch.x + (batch.q8_tiles.first(tile) + c) * batch.ld;
    for (std::int64_t k = 0; k < cols; k += block) {
      alignas(64) std::int8_t block_codes[256];
      const float d =
          block == 32 ? quantize_block_q8(x + k, block_codes) : quantize_block_q8_k(x + k, block_codes);
      scales[k / block * kQ8Tile + c] = block == 32 ? f16_to_f32(f32_to_f16(d)) : d;
      for (int i = 0; i < block; i += 4) std::memcpy(codes + (k + i) / 4 * kQ8Tile + c, block_codes + i, 4);
      if (block == 32) {
        const std::int32_t sum = sum_codes(block_codes, 32);
        code_sums[k / 32 * kQ8Tile + c] = sum;
        sums32[k / 32 * kQ8Tile + c] = f16_to_f32(f32_to_f16(static_cast<float>(sum) * d));
        continue;
      }
      for (int i = 0; i < block; i += 32) {
        const std::int32_t low = sum_codes(block_codes + i, 16);
        const std::int32_t high = sum_codes(block_codes + i + 16, 16);
        const std::int64_t at = (k + i) / 16 * kQ8Tile + c;
        code_sums[at] = low;
        code_sums[at + kQ8Tile] = high;
        sums16[at] = static_cast<float>(low);
        sums16[at + kQ8Tile] = static_cast<float>(high);
        sums32[(k + i) / 32 * kQ8Tile + c] = static_cast<float>(low + high);
      }
    }
  }
}

}  // namespace

float quantize_block_q8(const float* x, std::int8_t* codes) noexcept {
  const float largest = std::bit_cast<float>(largest_magnitude(x, 32));
  if (largest == 0.0f) {
    std::memset(codes, 0, 32);
    return 0.0f;
  }
  round_codes(x, 127.0f / largest, 32, codes);
  // Infinity becomes NaN: an infinite scale times code 0 elsewhere would not be one.
  return largest / 127.0f + (largest - largest);
}

float quantize_block_q8_k(const float* x, std::int8_t* codes) noexcept {
  const std::uint32_t largest = largest_magnitude(x, 256);
  if (largest == 0) {
    std::memset(codes, 0, 256);
    return 0.0f;
  }
  int at = 0;
  while (magnitude_bits(x[at]) != largest) ++at;
  const float factor = -127.0f / x[at];
  round_codes(x, factor, 256, codes);
  return 1.0f / factor + (x[at] - x[at]);
}

Q8Activations& ActivationBatch::Impl::prepare_q8(int block, ThreadPool& pool) {
  Q8Activations& q8 = block == 32 ? q8_32 : q8_256;
  if (q8.ready) return q8;
  q8.codes.reserve(elements(q8_tiles.tiles, cols / 4, kQ8Tile));
  q8.scales.reserve(elements(q8_tiles.tiles, cols / block, kQ8Tile));
  q8.code_sums.reserve(elements(q8_tiles.tiles, cols / (block == 32 ? 32 : 16), kQ8Tile));
  q8.sums32.reserve(elements(q8_tiles.tiles, cols / 32, kQ8Tile));
  if (block == 256) q8.sums16.reserve(elements(q8_tiles.tiles, cols / 16, kQ8Tile));
  const auto task = [this, &q8, block](std::int64_t tile, int) { quantize_tile(*this, q8, block, tile); };
  pool.parallel_for(q8_tiles.tiles, task);
  q8.ready = true;
  return q8;
}

const std::int32_t* ActivationBatch::Impl::prepare_starts(Q8Activations& q8, int block, int group, int offset,
                                                          ThreadPool& pool) {
  auto found = std::find_if(q8.starts.begin(), q8.starts.end(), [&](const Q8Activations::Starts& s) {
    return s.group == group && s.offset == offset;
  });
  if (found == q8.starts.end()) {
    q8.starts.emplace_back();
    found = q8.starts.end() - 1;
    found->group = group;
    found->offset = offset;
  }
  if (found->ready) return found->values.data();
  found->values.reserve(elements(q8_tiles.tiles, cols / group, kQ8Tile));
  const int parts = group / (block == 32 ? 32 : 16);
  std::int32_t* values = found->values.data();
  const std::int32_t* sums = q8.code_sums.data();
  const auto task = [&](std::int64_t tile, int) {
    const std::int64_t groups = cols / group;
    for (std::int64_t g = tile * groups; g < (tile + 1) * groups; ++g)
      for (int c = 0; c < q8_tiles.columns(tile); ++c) {
        std::int32_t sum = 0;
        for (int p = 0; p < parts; ++p) sum += sums[(g * parts + p) * kQ8Tile + c];
        values[g * kQ8Tile + c] = -offset * sum;
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
    float* out = f32.data() + tile * cols * kF32Tile;
    for (int c = 0; c < f32_tiles.columns(tile); ++c) {
      const float* in = x + (f32_tiles.first(tile) + c) * ld;
      for (std::int64_t k = 0; k < cols; ++k) out[k * kF32Tile + c] = in[k];
    }
  };
  pool.parallel_for(f32_tiles.tiles, task);
  f32_ready = true;
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
