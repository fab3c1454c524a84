#include "worker/decoded.h"

#include <algorithm>
#include <span>
#include <utility>

#include "worker/recipe_table.h"

namespace brinkmap::worker {

namespace {

using kernels::Format;

bool is_quantized(const GgufTensor& tensor) { return kernels::format_info(tensor.format).block != 1; }

// Rows of `tensor` as F32, column j of a stored row at its input order[j].
std::vector<float> decode(const GgufTensor& tensor, kernels::ThreadPool& pool) {
  const std::int64_t cols = tensor.shape[0];
  const std::int64_t rows = tensor.elements() / cols;
  std::vector<float> weights(static_cast<std::size_t>(tensor.elements()));
  // Sized here because a task must not throw.
  std::vector<std::vector<float>> stored(static_cast<std::size_t>(pool.threads()));
  if (tensor.order)
    for (auto& row : stored) row.resize(static_cast<std::size_t>(cols));
  pool.parallel_for(rows, [&](std::int64_t r, int thread) {
    const std::byte* blocks = tensor.data.data() + kernels::row_bytes(tensor.format, r * cols);
    float* out = weights.data() + r * cols;
    if (!tensor.order) {
      kernels::dequantize(tensor.format, blocks, out, cols);
      return;
    }
    float* row = stored[static_cast<std::size_t>(thread)].data();
    kernels::dequantize(tensor.format, blocks, row, cols);
    for (std::int64_t j = 0; j < cols; ++j) out[(*tensor.order)[static_cast<std::size_t>(j)]] = row[j];
  });
  return weights;
}

// What decoded tensors point into.
struct Decoded {
  std::shared_ptr<const Checkpoint> file;
  std::vector<std::vector<float>> weights;
};

// `file` with `weights_of` each quantized tensor in its place; `file` itself when there is none.
template <class WeightsOf>
std::shared_ptr<const Checkpoint> twin(std::shared_ptr<const Checkpoint> file, const WeightsOf& weights_of) {
  if (std::none_of(file->tensors().begin(), file->tensors().end(), is_quantized)) return file;
  auto decoded = std::make_shared<Decoded>();
  CheckpointParts parts;
  parts.path = file->path();
  parts.keys = file->keys();
  parts.metadata = file->metadata();
  parts.bytes = file->bytes();
  parts.sha256 = [file] { return file->sha256(); };
  for (const GgufTensor& tensor : file->tensors()) {
    parts.tensors.push_back(tensor);
    if (!is_quantized(tensor)) continue;
    const std::vector<float>& weights = decoded->weights.emplace_back(weights_of(tensor));
    GgufTensor& made = parts.tensors.back();
    made.format = Format::kF32;
    made.data = std::as_bytes(std::span(weights));
    made.stored_bytes = weights.empty() ? static_cast<std::uint64_t>(tensor.elements()) * sizeof(float) : 0;
    made.order = nullptr;
  }
  decoded->file = std::move(file);
  parts.owner = std::move(decoded);
  return Checkpoint::make(std::move(parts));
}

}  // namespace

std::shared_ptr<const Checkpoint> decode_checkpoint(std::shared_ptr<const Checkpoint> file,
                                                    kernels::ThreadPool& pool) {
  return twin(std::move(file), [&](const GgufTensor& tensor) { return decode(tensor, pool); });
}

std::shared_ptr<const Checkpoint> decoded_shapes(std::shared_ptr<const Checkpoint> file) {
  return twin(std::move(file), [](const GgufTensor&) { return std::vector<float>(); });
}

bool keeps_formats(std::string_view recipe) {
  const RecipeSpec* known = find_recipe(recipe);
  return known != nullptr && !known->format;
}

}  // namespace brinkmap::worker
