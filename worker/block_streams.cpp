#include "worker/block_streams.h"

#include <algorithm>

namespace brinkmap::worker {

namespace {

constexpr std::int64_t kBatchTokens = 2048;  // bounds the memory of a pass; sequences are not cut

}  // namespace

BlockStreams::BlockStreams(const Calibration& calibration, int width, Forward& forward)
    : forward_(&forward),
      sequences_(static_cast<std::int64_t>(calibration.sequences.size())),
      length_(calibration.length),
      width_(width),
      x_(static_cast<std::size_t>(sequences_ * length_ * width_)) {
  float* to = x_.data();
  for (const std::vector<std::int32_t>& tokens : calibration.sequences) {
    forward.embed(tokens, to);
    to += length_ * width_;
  }
}

BlockStreams::BlockStreams(const BlockStreams& all, std::int64_t sequences)
    : forward_(all.forward_), sequences_(sequences), length_(all.length_), width_(all.width_) {
  const std::int64_t each = length_ * width_;
  x_.reserve(static_cast<std::size_t>(sequences_ * each));
  for (std::int64_t i = 0; i < sequences_; ++i) {
    const auto from = all.x_.begin() + i * all.sequences_ / sequences_ * each;
    x_.insert(x_.end(), from, from + each);
  }
}

BlockStreams BlockStreams::sample(std::int64_t sequences) const {
  return {*this, std::min(sequences, sequences_)};
}

void BlockStreams::run(const LayerWeights& w, int layer, BlockPart part, const Look& look) {
  const std::int64_t each = std::max<std::int64_t>(1, kBatchTokens / length_);
  for (std::int64_t first = 0; first < sequences_; first += each) {
    const std::vector<std::int64_t> lengths(static_cast<std::size_t>(std::min(each, sequences_ - first)),
                                            length_);
    const auto see = [&](Tap tap, const float* x, std::int64_t n, std::int64_t cols) {
      return look(tap, x, first * length_, n, cols);
    };
    forward_->block(w, layer, lengths, x_.data() + first * length_ * width_, look ? See(see) : See(), part);
  }
}

}  // namespace brinkmap::worker
