#include <algorithm>
#include <numeric>

#include "schedule/error.h"
#include "worker/hf_packed_parts.h"
#include "worker/hf_quantized.h"

namespace brinkmap::worker {

namespace {

// Both layouts stand transposed, outputs innermost: so many output rows are unpacked together.
constexpr std::int64_t kRowsEach = 64;

// w = scale * (code - zero), exactly: scales have at most 24 bits, but those of 16-bit scales leave room for
// the product with a zero point of 8 bits.
struct GroupParameters {
  std::vector<float> scales;  // [groups, rows]
  std::vector<float> mins;    // [groups, rows]
};

template <class Zero>
GroupParameters group_parameters(const SafeTensor& scales, std::int64_t groups, std::int64_t rows,
                                 const Zero& zero) {
  GroupParameters out{float_values(scales), {}};
  out.mins.resize(out.scales.size());
  for (std::int64_t g = 0; g < groups; ++g)
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto i = static_cast<std::size_t>(g * rows + r);
      out.mins[i] = -(out.scales[i] * static_cast<float>(zero(g, r)));
    }
  return out;
}

// Rows [0, rows) from codes that code(column, row) finds; stored group k takes its parameters from
// group_of[k].
template <class Code>
void put_rows(AffineRows& out, std::int64_t rows, std::int64_t cols, const GroupParameters& parameters,
              const std::vector<std::int64_t>& group_of, const Code& code) {
  std::vector<std::uint8_t> codes(static_cast<std::size_t>(kRowsEach * cols));
  std::vector<float> scales(group_of.size()), mins(group_of.size());
  for (std::int64_t first = 0; first < rows; first += kRowsEach) {
    const std::int64_t n = std::min(kRowsEach, rows - first);
    for (std::int64_t c = 0; c < cols; ++c)
      for (std::int64_t r = 0; r < n; ++r)
        codes[static_cast<std::size_t>(r * cols + c)] = static_cast<std::uint8_t>(code(c, first + r));
    for (std::int64_t r = 0; r < n; ++r) {
      for (std::size_t k = 0; k < group_of.size(); ++k) {
        const auto i = static_cast<std::size_t>(group_of[k] * rows + first + r);
        scales[k] = parameters.scales[i];
        mins[k] = parameters.mins[i];
      }
      out.put(first + r, codes.data() + r * cols, scales.data(), mins.data());
    }
  }
}

}  // namespace

// AutoAWQ, awq/utils/packing_utils.py: a word holds 8 outputs of one input, in the order of kNibble.
HfMatrix HfPacking::awq(const HfModule& parts, HfStorage& storage) const {
  static constexpr std::int64_t kNibble[8] = {0, 4, 1, 5, 2, 6, 3, 7};  // of output 8c + j
  const SafeTensor& words = packed_words(parts, "qweight");
  const std::int64_t cols = words.shape[0], row_words = words.shape[1], rows = 8 * row_words;
  const std::int64_t group = group_ == -1 ? cols : group_;
  if (cols % group != 0)
    fail_tensor(words, "rows of " + std::to_string(cols) + " weights are no multiple of the group of " +
                           std::to_string(group));
  const std::int64_t groups = cols / group, stored_group = affine_group(group);
  if (stored_group == 0)
    fail_tensor(words, "groups of " + std::to_string(group) +
                           " weights are no multiple of 32, which this build "
                           "needs (quantization_config.group_size)");
  const SafeTensor& zeros = packed_words(parts, "qzeros");
  packed_part(parts, "qzeros", "", {groups, row_words});
  const auto nibble = [&](const SafeTensor& packed, std::int64_t line, std::int64_t row) {
    return word_at(packed, line * row_words + row / 8) >> (4 * kNibble[row % 8]) & 15u;
  };
  const GroupParameters parameters =
      group_parameters(packed_part(parts, "scales", "", {groups, rows}), groups, rows,
                       [&](std::int64_t g, std::int64_t r) { return nibble(zeros, g, r); });
  std::vector<std::int64_t> group_of(static_cast<std::size_t>(cols / stored_group));
  for (std::size_t k = 0; k < group_of.size(); ++k)
    group_of[k] = static_cast<std::int64_t>(k) * stored_group / group;
  AffineRows out(rows, cols, 4, stored_group, storage);
  put_rows(out, rows, cols, parameters, group_of,
           [&](std::int64_t c, std::int64_t r) { return nibble(words, c, r); });
  return out.take(0);
}

