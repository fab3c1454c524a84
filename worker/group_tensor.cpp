#include "worker/group_tensor.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "kernels/half.h"

namespace brinkmap::worker {

namespace {

std::int64_t block_columns(const GroupCodes& q) {
  if (q.groups > 1) return q.cols / q.groups;
  return q.cols % 128 == 0 ? 128 : q.cols % 64 == 0 ? 64 : 32;
}

}  // namespace

RowTensor affine_tensor(const GroupCodes& q) {
  const std::int64_t group = block_columns(q);
  RowTensor out;
  out.format = kernels::affine_format(q.bits, static_cast<int>(group));
  out.shape = {q.cols, q.rows};
  std::vector<std::int32_t> order(static_cast<std::size_t>(q.cols));
  std::iota(order.begin(), order.end(), 0);
  if (!std::is_sorted(q.group_of.begin(), q.group_of.end())) {
    std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
      return q.group_of[static_cast<std::size_t>(a)] < q.group_of[static_cast<std::size_t>(b)];
    });
    out.order = std::make_shared<const std::vector<std::int32_t>>(order);
  }
  const int bits = kernels::affine_shape(out.format).bits, each = 8 / bits;
  const std::size_t row_bytes = kernels::row_bytes(out.format, q.cols);
  out.owned = std::make_shared<std::vector<std::byte>>(row_bytes * static_cast<std::size_t>(q.rows));
  out.data = *out.owned;
  std::byte* to = out.owned->data();
  for (std::int64_t r = 0; r < q.rows; ++r)
    for (std::int64_t c = 0; c < q.cols; c += group) {
      const std::int64_t g =
          r * q.groups + q.group_of[static_cast<std::size_t>(order[static_cast<std::size_t>(c)])];
      const float scale = kernels::f16_to_f32(q.scales[static_cast<std::size_t>(g)]);
      const float min = -(scale * static_cast<float>(q.zeros[static_cast<std::size_t>(g)]));
      std::memcpy(to, &scale, sizeof(scale));
      std::memcpy(to + sizeof(scale), &min, sizeof(min));
      to += 2 * sizeof(float);
      for (std::int64_t i = 0; i < group; i += each) {
        unsigned byte = 0;
        for (int j = 0; j < each; ++j) {
          const auto column = order[static_cast<std::size_t>(c + i + j)];
          byte |= static_cast<unsigned>(q.codes[static_cast<std::size_t>(r * q.cols + column)]) << (j * bits);
        }
        *to++ = static_cast<std::byte>(byte);
      }
    }
  return out;
}

}  // namespace brinkmap::worker
