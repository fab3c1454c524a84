#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/attention.h"
#include "kernels/ops_rows.h"

// Attention of a few query rows that share one key head, over sixteen lanes (kernels/lanes_scalar.h). Only
// templates here, as in kernels/ops_rows.h.
namespace brinkmap::kernels {

inline constexpr int kAttentionRows =
    32;  // query rows of a task: their scores share each block of keys in L1
inline constexpr int kAttentionBlock = 64;  // positions of such a block (16 KB of keys at head_dim 64)

// Floats of scratch for `rows` query rows over `positions` positions.
constexpr std::int64_t attention_floats(int head_dim, std::int64_t positions) noexcept {
  const std::int64_t stride = (positions + 2 * kKvBlock - 1) / kKvBlock * kKvBlock;
  return kAttentionRows * (stride + (head_dim + 15) / 16 * 16);
}

using AttendFunction = void (*)(const AttentionShape&, const AttentionSequence&,
                                const AttentionScratch::Task&, const float* q, std::int64_t ldq, float* out,
                                std::int64_t ldo, float* scratch);
extern const AttendFunction kAttendScalar;
extern const AttendFunction kAttendAvx2;
extern const AttendFunction kAttendAvx512Vnni;

template <class L, class T>
class AttentionTile {
  using V = typename L::V;

 public:
  AttentionTile(const AttentionShape& shape, const AttentionSequence& sequence,
                const AttentionScratch::Task& task, const float* q, std::int64_t ldq, float* scratch)
      : shape_(shape),
        dims_((shape.head_dim + 15) / 16 * 16),
        rows_(static_cast<int>(task.end - task.begin)) {
    const std::int64_t held = sequence.prefix.length + sequence.own.length;
    const std::int64_t group = shape.heads / shape.kv_heads;
    for (int r = 0; r < rows_; ++r) {
      const std::int64_t token = (task.begin + r) / group;
      const std::int64_t head = task.kv_head * group + (task.begin + r) % group;
      const std::int64_t position = held - sequence.rows + token;
      q_[r] = q + (sequence.first_row + token) * ldq + head * shape.head_dim;
      high_[r] = position + 1;
      low_[r] = shape.window > 0 && high_[r] > shape.window ? high_[r] - shape.window : 0;
    }
    // Later rows see later positions, at both ends.
    base_ = low_[0] / kKvBlock * kKvBlock;
    end_ = high_[rows_ - 1];
    stride_ = (end_ - base_ + kKvBlock - 1) / kKvBlock * kKvBlock;
    scores_ = scratch;
    sums_ = scratch + rows_ * stride_;
    set_pieces(sequence, task.kv_head);
  }

  void scores() {
    for (std::int64_t from = base_; from < end_; from += kAttentionBlock)
      for (int r = 0; r < rows_; r += L::kTileRows) {
        const int n = rows_ - r < L::kTileRows ? rows_ - r : L::kTileRows;
        const std::int64_t high = high_[r + n - 1];
        const std::int64_t to = from + kAttentionBlock < high ? from + kAttentionBlock : high;
        if (to <= low_[r]) continue;
        with_rows(n, [&](auto count) { score_block<decltype(count)::value>(r, from, to); });
      }
  }

  // Scores become exp(scale * score - largest); 0 at positions of the row's blocks that it does not see.
  void softmax() {
    for (int r = 0; r < rows_; ++r) {
      float* row = scores_ + r * stride_;
      const std::int64_t first = (low_[r] / kKvBlock * kKvBlock) - base_;
      const std::int64_t last = (high_[r] + kKvBlock - 1) / kKvBlock * kKvBlock - base_;
      if (shape_.cap > 0) {
        const V cap = L::set(shape_.cap);
        for (std::int64_t j = first; j < last; j += 16)
          L::store(row + j, soft_cap_lanes<L>(L::load(row + j), cap));
      }
      for (std::int64_t j = first; j < low_[r] - base_; ++j) row[j] = -__builtin_inff();
      for (std::int64_t j = high_[r] - base_; j < last; ++j) row[j] = -__builtin_inff();
      const V top = L::set(max_row<L>(row + first, last - first));
      V sum = L::set(0);
      for (std::int64_t j = first; j < last; j += 16) {
        const V p = exp_lanes<L>(L::sub(L::load(row + j), top));
        L::store(row + j, p);
        sum = L::add(sum, p);
      }
      inverse_[r] = 1.0f / L::total(sum);
    }
  }

