#include "worker/calibrated_model.h"

#include <algorithm>
#include <cmath>

#include "schedule/error.h"
#include "worker/gguf_parse.h"
#include "worker/group_tensor.h"

namespace brinkmap::worker {

namespace {

EngineOptions f32_options() {
  EngineOptions options;
  options.activations = kernels::ActivationBatch::Kind::kF32;
  return options;
}

// The model, when the method and the calibration fit it.
std::shared_ptr<const Model> checked(RowWeights base, const Calibration& calibration) {
  const std::string name = base.recipe, path = base.file->path();
  const auto fail = [&](const std::string& where, const std::string& what) {
    throw InputError(path, where, "recipe " + name + ": " + what);
  };
  if (calibration.sequences.empty())
    fail("",
         "needs calibration text, and none is given (key 'calibration' of a job, --calibration elsewhere)");
  auto model = load_model(std::move(base));
  const ModelConfig& c = model->config;
  if (std::any_of(c.kinds.begin(), c.kinds.end(), [](const LayerKind& kind) { return kind.recurrent; }))
    fail("metadata key 'general.architecture'",
         "expected a model without recurrent blocks, found " + c.architecture->name);
  if (calibration.length > c.context)
    fail("", "calibration sequences of " + std::to_string(calibration.length) +
                 " tokens exceed the context of " + std::to_string(c.context));
  for (const auto& tokens : calibration.sequences)
    for (std::int32_t token : tokens)
      if (token < 0 || token >= c.vocab)
        fail("", "calibration token " + std::to_string(token) + " is outside the vocabulary");
  return model;
}

}  // namespace

CalibratedModel::CalibratedModel(RowWeights base, const CalibratedRecipe& recipe,
                                 const Calibration& calibration, kernels::ThreadPool& pool)
    : model_(checked(std::move(base), calibration)),
      row_(model_->row),
      recipe_(recipe),
      pool_(pool),
      forward_(model_, f32_options(), pool),
      streams_(calibration, model_->config.width, forward_) {}

void CalibratedModel::fail(const std::string& where, const std::string& what) const {
  throw InputError(model_->path(), where, "recipe " + row_.recipe + ": " + what);
}

CalibratedModel::Place CalibratedModel::place(int layer, const Linear& linear) const {
  const std::string block = "blk." + std::to_string(layer) + ".";
  const auto& tensors = model_->row.tensors;
  for (auto it = tensors.lower_bound(block); it != tensors.end() && it->first.starts_with(block); ++it) {
    const std::span<const std::byte> data = it->second.data;
    if (linear.weight.data < data.data() || linear.weight.data >= data.data() + data.size()) continue;
    const std::size_t row = kernels::row_bytes(linear.weight.format, linear.weight.cols);
    return {it->first,
            static_cast<std::int64_t>(static_cast<std::size_t>(linear.weight.data - data.data()) / row)};
  }
  throw Error("block " + std::to_string(layer) + ": a linear layer of no tensor");
}

std::vector<std::string> CalibratedModel::tensors(int layer, std::span<const LinearOf> linears) const {
  std::vector<std::string> names;
  for (LinearOf linear : linears) {
    const Linear& of = model_->layers[static_cast<std::size_t>(layer)].*linear;
    if (of.weight.data == nullptr) continue;
    std::string name = place(layer, of).tensor;
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
  }
  return names;
}

std::vector<float> CalibratedModel::read(const std::string& tensor) const {
  const RowTensor& from = model_->row.tensors.at(tensor);
  const std::int64_t cols = from.shape[0];
  std::int64_t rows = 1;
  for (std::size_t d = 1; d < from.shape.size(); ++d) rows *= from.shape[d];
  std::vector<float> values(static_cast<std::size_t>(rows * cols));
  const std::size_t row = kernels::row_bytes(from.format, cols);
  pool_.parallel_for(rows, [&](std::int64_t r, int) {
    kernels::dequantize(from.format, from.data.data() + static_cast<std::size_t>(r) * row,
                        values.data() + r * cols, cols);
  });
  return values;
}

void CalibratedModel::put(const std::string& tensor, const GroupCodes& codes) {
  for (std::size_t i = 0; i < codes.scales.size(); ++i)
    if ((codes.scales[i] & 0x7c00u) == 0x7c00u)
      fail("tensor '" + printable(tensor) + "'",
           "row " + std::to_string(i / static_cast<std::size_t>(codes.groups)) +
               " needs a scale above binary16");
  RowTensor& to = row_.tensors.at(tensor);
  to = affine_tensor(codes);
  to.stored_bytes = packed_bytes(recipe_, codes.rows, codes.cols);
  done_.insert(tensor);
}

void CalibratedModel::put(const std::string& tensor, const std::vector<float>& values) {
  RowTensor& to = row_.tensors.at(tensor);
  to.format = kernels::Format::kF32;
  const auto bytes = std::as_bytes(std::span<const float>(values));
  to.owned = std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end());
  to.data = *to.owned;
  to.stored_bytes = 0;
}

void CalibratedModel::rebind(int layer, LayerWeights& w, std::span<const LinearOf> linears) const {
  for (LinearOf linear : linears) {
    const Linear& from = model_->layers[static_cast<std::size_t>(layer)].*linear;
    if (from.weight.data == nullptr) continue;
    const Place at = place(layer, from);
    const RowTensor& tensor = row_.tensors.at(at.tensor);
    kernels::WeightView& view = (w.*linear).weight;
    view.format = tensor.format;
    view.data = tensor.data.data() +
                static_cast<std::size_t>(at.first_row) * kernels::row_bytes(view.format, view.cols);
    view.order = tensor.order == nullptr ? nullptr : tensor.order->data();
  }
}

RowWeights CalibratedModel::finish() {
  double elements = 0;
  row_.bytes = 0;
  for (const auto& [name, tensor] : row_.tensors) {
    if (is_block_linear(name) && !done_.contains(name))
      fail("tensor '" + printable(name) + "'", "this build cannot show the inputs of such a layer");
    double n = 1;
    for (std::int64_t extent : tensor.shape) n *= static_cast<double>(extent);
    elements += n;
    row_.bytes += tensor.stored_bytes != 0 ? tensor.stored_bytes : tensor.data.size();
  }
  row_.bits_per_weight = static_cast<double>(row_.bytes) * 8 / elements;
  return std::move(row_);
}

RowWeights calibrate(RowWeights base, const CalibratedRecipe& recipe, const Calibration& calibration,
                     kernels::ThreadPool& pool) {
  CalibratedModel model(std::move(base), recipe, calibration, pool);
  if (recipe.method == CalibratedRecipe::Method::kGptq)
    calibrate_gptq(model, recipe.options);
  else
    calibrate_awq(model, recipe.options.group);
  return model.finish();
}

}  // namespace brinkmap::worker
