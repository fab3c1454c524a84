#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "kernels/quantize_group.h"

// Encodes f32 weights from standard input with the encoders of kernels/quantize_group.h, for comparison with
// the tools they follow (test_mlx.py, test_bitsandbytes.py). Little-endian arrays on standard output:
//   encode_groups mlx BITS GROUP f32|f16|bf16  scales, mins (f32, one a group), codes (a byte a weight)
//   encode_groups nf4                          absmax (f32, one a block of 64), codes
//   encode_groups nf4-dq                       offset, scales (f32), codes of absmax (bytes), decoded absmax,
//   codes
namespace {

using namespace brinkmap::kernels;

std::vector<float> read_weights() {
  std::vector<float> all;
  std::vector<float> piece(1 << 16);
  while (const std::size_t n = std::fread(piece.data(), sizeof(float), piece.size(), stdin))
    all.insert(all.end(), piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(n));
  return all;
}

template <class T>
void write(const std::vector<T>& values) {
  std::fwrite(values.data(), sizeof(T), values.size(), stdout);
}

void mlx(const std::vector<float>& in, int bits, int group, ScaleType type) {
  const Format format = affine_format(bits, group);
  const FormatInfo& info = format_info(format);
  const int stored = affine_shape(format).bits;
  std::vector<std::uint8_t> blocks(in.size() / static_cast<std::size_t>(group) *
                                   static_cast<std::size_t>(info.bytes));
  quantize_mlx(in.data(), blocks.data(), static_cast<std::int64_t>(in.size()), bits, group, type);
  std::vector<float> scales, mins;
  std::vector<std::uint8_t> codes;
  for (std::size_t at = 0; at < blocks.size(); at += static_cast<std::size_t>(info.bytes)) {
    const float* head = reinterpret_cast<const float*>(blocks.data() + at);
    scales.push_back(head[0]);
    mins.push_back(head[1]);
    for (int i = 0; i < group; ++i)
      codes.push_back(static_cast<std::uint8_t>(blocks[at + 8 + static_cast<std::size_t>(i * stored / 8)] >>
                                                    (i * stored % 8) &
                                                ((1 << stored) - 1)));
  }
  write(scales);
  write(mins);
  write(codes);
}

void nf4(const std::vector<float>& in, bool nested) {
  std::vector<BlockNF4> blocks(in.size() / kNF4Block);
  quantize_nf4(in.data(), blocks.data(), static_cast<std::int64_t>(in.size()));
  if (nested) {
    std::vector<std::uint8_t> codes(blocks.size());
    std::vector<float> scales((blocks.size() + 255) / 256);
    Nf4Nested stored{0, codes, scales};
    nest_nf4_scales(blocks, stored);
    write(std::vector<float>{stored.offset});
    write(scales);
    write(codes);
  }
  std::vector<float> absmax;
  std::vector<std::uint8_t> codes;
  for (const BlockNF4& block : blocks) {
    absmax.push_back(block.absmax);
    for (int i = 0; i < kNF4Block; ++i)
      codes.push_back(static_cast<std::uint8_t>(block.qs[i / 2] >> (i % 2 * 4) & 15));
  }
  write(absmax);
  write(codes);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string tool = argc > 1 ? argv[1] : "";
  if (tool == "mlx" && argc == 5) {
    const std::string type = argv[4];
    mlx(read_weights(), std::atoi(argv[2]), std::atoi(argv[3]),
        type == "bf16"  ? ScaleType::kBF16
        : type == "f16" ? ScaleType::kF16
                        : ScaleType::kF32);
  } else if ((tool == "nf4" || tool == "nf4-dq") && argc == 2) {
    nf4(read_weights(), tool == "nf4-dq");
  } else {
    std::fputs("encode_groups: see the comment at the top of tests/oracles/encode_groups.cpp\n", stderr);
    return 2;
  }
}
