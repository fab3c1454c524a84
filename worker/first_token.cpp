#include "worker/first_token.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "kernels/ops.h"

namespace brinkmap::worker {

FirstToken first_token(std::span<const float> logits, std::int32_t largest, kernels::Isa isa) {
  const float top = logits[static_cast<std::size_t>(largest)];
  std::vector<float> below(logits.size()), weight(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) below[i] = logits[i] - top;
  kernels::exp(below.data(), weight.data(), static_cast<std::int64_t>(logits.size()), isa);
  double sum = 0, squares = 0, weighted = 0;
  float least = 0;
  std::array<float, 5> five{};  // largest first; weights are never negative
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double w = weight[i];
    sum += w;
    squares += w * w;
    weighted += w * below[i];
    least = std::min(least, below[i]);
    if (!(weight[i] > five.back())) continue;
    five.back() = weight[i];
    for (std::size_t k = five.size() - 1; k > 0 && five[k] > five[k - 1]; --k)
      std::swap(five[k], five[k - 1]);
  }
  double of_five = 0;
  for (const float w : five) of_five += w;
  FirstToken out;
  out.token = largest;
  out.entropy = std::max(0.0, std::log(sum) - weighted / sum);
  out.top1 = weight[static_cast<std::size_t>(largest)] / sum;
  out.top5 = std::min(1.0, of_five / sum);
  out.gini = std::max(0.0, 1 - squares / (sum * sum));
  out.range = -static_cast<double>(least);
  return out;
}

}  // namespace brinkmap::worker
