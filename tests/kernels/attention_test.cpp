#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/half.h"

namespace brinkmap::kernels {
namespace {

// Queries, keys and values of one sequence and the cache pieces to run it from.
struct Sequence {
  std::int64_t length = 0;
  std::vector<float> q, k, v;  // [length, heads or kv_heads, head_dim]
};

struct Cache {
  Cache(const AttentionShape& shape, std::int64_t positions) {
    piece.capacity = (positions + kKvBlock - 1) / kKvBlock * kKvBlock;
    // A NaN in every cell that was never written: none may reach a result.
    keys.assign(key_bytes(shape, piece.capacity), 0xff);
    values.assign(value_bytes(shape, piece.capacity), 0xff);
    piece.keys = keys.data();
    piece.values = values.data();
  }
  std::vector<unsigned char> keys, values;
  KvPiece piece;
};

AttentionShape make_shape(int heads, int kv_heads, int head_dim, int window, KvType kv) {
  AttentionShape shape;
  shape.heads = heads;
  shape.kv_heads = kv_heads;
  shape.head_dim = head_dim;
  shape.window = window;
  shape.kv = kv;
  shape.scale = 1.0f / std::sqrt(static_cast<float>(head_dim));
  return shape;
}

Sequence random_sequence(const AttentionShape& shape, std::int64_t length, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0.0f, 1.0f);
  const auto fill = [&](int heads) {
    std::vector<float> x(static_cast<std::size_t>(length * heads * shape.head_dim));
    for (float& value : x) value = normal(generator);
    return x;
  };
  Sequence s;
  s.length = length;
  s.q = fill(shape.heads);
  s.k = fill(shape.kv_heads);
  s.v = fill(shape.kv_heads);
  return s;
}

float rounded(float x, KvType kv) { return kv == KvType::kF16 ? f16_to_f32(f32_to_f16(x)) : x; }

std::vector<double> expected(const AttentionShape& shape, const Sequence& s) {
  std::vector<double> out(s.q.size());
  const std::int64_t hd = shape.head_dim, group = shape.heads / shape.kv_heads;
  for (std::int64_t t = 0; t < s.length; ++t)
    for (std::int64_t h = 0; h < shape.heads; ++h) {
      const float* q = s.q.data() + (t * shape.heads + h) * hd;
      std::vector<double> p;
      const std::int64_t low = shape.window > 0 ? std::max<std::int64_t>(0, t - shape.window + 1) : 0;
      double top = -1e300, sum = 0;
      for (std::int64_t j = low; j <= t; ++j) {
        const float* k = s.k.data() + (j * shape.kv_heads + h / group) * hd;
        double dot = 0;
        for (std::int64_t d = 0; d < hd; ++d)
          dot += static_cast<double>(q[d]) * static_cast<double>(rounded(k[d], shape.kv));
        const double cap = static_cast<double>(shape.cap), score = dot * static_cast<double>(shape.scale);
        p.push_back(cap > 0 ? cap * std::tanh(score / cap) : score);
        top = std::max(top, p.back());
      }
      for (double& x : p) sum += x = std::exp(x - top);
      for (std::int64_t d = 0; d < hd; ++d) {
        double total = 0;
        for (std::int64_t j = low; j <= t; ++j)
          total += p[static_cast<std::size_t>(j - low)] *
                   static_cast<double>(rounded(
                       s.v[static_cast<std::size_t>((j * shape.kv_heads + h / group) * hd + d)], shape.kv));
        out[static_cast<std::size_t>((t * shape.heads + h) * hd + d)] = total / sum;
      }
    }
  return out;
}

// Runs the sequence in chunks, the first `prefix` positions (a multiple of 16) from a shared piece.
std::vector<float> run(const AttentionShape& shape, const Sequence& s, std::int64_t chunk,
                       std::int64_t prefix, int threads, Isa isa) {
  ThreadPool pool(threads);
  AttentionScratch scratch;
  Cache shared(shape, std::max<std::int64_t>(prefix, 1)), own(shape, s.length);
  const std::int64_t width = shape.heads * shape.head_dim, kv_width = shape.kv_heads * shape.head_dim;
  std::vector<float> out(s.q.size());
  for (std::int64_t at = 0; at < s.length;) {
    std::int64_t n = std::min(chunk, s.length - at);
    if (at < prefix) n = std::min(n, prefix - at);
    KvPiece& piece = at < prefix ? shared.piece : own.piece;
    const std::int64_t start = at < prefix ? at : at - prefix;
    store_kv(shape, s.k.data() + at * kv_width, s.v.data() + at * kv_width, n, kv_width, piece, start);
    piece.length = start + n;
    AttentionSequence sequence;
    if (at < prefix) {
      sequence.own = shared.piece;
    } else {
      sequence.prefix = shared.piece;
      sequence.own = own.piece;
    }
    sequence.rows = n;
    attention(shape, std::span(&sequence, 1), s.q.data() + at * width, width, out.data() + at * width, width,
              scratch, pool, isa);
    at += n;
  }
  return out;
}

void expect_near(const AttentionShape& shape, const Sequence& s, const std::vector<float>& found) {
  const auto exact = expected(shape, s);
  for (std::size_t i = 0; i < exact.size(); ++i)
    ASSERT_NEAR(static_cast<double>(found[i]), exact[i], 2e-5) << i;
}

void expect_same(const std::vector<float>& a, const std::vector<float>& b, const char* what) {
  ASSERT_EQ(a.size(), b.size());
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0) << what;
}

