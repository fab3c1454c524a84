#pragma once

#include <cstdint>
#include <span>

#include "kernels/thread_pool.h"

// Causal grouped-query attention over a ragged batch: every sequence has its own cache and its own number of new tokens.
namespace brinkmap::kernels {

enum class KvType : std::uint8_t { kF32, kF16 };

// One sequence's keys and values of one layer, as one or two pieces: an optional shared prefix (positions [0,
// prefix_len), computed once for many sequences) and the sequence's own part. A piece is [capacity, kv_heads, head_dim]
// in KvType, row p = position.
struct KvPiece {
  void* keys = nullptr;
  void* values = nullptr;
  std::int32_t length = 0;  // positions it holds after this step's new tokens were written
};

struct AttentionSequence {
  KvPiece prefix;           // length 0 when none
  KvPiece own;              // own.length counts this step's new tokens
  std::int64_t first_row = 0;  // its new tokens are rows [first_row, first_row + rows) of q and out
  std::int32_t rows = 0;
};

struct AttentionShape {
  int heads = 0;
  int kv_heads = 0;  // divides heads
  int head_dim = 0;
  float scale = 0;   // 1 / sqrt(head_dim) usually
  int window = 0;    // > 0: position i sees j with 0 <= i - j < window
  KvType kv = KvType::kF32;
};

// Stores new keys or values x[rows, kv_heads * head_dim] (leading dimension ld) at positions [at, at + rows) of a
// piece's buffer, rounding to `kv`.
void store_kv(const float* x, std::int64_t rows, std::int64_t ld, void* buffer, std::int64_t at, int kv_heads,
              int head_dim, KvType kv) noexcept;

// out[t, h, :] = softmax(scale * q[t, h] . k[j, h / group]) over visible j, times v. q and out: [n, heads * head_dim]
// with leading dimensions ldq and ldo. The order of every sum depends only on the positions, not on the batch, the
// threads or whether a prefix is shared.
void attention(const AttentionShape& shape, std::span<const AttentionSequence> sequences, const float* q,
               std::int64_t ldq, float* out, std::int64_t ldo, ThreadPool& pool);

}  // namespace brinkmap::kernels