  void values() {
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(rows_) * dims_; ++i) sums_[i] = 0;
    for (std::int64_t from = base_; from < end_;) {
      std::int64_t to = from + kAttentionBlock < end_ ? from + kAttentionBlock : end_;
      if (from < split_ && to > split_) to = split_;
      const T* block = from < split_ ? prefix_values_ + from * dims_ : own_values_ + (from - split_) * dims_;
      for (int r = 0; r < rows_; r += L::kTileRows) {
        const int n = rows_ - r < L::kTileRows ? rows_ - r : L::kTileRows;
        // Positions that all rows of the tile see are added together, the others row by row: a value that a
        // row may not see must not touch it, not even times zero.
        const std::int64_t a = later(from, low_[r + n - 1]), b = earlier(to, high_[r]);
        if (a >= b) {
          for (int i = r; i < r + n; ++i)
            value_block<1>(i, block, from, later(from, low_[i]), earlier(to, high_[i]));
          continue;
        }
        for (int i = r; i < r + n; ++i) value_block<1>(i, block, from, later(from, low_[i]), a);
        with_rows(n, [&](auto count) { value_block<decltype(count)::value>(r, block, from, a, b); });
        for (int i = r; i < r + n; ++i) value_block<1>(i, block, from, b, earlier(to, high_[i]));
      }
      from = to;
    }
  }

  void write(const AttentionSequence& sequence, const AttentionScratch::Task& task, float* out,
             std::int64_t ldo) {
    const std::int64_t group = shape_.heads / shape_.kv_heads;
    for (int r = 0; r < rows_; ++r) {
      const std::int64_t head = task.kv_head * group + (task.begin + r) % group;
      float* to = out + (sequence.first_row + (task.begin + r) / group) * ldo + head * shape_.head_dim;
      for (int d = 0; d < shape_.head_dim; ++d) to[d] = sums_[r * dims_ + d] * inverse_[r];
    }
  }

 private:
  static std::int64_t later(std::int64_t a, std::int64_t b) { return a > b ? a : b; }
  static std::int64_t earlier(std::int64_t a, std::int64_t b) { return a < b ? a : b; }

  template <class Call>
  [[gnu::always_inline]] static void with_rows(int n, const Call& call) {
    if (n == 4) return call(std::integral_constant<int, 4>());
    if (n == 3) return call(std::integral_constant<int, 3>());
    if (n == 2) return call(std::integral_constant<int, 2>());
    call(std::integral_constant<int, 1>());
  }

  void set_pieces(const AttentionSequence& s, std::int64_t kv_head) {
    split_ = s.prefix.length;
    const std::int64_t hd = shape_.head_dim;
    prefix_keys_ = static_cast<const T*>(s.prefix.keys) + kv_head * s.prefix.capacity * hd;
    own_keys_ = static_cast<const T*>(s.own.keys) + kv_head * s.own.capacity * hd;
    prefix_values_ = static_cast<const T*>(s.prefix.values) + kv_head * s.prefix.capacity * dims_;
    own_values_ = static_cast<const T*>(s.own.values) + kv_head * s.own.capacity * dims_;
  }

  const T* keys(std::int64_t position) const {  // of the block that starts there
    return position < split_ ? prefix_keys_ + position * shape_.head_dim
                             : own_keys_ + (position - split_) * shape_.head_dim;
  }

  template <int R>
  void score_block(int r, std::int64_t from, std::int64_t to) {
    constexpr int kWide = R == 1 ? 4 : L::kTileVectors;
    std::int64_t j = from;
    for (; j + (kWide - 1) * kKvBlock < to; j += kWide * kKvBlock) score_tile<R, kWide>(r, j);
    for (; j < to; j += kKvBlock) score_tile<R, 1>(r, j);
  }