TEST(Attention, FollowsTheFormulaForGroupsHeadSizesWindowsAndCacheTypes) {
  const struct {
    int heads, kv_heads, head_dim, window;
  } shapes[] = {{4, 2, 64, 0}, {1, 1, 16, 0}, {6, 2, 40, 0},  {8, 1, 128, 0},
                {4, 4, 20, 0}, {4, 2, 32, 3}, {4, 2, 32, 70}, {40, 1, 8, 0}};
  for (const auto& c : shapes)
    for (KvType kv : {KvType::kF32, KvType::kF16}) {
      const auto shape = make_shape(c.heads, c.kv_heads, c.head_dim, c.window, kv);
      const auto s = random_sequence(shape, 150, 11);
      const auto scalar = run(shape, s, 150, 0, 1, Isa::kScalar);
      expect_near(shape, s, scalar);
      for (Isa isa : supported_isas())
        expect_same(scalar, run(shape, s, 150, 0, 2, isa), isa_name(isa).data());
    }
}

TEST(Attention, CapsScoresBeforeTheSoftmax) {
  auto shape = make_shape(4, 2, 32, 40, KvType::kF32);
  const auto s = random_sequence(shape, 90, 13);
  const auto free = run(shape, s, 90, 0, 1, active_isa());
  shape.cap = 1.5f;
  const auto scalar = run(shape, s, 90, 0, 1, Isa::kScalar);
  expect_near(shape, s, scalar);
  for (Isa isa : supported_isas()) expect_same(scalar, run(shape, s, 31, 32, 2, isa), isa_name(isa).data());
  EXPECT_NE(std::memcmp(free.data(), scalar.data(), free.size() * sizeof(float)), 0);
}

TEST(Attention, IsTheSameForAnyChunksPrefixAndThreads) {
  for (int window : {0, 20})
    for (KvType kv : {KvType::kF32, KvType::kF16}) {
      const auto shape = make_shape(6, 2, 48, window, kv);
      const auto s = random_sequence(shape, 203, 12);
      const auto whole = run(shape, s, 203, 0, 1, active_isa());
      for (std::int64_t chunk : {1, 7, 64, 203})
        for (std::int64_t prefix : {0, 16, 48, 112})
          for (int threads : {1, 3})
            expect_same(whole, run(shape, s, chunk, prefix, threads, active_isa()),
                        "chunk, prefix or threads");
    }
}

