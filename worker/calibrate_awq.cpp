#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>

#include "schedule/error.h"
#include "worker/awq.h"
#include "worker/calibrated_model.h"

namespace brinkmap::worker {

namespace {

constexpr std::int64_t kSearchTokens = 4096;

// What AWQ wants to know of the inputs of one group of layers.
class Feature {
 public:
  Feature(std::int64_t tokens, bool squares)
      : tokens_(tokens), step_(std::max<std::int64_t>(1, tokens / kAwqClipTokens)), squares_(squares) {}

  void add(const float* x, std::int64_t first, std::int64_t n, std::int64_t cols, kernels::ThreadPool& pool) {
    sums_.resize(static_cast<std::size_t>(cols));
    pool.parallel_for((cols + kColumns - 1) / kColumns, [&](std::int64_t task, int) {
      const std::int64_t end = std::min(cols, (task + 1) * kColumns);
      for (std::int64_t t = 0; t < n; ++t)
        for (std::int64_t c = task * kColumns; c < end; ++c)
          sums_[static_cast<std::size_t>(c)] += static_cast<double>(std::abs(x[t * cols + c]));
    });
    for (std::int64_t t = 0; t < n; ++t)
      if ((first + t) % step_ == 0) sample_.insert(sample_.end(), x + t * cols, x + (t + 1) * cols);
    if (!squares_) return;
    if (!hessian_) hessian_.emplace(cols);
    hessian_->add(x, n, cols, pool);
  }

  std::vector<float> mean() const {
    std::vector<float> mean(sums_.size());
    for (std::size_t c = 0; c < mean.size(); ++c)
      mean[c] = static_cast<float>(sums_[c] / static_cast<double>(tokens_));
    return mean;
  }
  const Hessian& hessian() const { return *hessian_; }

  // Every step-th token's input, divided by the scales that were folded away.
  std::vector<float> sample(const std::vector<float>& scales) const {
    std::vector<float> x = sample_;
    if (!scales.empty())
      for (std::size_t i = 0; i < x.size(); ++i) x[i] /= scales[i % scales.size()];
    return x;
  }
  std::int64_t samples() const { return static_cast<std::int64_t>(sample_.size() / sums_.size()); }

 private:
  static constexpr std::int64_t kColumns = 64;
  std::int64_t tokens_;
  std::int64_t step_;
  bool squares_;
  std::vector<double> sums_;   // of magnitudes, by column
  std::vector<float> sample_;  // [samples, cols]
  std::optional<Hessian> hessian_;
};

class AwqBlock {
 public:
  AwqBlock(CalibratedModel& model, int layer, std::int64_t group)
      : model_(model),
        layer_(layer),
        group_(group),
        w_(model.model().layers[static_cast<std::size_t>(layer)]) {
    for (const std::string& name : model.tensors(layer, kAll)) tensors_.emplace(name, model.read(name));
  }