  template <int R, int C>
  [[gnu::always_inline]] void score_tile(int r, std::int64_t j) {
    const T* k[C];
    V sum[R][C];
    for (int c = 0; c < C; ++c) k[c] = keys(j + c * kKvBlock);
    for (int i = 0; i < R; ++i)
      for (int c = 0; c < C; ++c) sum[i][c] = L::set(0);
    const float* q[R];
    for (int i = 0; i < R; ++i) q[i] = q_[r + i];
    for (std::int64_t d = 0; d < shape_.head_dim; ++d) {
      V key[C];
      for (int c = 0; c < C; ++c) key[c] = L::load(k[c] + d * kKvBlock);
      for (int i = 0; i < R; ++i) {
        const V x = L::set(q[i][d]);
        for (int c = 0; c < C; ++c) sum[i][c] = L::fma(x, key[c], sum[i][c]);
      }
    }
    const V scale = L::set(shape_.scale);
    for (int i = 0; i < R; ++i)
      for (int c = 0; c < C; ++c)
        L::store(scores_ + (r + i) * stride_ + (j - base_) + c * kKvBlock, L::mul(sum[i][c], scale));
  }

  // Adds positions [a, b) to R rows; `block` holds the values from position `from` on.
  template <int R>
  void value_block(int r, const T* block, std::int64_t from, std::int64_t a, std::int64_t b) {
    if (a >= b) return;
    constexpr int kWide = R == 1 ? 4 : L::kTileVectors;
    std::int64_t d = 0;
    for (; d + (kWide - 1) * 16 < dims_; d += kWide * 16) value_tile<R, kWide>(r, block, from, a, b, d);
    for (; d < dims_; d += 16) value_tile<R, 1>(r, block, from, a, b, d);
  }

  template <int R, int C>
  [[gnu::always_inline]] void value_tile(int r, const T* block, std::int64_t from, std::int64_t a,
                                         std::int64_t b, std::int64_t d) {
    V sum[R][C];
    for (int i = 0; i < R; ++i)
      for (int c = 0; c < C; ++c) sum[i][c] = L::load(sums_ + (r + i) * dims_ + d + c * 16);
    const T* v = block + (a - from) * dims_ + d;
    const float* p = scores_ + r * stride_ + (a - base_);
    for (std::int64_t j = 0; j < b - a; ++j, v += dims_) {
      V value[C];
      for (int c = 0; c < C; ++c) value[c] = L::load(v + c * 16);
      for (int i = 0; i < R; ++i) {
        const V x = L::set(p[i * stride_ + j]);
        for (int c = 0; c < C; ++c) sum[i][c] = L::fma(x, value[c], sum[i][c]);
      }
    }
    for (int i = 0; i < R; ++i)
      for (int c = 0; c < C; ++c) L::store(sums_ + (r + i) * dims_ + d + c * 16, sum[i][c]);
  }

  const AttentionShape& shape_;
  const std::int64_t dims_;
  const int rows_;
  const float* q_[kAttentionRows];
  std::int64_t low_[kAttentionRows];
  std::int64_t high_[kAttentionRows];
  float inverse_[kAttentionRows];
  std::int64_t base_, end_, stride_, split_;
  float* scores_;
  float* sums_;
  const T* prefix_keys_;
  const T* own_keys_;
  const T* prefix_values_;
  const T* own_values_;
};

template <class L>
void attend(const AttentionShape& shape, const AttentionSequence& sequence,
            const AttentionScratch::Task& task, const float* q, std::int64_t ldq, float* out,
            std::int64_t ldo, float* scratch) {
  const auto run = [&](auto tile) {
    tile.scores();
    tile.softmax();
    tile.values();
    tile.write(sequence, task, out, ldo);
  };
  if (shape.kv == KvType::kF16)
    run(AttentionTile<L, std::uint16_t>(shape, sequence, task, q, ldq, scratch));
  else
    run(AttentionTile<L, float>(shape, sequence, task, q, ldq, scratch));
}

}  // namespace brinkmap::kernels
