#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/isa.h"
#include "kernels/thread_pool.h"

// Causal grouped-query attention over a ragged batch: every sequence has its own cache and its own number of
// new tokens.
//
// out[t, h] = sum_j p_j v[j], p = softmax over the visible positions j of scale * q[t, h] . k[j] (capped, if
// the shape says so). Order of
// every sum: a score adds the head dimensions in order; the softmax denominator adds sixteen lanes (j mod
// 16), each in order of j, then the lanes pairwise; an output adds the positions in order. So the bits depend
// only on the positions: not on the batch, the chunks of a prompt, the threads, a shared prefix or the
// instruction set.
namespace brinkmap::kernels {

enum class KvType : std::uint8_t { kF32, kF16 };

// Positions a key block holds. Capacities and the length of a shared prefix are multiples of it.
inline constexpr int kKvBlock = 16;

struct AttentionShape {
  int heads = 0;
  int kv_heads = 0;  // divides heads
  int head_dim = 0;
  float scale = 0;  // 1 / sqrt(head_dim) usually
  float cap = 0;    // > 0: a scaled score becomes cap * tanh(score / cap)
  int window = 0;   // > 0: position i sees j with 0 <= i - j < window
  KvType kv = KvType::kF32;
};

// Cache layout, head by head. Keys: [kv_heads][capacity / 16][head_dim][16], so that a vector holds one
// dimension of sixteen positions. Values: [kv_heads][capacity][head_dim rounded up to 16].
std::size_t key_bytes(const AttentionShape& shape, std::int64_t capacity) noexcept;
std::size_t value_bytes(const AttentionShape& shape, std::int64_t capacity) noexcept;

// A piece of one sequence's cache of one layer. The buffers are key_bytes and value_bytes long, not owned;
// every float in them must be readable (zeroed once), also beyond `length`.
struct KvPiece {
  void* keys = nullptr;
  void* values = nullptr;
  std::int64_t capacity = 0;  // positions there is room for, a multiple of kKvBlock
  std::int64_t length = 0;    // positions held
};

// Positions [0, prefix.length) lie in `prefix`, shared read-only by many sequences, the later ones in `own`.
struct AttentionSequence {
  KvPiece prefix;              // length 0 when none, else a multiple of kKvBlock
  KvPiece own;                 // own.length counts this step's new tokens
  std::int64_t first_row = 0;  // its newest tokens are rows [first_row, first_row + rows) of q and out
  std::int64_t rows = 0;
};

// Stores keys and values of new tokens, k and v[rows, kv_heads * head_dim] with leading dimension ld, at
// positions [at, at + rows) of the piece, rounded to shape.kv (to nearest even).
void store_kv(const AttentionShape& shape, const float* k, const float* v, std::int64_t rows, std::int64_t ld,
              const KvPiece& piece, std::int64_t at) noexcept;

// Copies positions [from, from + n) of a piece to [at, at + n) of another, bit for bit.
void copy_kv(const AttentionShape& shape, const KvPiece& source, std::int64_t from, const KvPiece& target,
             std::int64_t at, std::int64_t n) noexcept;

// Working memory of attention(): grows to what the largest call needs (per thread 32 rows of scores over the
// longest sequence) and is reused.
class AttentionScratch {
 public:
  struct Task {  // query rows [begin, end) of one key head of one sequence; a row is (token, head of the
                 // group)
    std::int32_t sequence;
    std::int32_t kv_head;
    std::int64_t begin;
    std::int64_t end;
  };
  std::vector<Task> tasks;
  std::vector<std::vector<float>> floats;  // [thread]
};

// q and out: [n, heads * head_dim] with leading dimensions ldq and ldo; out must not overlap q. `isa` must be
// in supported_isas().
void attention(const AttentionShape& shape, std::span<const AttentionSequence> sequences, const float* q,
               std::int64_t ldq, float* out, std::int64_t ldo, AttentionScratch& scratch, ThreadPool& pool,
               Isa isa = active_isa());

}  // namespace brinkmap::kernels