  void run() {
    const bool output_scaled =
        w_.v.weight.rows == w_.output.weight.rows && w_.v.weight.cols == w_.output.weight.cols;
    BlockStreams& streams = model_.streams();
    const std::int64_t tokens = streams.tokens();
    const std::int64_t searched = std::max<std::int64_t>(1, kSearchTokens / streams.length());

    Feature attention_in(tokens, false), mix(tokens, output_scaled), feed_in(tokens, false),
        down_in(tokens, true);
    BlockStreams sample = streams.sample(searched);
    look(BlockPart::kAttention, {{Tap::kAttentionIn, &attention_in}, {Tap::kMix, &mix}});
    const auto in_scales =
        search(sample, kAttentionLinears, BlockPart::kAttention, Tap::kAttentionOut, attention_in);
    const auto mix_scales = output_scaled ? search(&LayerWeights::output, mix) : std::vector<float>();
    sample = streams.sample(searched);
    look(BlockPart::kFeedForward, {{Tap::kFeedIn, &feed_in}, {Tap::kDownIn, &down_in}});
    const auto feed_scales = search(sample, kFeedLinears, BlockPart::kFeedForward, Tap::kFeedOut, feed_in);
    const auto down_scales = search(&LayerWeights::down, down_in);

    fold_into_norm("attn_norm", in_scales, kAttentionLinears);
    if (output_scaled) fold_into_rows(&LayerWeights::v, "attn_v.bias", mix_scales, &LayerWeights::output);
    fold_into_norm(model_.model().config.architecture->ffn_norm, feed_scales, kFeedLinears);
    fold_into_rows(&LayerWeights::up, "ffn_up.bias", down_scales, &LayerWeights::down);

    clip(&LayerWeights::v, attention_in, in_scales);  // queries and keys are not clipped
    clip(&LayerWeights::output, mix, mix_scales);
    clip(&LayerWeights::gate, feed_in, feed_scales);
    clip(&LayerWeights::up, feed_in, feed_scales);
    clip(&LayerWeights::down, down_in, down_scales);
    for (const auto& [name, values] : tensors_) {
      const std::int64_t cols = cols_of(name);
      model_.put(name, awq_quantize({values.data(), static_cast<std::int64_t>(values.size()) / cols, cols},
                                    group_, model_.pool()));
    }
  }

 private:
  static constexpr std::array<LinearOf, 3> kAttentionLinears = {&LayerWeights::q, &LayerWeights::k,
                                                                &LayerWeights::v};
  static constexpr std::array<LinearOf, 2> kFeedLinears = {&LayerWeights::gate, &LayerWeights::up};
  static constexpr std::array<LinearOf, 7> kAll = {
      &LayerWeights::q,    &LayerWeights::k,  &LayerWeights::v,   &LayerWeights::output,
      &LayerWeights::gate, &LayerWeights::up, &LayerWeights::down};

  struct Matrix {
    float* data = nullptr;
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    operator MatrixView() const { return {data, rows, cols}; }
  };

  Matrix matrix(LinearOf linear) {
    const kernels::WeightView& view = (w_.*linear).weight;
    const CalibratedModel::Place at = model_.place(layer_, w_.*linear);
    return {tensors_.at(at.tensor).data() + at.first_row * view.cols, view.rows, view.cols};
  }

  std::int64_t cols_of(const std::string& tensor) const {
    return model_.model().row.tensors.at(tensor).shape[0];
  }
  std::string name(const std::string& tensor) const { return "blk." + std::to_string(layer_) + "." + tensor; }

  // Moves the streams and keeps what is seen on the way.
  void look(BlockPart part, const std::map<Tap, Feature*>& features) {
    model_.streams().run(w_, layer_, part,
                         [&](Tap tap, const float* x, std::int64_t first, std::int64_t n, std::int64_t cols) {
                           if (const auto it = features.find(tap); it != features.end())
                             it->second->add(x, first, n, cols, model_.pool());
                           return true;
                         });
  }

  std::vector<float> best(const Feature& feature, std::span<const MatrixView> matrices,
                          const std::function<double(std::span<const float>)>& loss) {
    try {
      return awq_best_scales(feature.mean(), awq_weight_mean(matrices, group_), loss);
    } catch (const Error& error) {
      model_.fail("block " + std::to_string(layer_), error.what());
    }
  }

