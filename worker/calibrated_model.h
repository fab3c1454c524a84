#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "worker/block_streams.h"
#include "worker/calibrate.h"
#include "worker/group_codes.h"

namespace brinkmap::worker {

using LinearOf = Linear LayerWeights::*;

// A model whose blocks are quantized one after the other. Internal to calibrate().
class CalibratedModel {
 public:
  CalibratedModel(RowWeights base, const CalibratedRecipe& recipe, const Calibration& calibration,
                  kernels::ThreadPool& pool);

  const Model& model() const noexcept { return *model_; }
  BlockStreams& streams() noexcept { return streams_; }
  kernels::ThreadPool& pool() noexcept { return pool_; }
  [[noreturn]] void fail(const std::string& where, const std::string& what) const;

  // Where the weights of a linear layer stand: rows [first_row, first_row + rows) of a tensor that may hold
  // others.
  struct Place {
    std::string tensor;
    std::int64_t first_row = 0;
  };
  Place place(int layer, const Linear& linear) const;

  // The tensors that hold these layers, each once, in order. Layers that the model lacks are left out.
  std::vector<std::string> tensors(int layer, std::span<const LinearOf> linears) const;

  // A base tensor's values, row by row.
  std::vector<float> read(const std::string& tensor) const;
  void put(const std::string& tensor, const GroupCodes& codes);
  void put(const std::string& tensor, const std::vector<float>& values);
  bool has(const std::string& tensor) const { return row_.tensors.contains(tensor); }

  // Lets w compute with what was put for these layers.
  void rebind(int layer, LayerWeights& w, std::span<const LinearOf> linears) const;

  // The row, once every linear layer of every block was put.
  RowWeights finish();

 private:
  std::shared_ptr<const Model> model_;
  RowWeights row_;
  CalibratedRecipe recipe_;
  kernels::ThreadPool& pool_;
  Forward forward_;
  BlockStreams streams_;
  std::set<std::string> done_;
};

// The two methods, block after block.
void calibrate_gptq(CalibratedModel& model, const GptqOptions& options);
void calibrate_awq(CalibratedModel& model, std::int64_t group);

}  // namespace brinkmap::worker