// AutoGPTQ, nn_modules/qlinear: values in one stream of bits along the inputs, zero points along the outputs;
// input i takes the parameters of group g_idx[i].
HfMatrix HfPacking::gptq(const HfModule& parts, HfStorage& storage) const {
  const SafeTensor& words = packed_words(parts, "qweight");
  const std::int64_t rows = words.shape[1];
  if (words.shape[0] * 32 % bits_ != 0)
    fail_tensor(words, std::to_string(words.shape[0]) + " words hold no whole number of " +
                           std::to_string(bits_) + "-bit values");
  const std::int64_t cols = words.shape[0] * 32 / bits_;
  if (rows * bits_ % 32 != 0)
    fail_tensor(words, "zero points of " + std::to_string(rows) + " outputs fill no whole words");
  const std::int64_t group = group_ == -1 ? cols : group_;
  const std::int64_t groups = (cols + group - 1) / group, zero_words = rows * bits_ / 32;
  const SafeTensor& zeros = packed_words(parts, "qzeros");
  packed_part(parts, "qzeros", "", {groups, zero_words});

  // Columns in the order of their groups, so that a group stands together.
  std::vector<std::int64_t> column_group(static_cast<std::size_t>(cols));
  for (std::int64_t i = 0; i < cols; ++i) column_group[static_cast<std::size_t>(i)] = i / group;
  if (parts.contains("g_idx")) {
    const SafeTensor& index = packed_part(parts, "g_idx", "I32", {cols});
    for (std::int64_t i = 0; i < cols; ++i) {
      const auto g = static_cast<std::int32_t>(word_at(index, i));
      if (g < 0 || g >= groups)
        fail_tensor(index, "input " + std::to_string(i) + ": expected a group below " +
                               std::to_string(groups) + ", found " + std::to_string(g));
      column_group[static_cast<std::size_t>(i)] = g;
    }
  }
  std::vector<std::int32_t> order(static_cast<std::size_t>(cols));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return column_group[static_cast<std::size_t>(a)] < column_group[static_cast<std::size_t>(b)];
  });
  std::vector<std::int64_t> members(static_cast<std::size_t>(groups));
  for (const std::int64_t g : column_group) ++members[static_cast<std::size_t>(g)];
  std::int64_t common = 0;
  for (const std::int64_t n : members) common = std::gcd(common, n);
  const std::int64_t stored_group = affine_group(common);
  if (stored_group == 0) {
    const auto odd = std::find_if(members.begin(), members.end(), [](std::int64_t n) { return n % 32 != 0; });
    fail_tensor(words,
                "group " + std::to_string(odd - members.begin()) + " has " + std::to_string(*odd) +
                    " inputs; this build needs a multiple of 32 (quantization_config.group_size, g_idx)");
  }
  std::vector<std::int64_t> group_of(static_cast<std::size_t>(cols / stored_group));
  for (std::size_t k = 0; k < group_of.size(); ++k)
    group_of[k] = column_group[static_cast<std::size_t>(order[k * static_cast<std::size_t>(stored_group)])];

  const std::uint32_t mask = (1u << bits_) - 1;
  const GroupParameters parameters = group_parameters(
      packed_part(parts, "scales", "", {groups, rows}), groups, rows, [&](std::int64_t g, std::int64_t r) {
        const std::uint32_t stored = stream_value(zeros, g * zero_words, 1, r, bits_);
        return zero_is_one_less_ ? (stored + 1) & mask : stored;
      });
  AffineRows out(rows, cols, bits_, stored_group, storage);
  put_rows(out, rows, cols, parameters, group_of, [&](std::int64_t c, std::int64_t r) {
    return stream_value(words, r, rows, order[static_cast<std::size_t>(c)], bits_);
  });
  HfMatrix matrix = out.take(0);
  if (!std::is_sorted(order.begin(), order.end()))
    matrix.order = std::make_shared<const std::vector<std::int32_t>>(std::move(order));
  return matrix;
}

}  // namespace brinkmap::worker
