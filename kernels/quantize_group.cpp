#include "kernels/quantize_group.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "kernels/half.h"

namespace brinkmap::kernels {

namespace {

constexpr int kLanes = 16;  // groups are folded in this many parts side by side, which compilers vectorise

// The nearest integer (ties to even) in [0, limit]; NaN gives 0.
float nearest_code(float v, float limit) noexcept {
  v = v > 0.0f ? v : 0.0f;
  v = v < limit ? v : limit;
  return (v + 12582912.0f) - 12582912.0f;
}

float round_scale(float v, ScaleType type) noexcept {
  if (type == ScaleType::kF16) return f16_to_f32(f32_to_f16(v));
  if (type == ScaleType::kBF16) return bf16_to_f32(f32_to_bf16(v));
  return v;
}

struct Range {
  float low;
  float high;
};

Range range_of(const float* in, int n) noexcept {
  float low[kLanes], high[kLanes];
  std::memcpy(low, in, sizeof low);
  std::memcpy(high, in, sizeof high);
  for (int i = kLanes; i < n; i += kLanes)
    for (int j = 0; j < kLanes; ++j) {
      low[j] = in[i + j] < low[j] ? in[i + j] : low[j];
      high[j] = in[i + j] > high[j] ? in[i + j] : high[j];
    }
  for (int j = 1; j < kLanes; ++j) {
    low[0] = low[j] < low[0] ? low[j] : low[0];
    high[0] = high[j] > high[0] ? high[j] : high[0];
  }
  return {low[0], high[0]};
}

struct Grid {
  float scale;
  float min;
};

Grid mlx_grid(Range range, float limit) noexcept {
  constexpr float kLeast = 1e-7f;
  const float step = (range.high - range.low) / limit;
  float scale = step > kLeast ? step : kLeast;
  const bool from_low = std::abs(range.low) > std::abs(range.high);
  const float edge = from_low ? range.low : range.high;
  if (!from_low) scale = -scale;
  const float steps = std::nearbyint(edge / scale);
  return steps != 0.0f ? Grid{edge / steps, edge} : Grid{scale, 0.0f};
}

template <int kBits, int kGroup>
void pack_block(const std::uint8_t* codes, float scale, float min, void* to) noexcept {
  constexpr int kEach = 8 / kBits;
  BlockAffine<kBits, kGroup> block;
  block.scale = scale;
  block.min = min;
  for (int byte = 0; byte < kGroup / kEach; ++byte) {
    int bits = 0;
    for (int i = 0; i < kEach; ++i) bits |= codes[kEach * byte + i] << (kBits * i);
    block.codes[byte] = static_cast<std::uint8_t>(bits);
  }
  std::memcpy(to, &block, sizeof block);
}

template <int kBits>
void pack_group(const std::uint8_t* codes, int n, float scale, float min, void* to) noexcept {
  if (n == 32) return pack_block<kBits, 32>(codes, scale, min, to);
  if (n == 64) return pack_block<kBits, 64>(codes, scale, min, to);
  pack_block<kBits, 128>(codes, scale, min, to);
}

constexpr std::array<float, 15> nf4_thresholds() noexcept {
  std::array<float, 15> out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = (kNF4Levels[i] + kNF4Levels[i + 1]) / 2.0f;
  return out;
}

// How many of 15 thresholds each of 64 numbers is above.
void nf4_codes(const float* in, float inverse, std::uint8_t* codes) noexcept {
  constexpr std::array<float, 15> kThresholds = nf4_thresholds();
  float x[kNF4Block];
  std::int32_t count[kNF4Block] = {};
  for (int i = 0; i < kNF4Block; ++i) x[i] = in[i] * inverse;
  for (float threshold : kThresholds)
    for (int i = 0; i < kNF4Block; ++i) count[i] += x[i] > threshold ? 1 : 0;
  for (int i = 0; i < kNF4Block; ++i) codes[i] = static_cast<std::uint8_t>(count[i]);
}

// Seven decades, the i-th cut into 2^i even pieces between 0.1 and 1 of it, whose middles stand with both
// signs; and 0 and 1. In f32 as torch.linspace computes it, from both ends to the middle with one
// rounding each.
std::array<float, 256> make_absmax_map() noexcept {
  constexpr float kDecades[7] = {1e-6f, 1e-5f, 1e-4f, 1e-3f, 1e-2f, 1e-1f, 1.0f};
  std::array<float, 256> map{};
  std::size_t at = 0;
  for (int i = 0; i < 7; ++i) {
    const int pieces = 1 << i;
    const float step = (1.0f - 0.1f) / static_cast<float>(pieces);
    const auto boundary = [&](int b) {
      return b < (pieces + 1) / 2 ? std::fma(step, static_cast<float>(b), 0.1f)
                                  : std::fma(-step, static_cast<float>(pieces - b), 1.0f);
    };
    for (int b = 0; b < pieces; ++b) {
      const float middle = kDecades[i] * ((boundary(b) + boundary(b + 1)) / 2.0f);
      map[at++] = middle;
      map[at++] = -middle;
    }
  }
  map[at++] = 0.0f;
  map[at++] = 1.0f;
  std::sort(map.begin(), map.end());
  return map;
}

// The nearest entry of the map; halfway the lower one.
std::size_t nearest_of(std::span<const float, 256> map, float v) noexcept {
  const auto above = static_cast<std::size_t>(std::upper_bound(map.begin(), map.end(), v) - map.begin());
  if (above == 0) return 0;
  if (above == map.size()) return map.size() - 1;
  return std::abs(v - map[above]) < std::abs(v - map[above - 1]) ? above : above - 1;
}

}  // namespace

void pack_affine(const std::uint8_t* codes, int bits, int n, float scale, float min, void* block) noexcept {
  if (bits <= 2) return pack_group<2>(codes, n, scale, min, block);
  if (bits <= 4) return pack_group<4>(codes, n, scale, min, block);
  pack_group<8>(codes, n, scale, min, block);
}

void quantize_mlx(const float* in, void* blocks, std::int64_t n, int bits, int group,
                  ScaleType type) noexcept {
  const float limit = static_cast<float>((1 << bits) - 1);
  const FormatInfo& info = format_info(affine_format(bits, group));
  auto* out = static_cast<std::byte*>(blocks);
  for (std::int64_t at = 0; at < n; at += group, out += info.bytes) {
    const Grid grid = mlx_grid(range_of(in + at, group), limit);
    std::uint8_t codes[128];
    for (int i = 0; i < group; ++i)
      codes[i] = static_cast<std::uint8_t>(
          static_cast<int>(nearest_code((in[at + i] - grid.min) / grid.scale, limit)));
    pack_affine(codes, bits, group, round_scale(grid.scale, type), round_scale(grid.min, type), out);
  }
}

void quantize_nf4(const float* in, void* blocks, std::int64_t n) noexcept {
  auto* block = static_cast<BlockNF4*>(blocks);
  for (std::int64_t at = 0; at < n; at += kNF4Block, ++block) {
    const Range range = range_of(in + at, kNF4Block);
    const float absmax = std::max(std::abs(range.low), std::abs(range.high));
    std::uint8_t codes[kNF4Block];
    nf4_codes(in + at, absmax > 0.0f ? 1.0f / absmax : 0.0f, codes);
    block->absmax = absmax;
    for (int i = 0; i < kNF4Block / 2; ++i)
      block->qs[i] = static_cast<std::uint8_t>(codes[2 * i] | codes[2 * i + 1] << 4);
  }
}

std::span<const float, 256> nf4_absmax_map() noexcept {
  static const std::array<float, 256> kMap = make_absmax_map();
  return kMap;
}

void nest_nf4_scales(std::span<BlockNF4> blocks, Nf4Nested& stored) noexcept {
  constexpr std::size_t kNested = 256;
  const std::span<const float, 256> map = nf4_absmax_map();
  double sum = 0;
  for (const BlockNF4& block : blocks) sum += static_cast<double>(block.absmax);
  stored.offset = blocks.empty() ? 0.0f : static_cast<float>(sum / static_cast<double>(blocks.size()));
  for (std::size_t first = 0; first < blocks.size(); first += kNested) {
    const std::span<BlockNF4> part = blocks.subspan(first, std::min(kNested, blocks.size() - first));
    float largest = 0.0f;
    for (const BlockNF4& block : part) largest = std::max(largest, std::abs(block.absmax - stored.offset));
    for (std::size_t i = 0; i < part.size(); ++i) {
      const float difference = part[i].absmax - stored.offset;
      const std::size_t code = nearest_of(map, largest > 0.0f ? difference / largest : 0.0f);
      if (!stored.codes.empty()) stored.codes[first + i] = static_cast<std::uint8_t>(code);
      part[i].absmax = map[code] * largest + stored.offset;
    }
    if (!stored.scales.empty()) stored.scales[first / kNested] = largest;
  }
}

}  // namespace brinkmap::kernels