TEST(Attention, ASequenceDoesNotDependOnItsNeighbours) {
  const auto shape = make_shape(4, 2, 64, 0, KvType::kF32);
  const std::int64_t width = shape.heads * shape.head_dim, kv_width = shape.kv_heads * shape.head_dim;
  std::vector<Sequence> all;
  std::vector<Cache> caches;
  std::vector<AttentionSequence> batch;
  std::vector<float> q;
  for (std::int64_t length : {5, 1, 130, 64}) {
    all.push_back(random_sequence(shape, length, static_cast<unsigned>(length)));
    caches.emplace_back(shape, length);
    store_kv(shape, all.back().k.data(), all.back().v.data(), length, kv_width, caches.back().piece, 0);
    caches.back().piece.length = length;
    AttentionSequence sequence;
    sequence.own = caches.back().piece;
    sequence.first_row = static_cast<std::int64_t>(q.size()) / width;
    sequence.rows = length;
    batch.push_back(sequence);
    q.insert(q.end(), all.back().q.begin(), all.back().q.end());
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {  // the vectors have stopped moving
    batch[i].own.keys = caches[i].keys.data();
    batch[i].own.values = caches[i].values.data();
  }
  std::vector<float> out(q.size());
  ThreadPool pool(3);
  AttentionScratch scratch;
  attention(shape, batch, q.data(), width, out.data(), width, scratch, pool);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto alone = run(shape, all[i], all[i].length, 0, 1, active_isa());
    const auto first = out.begin() + batch[i].first_row * width;
    expect_same(alone, {first, first + static_cast<std::ptrdiff_t>(alone.size())}, "neighbours");
  }
}

TEST(Attention, ABrokenTokenDoesNotReachEarlierOnes) {
  const auto shape = make_shape(2, 2, 32, 0, KvType::kF32);
  auto s = random_sequence(shape, 90, 13);
  const auto clean = run(shape, s, 90, 0, 1, active_isa());
  const std::int64_t width = shape.heads * shape.head_dim;
  for (std::int64_t i = 70 * width; i < 71 * width; ++i)
    s.k[static_cast<std::size_t>(i)] = s.v[static_cast<std::size_t>(i)] =
        std::numeric_limits<float>::quiet_NaN();
  const auto broken = run(shape, s, 90, 0, 1, active_isa());
  EXPECT_EQ(std::memcmp(clean.data(), broken.data(), static_cast<std::size_t>(70 * width) * sizeof(float)),
            0);
  EXPECT_TRUE(std::isnan(broken[static_cast<std::size_t>(70 * width)]));
}

TEST(Attention, CopiesPositionsBitForBit) {
  for (KvType kv : {KvType::kF32, KvType::kF16}) {
    const auto shape = make_shape(2, 2, 20, 0, kv);
    const auto s = random_sequence(shape, 40, 14);
    const std::int64_t kv_width = shape.kv_heads * shape.head_dim;
    Cache first(shape, 48), second(shape, 16), direct(shape, 16);
    store_kv(shape, s.k.data(), s.v.data(), 40, kv_width, first.piece, 0);
    copy_kv(shape, first.piece, 30, second.piece, 3, 9);
    store_kv(shape, s.k.data() + 30 * kv_width, s.v.data() + 30 * kv_width, 9, kv_width, direct.piece, 3);
    EXPECT_EQ(second.keys, direct.keys);
    // Padding of the values is copied too, so compare what counts.
    const std::size_t element = kv == KvType::kF16 ? 2 : 4;
    for (std::size_t h = 0; h < 2; ++h)
      for (std::size_t p = 3; p < 12; ++p)
        EXPECT_EQ(std::memcmp(second.values.data() + (h * 16 + p) * 32 * element,
                              direct.values.data() + (h * 16 + p) * 32 * element, 20 * element),
                  0);
  }
}

}  // namespace
}  // namespace brinkmap::kernels
