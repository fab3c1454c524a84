#include "kernels/delta_net.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/delta_net_rows.h"

namespace brinkmap::kernels {

namespace {

const DeltaTable& table_of(Isa isa) noexcept {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512Vnni) return kAvx512VnniDelta;
  if (isa == Isa::kAvx2) return kAvx2Delta;
#endif
  (void)isa;
  return kScalarDelta;
}

constexpr std::int64_t kPiece = 32;  // tokens that a thread convolves at a time

class DeltaPass {
 public:
  DeltaPass(const DeltaShape& shape, const DeltaWeights& weights, DeltaScratch& scratch, ThreadPool& pool,
            Isa isa)
      : shape_(shape), weights_(weights), scratch_(scratch), pool_(pool), table_(table_of(isa)) {}

  // Everything that tokens do by themselves.
  void prepare(std::span<const DeltaSequence> sequences, const float* qkv, const float* alpha,
               const float* beta) {
    const std::int64_t channels = shape_.channels();
    struct Piece {
      const DeltaSequence* sequence;
      std::int64_t begin, end;
    };
    std::vector<Piece> pieces;
    for (const DeltaSequence& s : sequences)
      for (std::int64_t t = 0; t < s.rows; t += kPiece)
        pieces.push_back({&s, t, std::min(s.rows, t + kPiece)});
    pool_.parallel_for(static_cast<std::int64_t>(pieces.size()), [&](std::int64_t i, int) {
      const auto& [s, begin, end] = pieces[static_cast<std::size_t>(i)];
      for (std::int64_t t = begin; t < end; ++t) {
        const float* inputs[kMostTaps];
        for (int tap = 0; tap < shape_.taps; ++tap) inputs[tap] = input(*s, qkv, t - (shape_.taps - 1 - tap));
        float* y = scratch_.mixed.data() + (s->first_row + t) * channels;
        table_.convolve(inputs, shape_.taps, weights_.convolution, y, channels);
        const float scale = 1.0f / std::sqrt(static_cast<float>(shape_.key_dim));
        for (int h = 0; h < 2 * shape_.key_heads; ++h)
          table_.normalize(y + std::int64_t{h} * shape_.key_dim, shape_.key_dim,
                           h < shape_.key_heads ? scale : 1.0f);
        gates(alpha, beta, s->first_row + t);
      }
    });
    // Only now: the pieces read the old inputs.
    pool_.parallel_for(static_cast<std::int64_t>(sequences.size()), [&](std::int64_t i, int) {
      const DeltaSequence& s = sequences[static_cast<std::size_t>(i)];
      for (std::int64_t j = 0; j < shape_.taps - 1;
           ++j)  // ascending: what is read lies at or after what is set
        std::memmove(s.state + j * channels, input(s, qkv, s.rows - (shape_.taps - 1) + j),
                     static_cast<std::size_t>(channels) * sizeof(float));
    });
  }

  void recur(std::span<const DeltaSequence> sequences, float* out) {
    const std::int64_t channels = shape_.channels();
    const std::int64_t keys = std::int64_t{shape_.key_heads} * shape_.key_dim;
    const std::int64_t head_floats = std::int64_t{(shape_.value_dim + 15) / 16} * shape_.key_dim * 16;
    const std::int64_t heads = shape_.value_heads;
    pool_.parallel_for(static_cast<std::int64_t>(sequences.size()) * heads, [&](std::int64_t i, int) {
      const DeltaSequence& s = sequences[static_cast<std::size_t>(i / heads)];
      const std::int64_t h = i % heads;
      const float* row = scratch_.mixed.data() + s.first_row * channels;
      DeltaHead head;
      head.state = s.state + (shape_.taps - 1) * channels + h * head_floats;
      head.q = row + h % shape_.key_heads * shape_.key_dim;
      head.k = head.q + keys;
      head.v = row + 2 * keys + h * shape_.value_dim;
      head.ld = channels;
      head.keep = scratch_.keep.data() + s.first_row * heads + h;
      head.write = scratch_.write.data() + s.first_row * heads + h;
      head.gates = heads;
      head.out = out + s.first_row * shape_.values() + h * shape_.value_dim;
      head.values = shape_.values();
      head.rows = s.rows;
      table_.recur(head, shape_.key_dim, shape_.value_dim);
    });
  }

 private:
  // In f64: a decay close to 1 is multiplied by itself once a token.
  void gates(const float* alpha, const float* beta, std::int64_t row) {
    for (int h = 0; h < shape_.value_heads; ++h) {
      const std::int64_t at = row * shape_.value_heads + h;
      const double x = static_cast<double>(alpha[at]) + static_cast<double>(weights_.step_bias[h]);
      const double softplus = x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
      scratch_.keep[static_cast<std::size_t>(at)] =
          static_cast<float>(std::exp(static_cast<double>(weights_.decay[h]) * softplus));
      scratch_.write[static_cast<std::size_t>(at)] =
          static_cast<float>(1 / (1 + std::exp(-static_cast<double>(beta[at]))));
    }
  }

  // Convolution input of token t of this call; those before it lie in the state.
  const float* input(const DeltaSequence& s, const float* qkv, std::int64_t t) const {
    const std::int64_t channels = shape_.channels();
    return t < 0 ? s.state + (shape_.taps - 1 + t) * channels : qkv + (s.first_row + t) * channels;
  }

  const DeltaShape& shape_;
  const DeltaWeights& weights_;
  DeltaScratch& scratch_;
  ThreadPool& pool_;
  const DeltaTable& table_;
};

void grow(std::vector<float>& buffer, std::int64_t n) {
  if (buffer.size() < static_cast<std::size_t>(n)) buffer.resize(static_cast<std::size_t>(n));
}

}  // namespace

void delta_net(const DeltaShape& shape, const DeltaWeights& weights, std::span<const DeltaSequence> sequences,
               const float* qkv, const float* alpha, const float* beta, float* out, DeltaScratch& scratch,
               ThreadPool& pool, Isa isa) {
  std::int64_t n = 0;
  for (const DeltaSequence& s : sequences) n = std::max(n, s.first_row + s.rows);
  grow(scratch.mixed, n * shape.channels());
  grow(scratch.keep, n * shape.value_heads);
  grow(scratch.write, n * shape.value_heads);
  DeltaPass pass(shape, weights, scratch, pool, isa);
  pass.prepare(sequences, qkv, alpha, beta);
  pass.recur(sequences, out);
}

}  // namespace brinkmap::kernels
