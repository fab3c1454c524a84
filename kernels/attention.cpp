#include "kernels/attention.h"

#include <algorithm>
#include <cstring>

#include "kernels/attention_tile.h"
#include "kernels/half.h"

namespace brinkmap::kernels {

namespace {

AttendFunction attend_of(Isa isa) noexcept {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512Vnni) return kAttendAvx512Vnni;
  if (isa == Isa::kAvx2) return kAttendAvx2;
#endif
  (void)isa;
  return kAttendScalar;
}

std::int64_t padded(int head_dim) noexcept { return (head_dim + 15) / 16 * 16; }
std::size_t element(KvType kv) noexcept { return kv == KvType::kF16 ? 2 : 4; }

void round_to(float x, float* to) noexcept { *to = x; }
void round_to(float x, std::uint16_t* to) noexcept { *to = f32_to_f16(x); }

// Index of dimension 0 of a position's key; dimension d is 16 * d further.
std::int64_t key_index(int head_dim, std::int64_t capacity, std::int64_t head,
                       std::int64_t position) noexcept {
  return (head * capacity + position / kKvBlock * kKvBlock) * head_dim + position % kKvBlock;
}

template <class T>
void store(const AttentionShape& shape, const float* k, const float* v, std::int64_t rows, std::int64_t ld,
           const KvPiece& piece, std::int64_t at) noexcept {
  T* keys = static_cast<T*>(piece.keys);
  T* values = static_cast<T*>(piece.values);
  const std::int64_t dims = padded(shape.head_dim);
  for (std::int64_t h = 0; h < shape.kv_heads; ++h)
    for (std::int64_t t = 0; t < rows; ++t) {
      const float* key = k + t * ld + h * shape.head_dim;
      const float* value = v + t * ld + h * shape.head_dim;
      T* to = keys + key_index(shape.head_dim, piece.capacity, h, at + t);
      for (int d = 0; d < shape.head_dim; ++d) round_to(key[d], to + d * kKvBlock);
      to = values + (h * piece.capacity + at + t) * dims;
      for (int d = 0; d < shape.head_dim; ++d) round_to(value[d], to + d);
    }
}

template <class T>
void copy(const AttentionShape& shape, const KvPiece& source, std::int64_t from, const KvPiece& target,
          std::int64_t at, std::int64_t n) noexcept {
  const std::int64_t dims = padded(shape.head_dim);
  for (std::int64_t h = 0; h < shape.kv_heads; ++h)
    for (std::int64_t t = 0; t < n; ++t) {
      const T* key =
          static_cast<const T*>(source.keys) + key_index(shape.head_dim, source.capacity, h, from + t);
      T* to = static_cast<T*>(target.keys) + key_index(shape.head_dim, target.capacity, h, at + t);
      for (int d = 0; d < shape.head_dim; ++d) to[d * kKvBlock] = key[d * kKvBlock];
      std::memcpy(static_cast<T*>(target.values) + (h * target.capacity + at + t) * dims,
                  static_cast<const T*>(source.values) + (h * source.capacity + from + t) * dims,
                  static_cast<std::size_t>(dims) * sizeof(T));
    }
}

}  // namespace

std::size_t key_bytes(const AttentionShape& shape, std::int64_t capacity) noexcept {
  return static_cast<std::size_t>(shape.kv_heads) * static_cast<std::size_t>(capacity) *
         static_cast<std::size_t>(shape.head_dim) * element(shape.kv);
}

std::size_t value_bytes(const AttentionShape& shape, std::int64_t capacity) noexcept {
  return static_cast<std::size_t>(shape.kv_heads) * static_cast<std::size_t>(capacity) *
         static_cast<std::size_t>(padded(shape.head_dim)) * element(shape.kv);
}

void store_kv(const AttentionShape& shape, const float* k, const float* v, std::int64_t rows, std::int64_t ld,
              const KvPiece& piece, std::int64_t at) noexcept {
  if (shape.kv == KvType::kF16) return store<std::uint16_t>(shape, k, v, rows, ld, piece, at);
  store<float>(shape, k, v, rows, ld, piece, at);
}

void copy_kv(const AttentionShape& shape, const KvPiece& source, std::int64_t from, const KvPiece& target,
             std::int64_t at, std::int64_t n) noexcept {
  if (shape.kv == KvType::kF16) return copy<std::uint16_t>(shape, source, from, target, at, n);
  copy<float>(shape, source, from, target, at, n);
}

void attention(const AttentionShape& shape, std::span<const AttentionSequence> sequences, const float* q,
               std::int64_t ldq, float* out, std::int64_t ldo, AttentionScratch& scratch, ThreadPool& pool,
               Isa isa) {
  const std::int64_t group = shape.heads / shape.kv_heads;
  std::int64_t longest = 0;
  scratch.tasks.clear();
  for (std::size_t s = 0; s < sequences.size(); ++s) {
    longest = std::max(longest, sequences[s].prefix.length + sequences[s].own.length);
    const std::int64_t rows = sequences[s].rows * group;
    for (int h = 0; h < shape.kv_heads; ++h)
      for (std::int64_t at = 0; at < rows; at += kAttentionRows)
        scratch.tasks.push_back(
            {static_cast<std::int32_t>(s), h, at, std::min<std::int64_t>(rows, at + kAttentionRows)});
  }
  const std::size_t floats = static_cast<std::size_t>(attention_floats(shape.head_dim, longest));
  scratch.floats.resize(static_cast<std::size_t>(pool.threads()));
  for (std::vector<float>& memory : scratch.floats)
    if (memory.size() < floats) memory.resize(floats);
  const AttendFunction attend = attend_of(isa);
  pool.parallel_for(static_cast<std::int64_t>(scratch.tasks.size()), [&](std::int64_t i, int thread) {
    const AttentionScratch::Task& task = scratch.tasks[static_cast<std::size_t>(i)];
    attend(shape, sequences[static_cast<std::size_t>(task.sequence)], task, q, ldq, out, ldo,
           scratch.floats[static_cast<std::size_t>(thread)].data());
  });
}

}  // namespace brinkmap::kernels
