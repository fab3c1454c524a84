#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "kernels/gemm_panel.h"
#include "kernels/isa.h"
#include "tests/kernels/random_blocks.h"

namespace brinkmap::kernels {
namespace {

const GemmKernels& kernels_of(Isa isa) {
  return isa == Isa::kScalar ? gemm_kernels_scalar()
         : isa == Isa::kAvx2 ? gemm_kernels_avx2()
                             : gemm_kernels_avx512vnni();
}

struct PanelBuffer {
  AlignedBuffer<std::uint8_t> codes;
  AlignedBuffer<float> scales, mins, weights;
  PanelBuffer() {
    codes.reserve(kStripRows * kChunk);
    for (AlignedBuffer<float>* b : {&scales, &mins}) b->reserve(kStripRows * kChunk / 16);
    weights.reserve(kStripRows * kChunk);
  }
  Panel view() const { return {codes.data(), scales.data(), mins.data()}; }
};

int chunk_for(const FormatInfo& info, int k) { return k / info.block * info.block; }

TEST(Unpack, GivesTheSameBytesWithEveryInstructionSet) {
  for (Format format : tests::kAllFormats) {
    const CodeLayout* layout = code_layout(format);
    if (layout == nullptr) continue;
    for (int k : {32, 96, 256}) {
      if (chunk_for(format_info(format), k) != k) continue;
      const auto stride = static_cast<std::ptrdiff_t>(row_bytes(format, k));
      const std::vector<std::byte> rows = tests::random_blocks(format, kStripRows, k, 3);
      const PanelBuffer expected;
      unpack_scalar(format, rows.data(), stride, k, expected.view());
      for (Isa isa : supported_isas()) {
        const PanelBuffer got;
        kernels_of(isa).unpack(format, rows.data(), stride, k, got.view());
        const auto n = static_cast<std::size_t>(k * kStripRows);
        const auto label = std::string(format_info(format).name) + " " + std::string(isa_name(isa));
        EXPECT_EQ(0, std::memcmp(expected.codes.data(), got.codes.data(), n)) << label;
        const std::size_t groups = n / static_cast<std::size_t>(layout->group);
        EXPECT_EQ(0, std::memcmp(expected.scales.data(), got.scales.data(), groups * 4)) << label;
        if (layout->min_group == 0) continue;
        const std::size_t min_groups = n / static_cast<std::size_t>(layout->min_group);
        EXPECT_EQ(0, std::memcmp(expected.mins.data(), got.mins.data(), min_groups * 4)) << label;
      }
    }
  }
}

TEST(Unpack, LosesNothing) {
  for (Isa isa : supported_isas())
    for (Format format : tests::kAllFormats) {
      const int k = 256;
      const auto stride = static_cast<std::ptrdiff_t>(row_bytes(format, k));
      const std::vector<std::byte> rows = tests::random_blocks(format, kStripRows, k, 5);
      const PanelBuffer panel;
      const CodeLayout* layout = code_layout(format);
      if (layout != nullptr) {
        kernels_of(isa).unpack(format, rows.data(), stride, k, panel.view());
        kernels_of(isa).expand(*layout, panel.view(), k, panel.weights.data());
      } else {
        kernels_of(isa).unpack_float(format, rows.data(), stride, k, panel.weights.data());
      }
      std::vector<float> expected(static_cast<std::size_t>(k));
      for (int r = 0; r < kStripRows; ++r) {
        dequantize(format, rows.data() + r * stride, expected.data(), k);
        for (int i = 0; i < k; ++i)
          // Bit for bit but for the sign of a zero, which no sum of products can see.
          ASSERT_EQ(expected[static_cast<std::size_t>(i)], panel.weights.data()[i * kStripRows + r])
              << format_info(format).name << " " << isa_name(isa) << " row " << r << " weight " << i;
      }
    }
}

TEST(Unpack, KeepsCodesWithinTheLayoutsLargest) {
  for (Format format : tests::kAllFormats) {
    const CodeLayout* layout = code_layout(format);
    if (layout == nullptr) continue;
    const PanelBuffer panel;
    const std::vector<std::byte> rows = tests::random_blocks(format, kStripRows, 256, 9);
    unpack_scalar(format, rows.data(), static_cast<std::ptrdiff_t>(row_bytes(format, 256)), 256,
                  panel.view());
    int largest = 0;
    for (int i = 0; i < kStripRows * 256; ++i) largest = std::max<int>(largest, panel.codes.data()[i]);
    EXPECT_EQ(largest, layout->max_code) << format_info(format).name;
  }
}

}  // namespace
}  // namespace brinkmap::kernels
