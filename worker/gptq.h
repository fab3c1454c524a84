#pragma once

#include <cstdint>
#include <memory>

#include "kernels/thread_pool.h"
#include "worker/group_codes.h"
#include "worker/hessian.h"

// GPTQ (Frantar et al. 2022, arXiv:2210.17323) in the form of AutoGPTQ's files: columns are rounded one after
// another, and what a column's rounding does to the layer's output is made up for by the columns that follow.
namespace brinkmap::worker {

struct GptqOptions {
  int bits = 4;                // 2, 3, 4 or 8
  std::int64_t group = 128;    // columns that share a scale: 32, 64 or 128; 0: the whole row
  bool act_order = false;      // columns of large inputs first
  bool static_groups = false;  // scales are fitted before anything moves, so that groups keep column order
  bool symmetric = false;      // zero in the middle of the codes
  double damping = 0.01;       // added to the Hessian's diagonal, as a share of its mean
};

// The order of columns and the factor of the inverse Hessian that all linear layers of one input share.
class GptqSolver {
 public:
  // Throws Error when the damped Hessian is not positive definite: an input was NaN or infinite.
  GptqSolver(const Hessian& hessian, const GptqOptions& options);

  // Codes of w[rows, cols], which must be finite. Rows are independent; the bits do not depend on threads.
  // A scale that exceeds binary16 is infinite in the result.
  GroupCodes quantize(const float* w, std::int64_t rows, kernels::ThreadPool& pool) const;

 private:
  struct Tile;
  void solve(Tile& tile) const;
  void solve_column(Tile& tile, std::int64_t i, std::int64_t block) const;

  GptqOptions options_;
  std::int64_t cols_ = 0;
  std::int64_t group_ = 0;
  std::vector<std::int32_t> order_;     // column taken at each position
  std::vector<std::int32_t> position_;  // of each column
  std::vector<char> dead_;              // columns whose input is always 0
  std::vector<float> factor_;           // [cols, cols] in positions: U of H^-1 = U^T U, upper triangle
};

}  // namespace brinkmap::worker
