#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "worker/calibration.h"
#include "worker/engine_forward.h"

namespace brinkmap::worker {

// The residual streams of all calibration sequences, held while one block after the other is quantized.
class BlockStreams {
 public:
  // The input of the first block. `forward` must outlive this.
  BlockStreams(const Calibration& calibration, int width, Forward& forward);

  // See (engine_forward.h) with the index of the first token it is shown.
  using Look =
      std::function<bool(Tap tap, const float* x, std::int64_t first, std::int64_t n, std::int64_t cols)>;

  // Moves the streams through block `layer`, or half of it, with weights w, in batches that depend on the
  // sequences alone. Where `look` ends a block the streams stay.
  void run(const LayerWeights& w, int layer, BlockPart part, const Look& look);

  // Copies of at most so many sequences, evenly spaced.
  BlockStreams sample(std::int64_t sequences) const;

  std::int64_t tokens() const noexcept { return sequences_ * length_; }
  std::int64_t sequences() const noexcept { return sequences_; }
  std::int64_t length() const noexcept { return length_; }

 private:
  BlockStreams(const BlockStreams& all, std::int64_t sequences);

  Forward* forward_;
  std::int64_t sequences_;
  std::int64_t length_;  // tokens of each
  std::int64_t width_;
  std::vector<float> x_;  // [sequences, length, width]
};

}  // namespace brinkmap::worker