  // Scales for layers of one input, judged by what the half of the block adds to the stream.
  std::vector<float> search(BlockStreams& sample, std::span<const LinearOf> linears, BlockPart part, Tap out,
                            const Feature& feature) {
    LayerWeights w = w_;
    std::vector<MatrixView> matrices;
    std::vector<std::vector<float>> rounded;
    for (LinearOf linear : linears) {
      const MatrixView m = matrices.emplace_back(matrix(linear));
      const std::vector<float>& values = rounded.emplace_back(static_cast<std::size_t>(m.rows * m.cols));
      (w.*linear).weight = {kernels::Format::kF32, reinterpret_cast<const std::byte*>(values.data()), m.rows,
                            m.cols};
    }
    std::vector<float> expected;
    sample.run(w_, layer_, part,
               [&](Tap tap, const float* x, std::int64_t, std::int64_t n, std::int64_t cols) {
                 if (tap != out) return true;
                 expected.insert(expected.end(), x, x + n * cols);
                 return false;
               });
    return best(feature, matrices, [&](std::span<const float> scales) {
      for (std::size_t i = 0; i < matrices.size(); ++i)
        awq_round(matrices[i], scales, group_, rounded[i].data(), model_.pool());
      double error = 0;
      sample.run(w, layer_, part,
                 [&](Tap tap, const float* x, std::int64_t first, std::int64_t n, std::int64_t cols) {
                   if (tap != out) return true;
                   for (std::int64_t i = 0; i < n * cols; ++i) {
                     const double d =
                         static_cast<double>(x[i] - expected[static_cast<std::size_t>(first * cols + i)]);
                     error += d * d;
                   }
                   return false;
                 });
      return error;
    });
  }

  // Scales for a layer that is judged by its own output, on all tokens.
  std::vector<float> search(LinearOf linear, const Feature& feature) {
    const MatrixView m = matrix(linear);
    std::vector<float> change(static_cast<std::size_t>(m.rows * m.cols));
    return best(feature, {&m, 1}, [&](std::span<const float> scales) {
      awq_round(m, scales, group_, change.data(), model_.pool());
      for (std::size_t i = 0; i < change.size(); ++i) change[i] -= m.data[i];
      return feature.hessian().error(change.data(), m.rows, model_.pool());
    });
  }

  void scale_columns(LinearOf linear, const std::vector<float>& scales) {
    const Matrix m = matrix(linear);
    for (std::int64_t i = 0; i < m.rows * m.cols; ++i)
      m.data[i] *= scales[static_cast<std::size_t>(i % m.cols)];
  }

  void divide(const std::string& tensor, const std::vector<float>& scales) {
    std::vector<float> values = model_.read(tensor);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] /= scales[i];
    model_.put(tensor, values);
  }

  void fold_into_norm(const std::string& norm, const std::vector<float>& scales,
                      std::span<const LinearOf> linears) {
    divide(name(norm + ".weight"), scales);
    for (LinearOf linear : linears) scale_columns(linear, scales);
  }

  void fold_into_rows(LinearOf before, const std::string& bias, const std::vector<float>& scales,
                      LinearOf linear) {
    const Matrix m = matrix(before);
    for (std::int64_t i = 0; i < m.rows * m.cols; ++i)
      m.data[i] /= scales[static_cast<std::size_t>(i / m.cols)];
    if (model_.has(name(bias))) divide(name(bias), scales);
    scale_columns(linear, scales);
  }

  void clip(LinearOf linear, const Feature& feature, const std::vector<float>& scales) {
    const Matrix m = matrix(linear);
    const std::vector<float> x = feature.sample(scales);
    awq_clip(m.data, m.rows, m.cols, group_, x.data(), feature.samples(), model_.pool());
  }

  CalibratedModel& model_;
  int layer_;
  std::int64_t group_;
  LayerWeights w_;
  std::map<std::string, std::vector<float>> tensors_;  // the block's linear layers, being changed
};

}  // namespace

void calibrate_awq(CalibratedModel& model, std::int64_t group) {
  const Architecture& a = *model.model().config.architecture;
  if (a.parallel || !a.gated || a.layer_norm)
    model.fail("metadata key 'general.architecture'",
               "expected serial blocks with RMS norms and gated feed-forward parts, found " + a.name);
  for (std::size_t l = 0; l < model.model().layers.size(); ++l)
    AwqBlock(model, static_cast<int>(l), group).run();
}

}  // namespace brinkmap::worker
