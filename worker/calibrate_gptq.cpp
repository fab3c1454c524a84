#include <array>

#include "schedule/error.h"
#include "worker/calibrated_model.h"

namespace brinkmap::worker {

namespace {

// Layers of one input, in the order in which a block computes them.
struct Stage {
  Tap tap{};
  BlockPart part{};
  std::vector<LinearOf> linears;
};

const std::array<Stage, 4>& stages() {
  static const std::array<Stage, 4> all = {
      Stage{Tap::kAttentionIn, BlockPart::kAttention, {&LayerWeights::q, &LayerWeights::k, &LayerWeights::v}},
      Stage{Tap::kMix, BlockPart::kAttention, {&LayerWeights::output}},
      Stage{Tap::kFeedIn, BlockPart::kFeedForward, {&LayerWeights::gate, &LayerWeights::up}},
      Stage{Tap::kDownIn, BlockPart::kFeedForward, {&LayerWeights::down}}};
  return all;
}

void run_stage(CalibratedModel& model, int layer, LayerWeights& w, const Stage& stage, BlockPart part,
               const GptqOptions& options) {
  Hessian hessian((w.*stage.linears.front()).weight.data != nullptr ? (w.*stage.linears.front()).weight.cols
                                                                    : (w.*stage.linears.back()).weight.cols);
  model.streams().run(w, layer, part,
                      [&](Tap tap, const float* x, std::int64_t, std::int64_t n, std::int64_t cols) {
                        if (tap != stage.tap) return true;
                        hessian.add(x, n, cols, model.pool());
                        return false;
                      });
  try {
    const GptqSolver solver(hessian, options);
    for (const std::string& tensor : model.tensors(layer, stage.linears)) {
      const std::vector<float> weights = model.read(tensor);
      const auto rows = static_cast<std::int64_t>(weights.size()) / hessian.cols();
      model.put(tensor, solver.quantize(weights.data(), rows, model.pool()));
    }
  } catch (const InputError&) {
    throw;
  } catch (const Error& error) {
    model.fail("block " + std::to_string(layer), error.what());
  }
  model.rebind(layer, w, stage.linears);
}

}  // namespace

void calibrate_gptq(CalibratedModel& model, const GptqOptions& options) {
  const auto layers = static_cast<int>(model.model().layers.size());
  // Both halves of a parallel block read the same input, so it runs as a whole.
  const bool parallel = model.model().config.architecture->parallel;
  for (int l = 0; l < layers; ++l) {
    LayerWeights w = model.model().layers[static_cast<std::size_t>(l)];
    for (const Stage& stage : stages()) {
      const BlockPart part = parallel ? BlockPart::kWhole : stage.part;
      run_stage(model, l, w, stage, part, options);
      const bool ends_half = stage.tap == Tap::kDownIn || (!parallel && stage.tap == Tap::kMix);
      const bool ends_model = stage.tap == Tap::kDownIn && l == layers - 1;
      if (ends_half && !ends_model) model.streams().run(w, l, part, {});
    }
  }
}

}  // namespace brinkmap::worker
