#include "worker/group_codes.h"

#include "kernels/half.h"

namespace brinkmap::worker {

GroupCodes::GroupCodes(int b, std::int64_t r, std::int64_t c, std::int64_t group)
    : bits(b),
      rows(r),
      cols(c),
      groups((c + group - 1) / group),
      codes(static_cast<std::size_t>(r * c)),
      scales(static_cast<std::size_t>(r * groups)),
      zeros(static_cast<std::size_t>(r * groups)),
      group_of(static_cast<std::size_t>(c)) {
  for (std::int64_t i = 0; i < c; ++i)
    group_of[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(i / group);
}

void decode(const GroupCodes& q, float* w) {
  for (std::int64_t r = 0; r < q.rows; ++r) {
    const std::uint8_t* codes = q.codes.data() + r * q.cols;
    const std::uint16_t* scales = q.scales.data() + r * q.groups;
    const std::uint8_t* zeros = q.zeros.data() + r * q.groups;
    for (std::int64_t c = 0; c < q.cols; ++c) {
      const std::int32_t g = q.group_of[static_cast<std::size_t>(c)];
      w[r * q.cols + c] = kernels::f16_to_f32(scales[g]) * static_cast<float>(codes[c] - zeros[g]);
    }
  }
}

}  // namespace brinkmap::worker
