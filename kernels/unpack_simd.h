#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/block.h"
#include "kernels/format.h"
#include "kernels/gemm_panel.h"

// Unpacking for any vector width. L (in gemm_avx2.cpp and gemm_avx512vnni.cpp) holds one 32-bit word of
// L::kLanes rows a register. L::load4 transposes 16 bytes of each row into four registers, and everything
// after that is the same few word operations for all rows: shift, mask, store. Bit positions are those of
// kernels/block.h; the plain versions are in unpack_scalar.cpp.
//
// No function of the standard library is called: these sources are built for one instruction set, and a
// shared out-of-line copy could be the one that another CPU runs.
#if defined(__clang__)
#define BRINKMAP_UNROLL _Pragma("unroll")
#else
#define BRINKMAP_UNROLL _Pragma("GCC unroll 16")
#endif

namespace brinkmap::kernels {

template <class L>
struct Unpack {
  using Reg = typename L::Reg;
  using Float = typename L::Float;

  static constexpr std::uint32_t kNibbles = 0x0f0f0f0fu;

  // The panel from the lanes' first row on.
  std::uint8_t* codes;
  float* scales;
  float* mins;

  void put_codes(int quad, Reg v) const noexcept { L::store_codes(codes + quad * kStripRows * 4, v); }
  void put_scale(int group, Float v) const noexcept { L::store(scales + group * kStripRows, v); }
  void put_min(int group, Float v) const noexcept { L::store(mins + group * kStripRows, v); }
  static Float low_half(Reg v) noexcept { return L::half(v); }
  static Float high_half(Reg v) noexcept { return L::half(L::shr(v, 16)); }

  // Legacy blocks: `at` counts blocks.
  void q8_0(const std::uint8_t* p, std::ptrdiff_t stride, int at) const noexcept {
    put_scale(at, low_half(L::gather(p, stride)));
    BRINKMAP_UNROLL
    for (int part = 0; part < 2; ++part) {
      Reg v[4];
      L::load4(p + 2 + 16 * part, stride, v);
      BRINKMAP_UNROLL
      for (int i = 0; i < 4; ++i) put_codes(8 * at + 4 * part + i, L::bit_xor(v[i], 0x80808080u));
    }
  }

  // kTable: nibbles stand for IQ4 levels.
  template <bool kMin, bool kTable = false>
  void q4(const std::uint8_t* p, std::ptrdiff_t stride, int at) const noexcept {
    const Reg head = L::gather(p, stride);
    put_scale(at, low_half(head));
    if constexpr (kMin) put_min(at, high_half(head));
    Reg v[4];
    L::load4(p + (kMin ? 4 : 2), stride, v);
    BRINKMAP_UNROLL
    for (int i = 0; i < 4; ++i) {
      const Reg low = L::bit_and(v[i], kNibbles), high = L::bit_and(L::shr(v[i], 4), kNibbles);
      put_codes(8 * at + i, kTable ? L::iq4(low) : low);
      put_codes(8 * at + 4 + i, kTable ? L::iq4(high) : high);
    }
  }

  template <bool kMin>
  void q5(const std::uint8_t* p, std::ptrdiff_t stride, int at) const noexcept {
    const Reg head = L::gather(p, stride);
    put_scale(at, low_half(head));
    if constexpr (kMin) put_min(at, high_half(head));
    const Reg high = L::gather(p + (kMin ? 4 : 2), stride);
    Reg v[4];
    L::load4(p + (kMin ? 8 : 6), stride, v);
    BRINKMAP_UNROLL
    for (int i = 0; i < 4; ++i) {
      // The four bits of codes 4i.. are half a byte of the word; those of codes 16 + 4i.. are two bytes
      // further up.
      const std::uint32_t bits = i % 2 == 0 ? 0x08040201u : 0x80402010u;
      put_codes(8 * at + i,
                L::bit_or(L::bit_and(v[i], kNibbles), L::sixteen_where(L::dup_byte(high, i / 2), bits)));
      put_codes(8 * at + 4 + i, L::bit_or(L::bit_and(L::shr(v[i], 4), kNibbles),
                                          L::sixteen_where(L::dup_byte(high, 2 + i / 2), bits)));
    }
  }

  void q2_k(const std::uint8_t* p, std::ptrdiff_t stride) const noexcept {
    const Reg head = L::gather(p + 80, stride);
    put_scale(0, low_half(head));
    const Float dmin = high_half(head);
    Reg s[4];
    L::load4(p, stride, s);
    BRINKMAP_UNROLL
    for (int g = 0; g < 16; ++g)
      put_min(g, L::neg(L::mul(dmin, L::byte(L::bit_and(L::shr(s[g / 4], 4), kNibbles), g % 4))));
    for (int half = 0; half < 2; ++half) BRINKMAP_UNROLL
    for (int l = 0; l < 2; ++l) {
      Reg v[4];
      L::load4(p + 16 + 32 * half + 16 * l, stride, v);
      BRINKMAP_UNROLL
      for (int j = 0; j < 4; ++j) {
        // Group 8 half + 2 j + l; no product of a 2-bit code and a 4-bit scale carries into the next byte.
        const Reg word = j < 2 ? s[2 * half] : s[2 * half + 1];
        const Reg scale = L::wide_byte(L::bit_and(word, kNibbles), 2 * (j % 2) + l);
        BRINKMAP_UNROLL
        for (int i = 0; i < 4; ++i)
          put_codes(32 * half + 8 * j + 4 * l + i,
                    L::mul16(L::bit_and(L::shr(v[i], 2 * j), 0x03030303u), scale));
      }
    }
  }

  void q3_k(const std::uint8_t* p, std::ptrdiff_t stride) const noexcept {
    // Bytes 94 to 109: the last two of qs, the 12 of scales, d. Loading at 96 would reach past the block.
    Reg tail[4];
    L::load4(p + 94, stride, tail);
    put_scale(0, high_half(tail[3]));
    Reg s[3];
    BRINKMAP_UNROLL
    for (int i = 0; i < 3; ++i) s[i] = L::bit_or(L::shr(tail[i], 16), L::shl(tail[i + 1], 16));
    Reg six[4];
    BRINKMAP_UNROLL
    for (int i = 0; i < 4; ++i)
      six[i] = L::bit_or(L::bit_and(L::shr(s[i % 2], i < 2 ? 0 : 4), kNibbles),
                         L::shl(L::bit_and(L::shr(s[2], 2 * i), 0x03030303u), 4));
    BRINKMAP_UNROLL
    for (int l = 0; l < 2; ++l) {
      Reg high[4];
      L::load4(p + 16 * l, stride, high);
      BRINKMAP_UNROLL
      for (int half = 0; half < 2; ++half) {
        Reg low[4];
        L::load4(p + 32 + 32 * half + 16 * l, stride, low);
        BRINKMAP_UNROLL
        for (int j = 0; j < 4; ++j) {
          const int group = 8 * half + 2 * j + l;
          const Reg scale = L::sub16(L::wide_byte(six[group / 4], group % 4), 32);
          BRINKMAP_UNROLL
          for (int i = 0; i < 4; ++i) {
            const Reg top = L::shl(L::bit_and(L::shr(high[i], 4 * half + j), 0x01010101u), 2);
            const Reg code = L::bit_or(L::bit_and(L::shr(low[i], 2 * j), 0x03030303u), top);
            // Even and odd bytes apart; the wanted number is the low byte of each 16-bit result.
            const Reg even = L::add16(L::mul16(L::sub16(L::bit_and(code, 0x00ff00ffu), 4), scale), 124);
            const Reg odd =
                L::add16(L::mul16(L::sub16(L::bit_and(L::shr(code, 8), 0x00ff00ffu), 4), scale), 124);
            put_codes(32 * half + 8 * j + 4 * l + i, L::bit_or(even, L::shl(odd, 8)));
          }
        }
      }
    }
  }

  // The head of Q4_K and Q5_K: d, dmin and twelve bytes of six-bit scales and mins (scale_min_k4).
  void head_k4(const std::uint8_t* p, std::ptrdiff_t stride) const noexcept {
    Reg v[4];
    L::load4(p, stride, v);
    const Float d = low_half(v[0]), dmin = high_half(v[0]);
    const Reg scale[2] = {L::bit_and(v[1], 0x3f3f3f3fu),
                          L::bit_or(L::bit_and(v[3], kNibbles), L::bit_and(L::shr(v[1], 2), 0x30303030u))};
    const Reg min[2] = {L::bit_and(v[2], 0x3f3f3f3fu), L::bit_or(L::bit_and(L::shr(v[3], 4), kNibbles),
                                                                 L::bit_and(L::shr(v[2], 2), 0x30303030u))};
    BRINKMAP_UNROLL
    for (int g = 0; g < 8; ++g) {
      put_scale(g, L::mul(d, L::byte(scale[g / 4], g % 4)));
      put_min(g, L::neg(L::mul(dmin, L::byte(min[g / 4], g % 4))));
    }
  }

  void q4_k(const std::uint8_t* p, std::ptrdiff_t stride) const noexcept {
    head_k4(p, stride);
    for (int part = 0; part < 8; ++part) {
      Reg v[4];
      L::load4(p + 16 + 16 * part, stride, v);
      const int quad = part / 2 * 16 + part % 2 * 4;
      BRINKMAP_UNROLL
      for (int i = 0; i < 4; ++i) {
        put_codes(quad + i, L::bit_and(v[i], kNibbles));
        put_codes(quad + 8 + i, L::bit_and(L::shr(v[i], 4), kNibbles));
      }
    }
  }

  void q5_k(const std::uint8_t* p, std::ptrdiff_t stride) const noexcept {
    head_k4(p, stride);
    for (int l = 0; l < 2; ++l) {
      Reg high[4];
      L::load4(p + 16 + 16 * l, stride, high);
      BRINKMAP_UNROLL
      for (int h = 0; h < 4; ++h) {
        Reg v[4];
        L::load4(p + 48 + 32 * h + 16 * l, stride, v);
        BRINKMAP_UNROLL
        for (int i = 0; i < 4; ++i) {
          const Reg bit0 = L::shl(L::bit_and(L::shr(high[i], 2 * h), 0x01010101u), 4);
          const Reg bit1 = L::shl(L::bit_and(L::shr(high[i], 2 * h + 1), 0x01010101u), 4);
          put_codes(16 * h + 4 * l + i, L::bit_or(L::bit_and(v[i], kNibbles), bit0));
          put_codes(16 * h + 8 + 4 * l + i, L::bit_or(L::bit_and(L::shr(v[i], 4), kNibbles), bit1));
        }
      }
    }
  }

  void q6_k(const std::uint8_t* p, std::ptrdiff_t stride) const noexcept {
    Reg s[4];
    L::load4(p + 192, stride, s);
    const Float d = high_half(L::gather(p + 206, stride));
    BRINKMAP_UNROLL
    for (int g = 0; g < 16; ++g) put_scale(g, L::mul(d, L::signed_byte(s[g / 4], g % 4)));
    for (int half = 0; half < 2; ++half)
      for (int l = 0; l < 2; ++l) {
        Reg a[4], b[4], high[4];
        L::load4(p + 64 * half + 16 * l, stride, a);
        L::load4(p + 64 * half + 32 + 16 * l, stride, b);
        L::load4(p + 128 + 32 * half + 16 * l, stride, high);
        const int quad = 32 * half + 4 * l;
        BRINKMAP_UNROLL
        for (int i = 0; i < 4; ++i) {
          const Reg h = high[i];
          constexpr std::uint32_t kTop = 0x30303030u;
          put_codes(quad + i, L::bit_or(L::bit_and(a[i], kNibbles), L::bit_and(L::shl(h, 4), kTop)));
          put_codes(quad + 8 + i, L::bit_or(L::bit_and(b[i], kNibbles), L::bit_and(L::shl(h, 2), kTop)));
          put_codes(quad + 16 + i, L::bit_or(L::bit_and(L::shr(a[i], 4), kNibbles), L::bit_and(h, kTop)));
          put_codes(quad + 24 + i,
                    L::bit_or(L::bit_and(L::shr(b[i], 4), kNibbles), L::bit_and(L::shr(h, 2), kTop)));
        }
      }
  }
};

// w = d * level; w = (d * six-bit scale) * level.
template <class L>
[[gnu::always_inline]] inline void unpack_iq4_xs(const Unpack<L>& to, const std::uint8_t* p,
                                                 std::ptrdiff_t stride) noexcept {
  using Reg = typename L::Reg;
  constexpr std::uint32_t kNibbles = Unpack<L>::kNibbles;
  const Reg head = L::gather(p, stride), low = L::gather(p + 4, stride);
  const typename L::Float d = L::half(head), middle = L::set(32.0f);
  BRINKMAP_UNROLL
  for (int g = 0; g < 8; ++g) {
    const Reg six =
        L::bit_or(L::bit_and(L::shr(low, 4 * g), 15u), L::shl(L::bit_and(L::shr(head, 16 + 2 * g), 3u), 4));
    to.put_scale(g, L::mul(d, L::sub(L::to_float(six), middle)));
  }
  for (int g = 0; g < 8; ++g) {
    Reg v[4];
    L::load4(p + 8 + 16 * g, stride, v);
    BRINKMAP_UNROLL
    for (int i = 0; i < 4; ++i) {
      to.put_codes(8 * g + i, L::iq4(L::bit_and(v[i], kNibbles)));
      to.put_codes(8 * g + 4 + i, L::iq4(L::bit_and(L::shr(v[i], 4), kNibbles)));
    }
  }
}

// The codes of quad `q` of a word that holds 32 / kBits codes, one a byte.
template <class L, int kBits>
[[gnu::always_inline]] inline typename L::Reg affine_quad(typename L::Reg word, int q) noexcept {
  using Reg = typename L::Reg;
  if constexpr (kBits == 8) return word;
  if constexpr (kBits == 4) {
    const Reg pairs = L::pair_bytes(word, 2 * q);
    return L::bit_or(L::bit_and(pairs, 0x000f000fu), L::bit_and(L::shr(pairs, 4), 0x0f000f00u));
  }
  const Reg same = L::dup_byte(word, q);
  const Reg low = L::bit_or(L::bit_and(same, 0x00000003u), L::bit_and(L::shr(same, 2), 0x00000300u));
  return L::bit_or(
      low, L::bit_or(L::bit_and(L::shr(same, 4), 0x00030000u), L::bit_and(L::shr(same, 6), 0x03000000u)));
}

// One group; the panel has its scale and min once for each 32 weights. `at` counts groups.
template <class L, int kBits, int kGroup>
[[gnu::always_inline]] inline void unpack_affine(const Unpack<L>& to, const std::uint8_t* p,
                                                 std::ptrdiff_t stride, int at) noexcept {
  using Reg = typename L::Reg;
  constexpr int kBytes = kGroup * kBits / 8;
  constexpr int kQuads = 8 / kBits;  // in a word
  const auto put = [&](Reg scale, Reg min) noexcept {
    BRINKMAP_UNROLL
    for (int g = 0; g < kGroup / 32; ++g) {
      to.put_scale(at * (kGroup / 32) + g, L::as_float(scale));
      to.put_min(at * (kGroup / 32) + g, L::as_float(min));
    }
  };
  const auto put_word = [&](int word, Reg codes) noexcept {
    BRINKMAP_UNROLL
    for (int q = 0; q < kQuads; ++q)
      to.put_codes(at * (kGroup / 4) + word * kQuads + q, affine_quad<L, kBits>(codes, q));
  };
  Reg v[4];
  if constexpr (kBytes == 8) {  // the whole block is 16 bytes
    L::load4(p, stride, v);
    put(v[0], v[1]);
    put_word(0, v[2]);
    put_word(1, v[3]);
    return;
  }
  put(L::gather(p, stride), L::gather(p + 4, stride));
  for (int part = 0; part < kBytes / 16; ++part) {
    L::load4(p + 8 + 16 * part, stride, v);
    BRINKMAP_UNROLL
    for (int i = 0; i < 4; ++i) put_word(4 * part + i, v[i]);
  }
}

template <class L>
void unpack_nf4(const std::uint8_t* p, std::ptrdiff_t stride, float* out) noexcept {
  const typename L::Float absmax = L::as_float(L::gather(p, stride));
  for (int part = 0; part < 2; ++part) {
    typename L::Reg v[4];
    L::load4(p + 4 + 16 * part, stride, v);
    for (int i = 0; i < 4; ++i) {
      float* to = out + (32 * part + 8 * i) * kStripRows;
      BRINKMAP_UNROLL
      for (int j = 0; j < 8; ++j) L::store(to + j * kStripRows, L::mul(L::nf4(L::shr(v[i], 4 * j)), absmax));
    }
  }
}

template <class L>
void unpack_simd(Format format, const std::byte* rows, std::ptrdiff_t stride, int k,
                 const Panel& panel) noexcept {
  for (int lane = 0; lane < kStripRows; lane += L::kLanes) {
    const auto* p = reinterpret_cast<const std::uint8_t*>(rows) + lane * stride;
    const Unpack<L> to{panel.codes + lane * 4, panel.scales + lane, panel.mins + lane};
    switch (format) {
      case Format::kQ8_0:
        for (int b = 0; b < k / 32; ++b) to.q8_0(p + 34 * b, stride, b);
        break;
      case Format::kQ4_0:
        for (int b = 0; b < k / 32; ++b) to.template q4<false>(p + 18 * b, stride, b);
        break;
      case Format::kQ4_1:
        for (int b = 0; b < k / 32; ++b) to.template q4<true>(p + 20 * b, stride, b);
        break;
      case Format::kQ5_0:
        for (int b = 0; b < k / 32; ++b) to.template q5<false>(p + 22 * b, stride, b);
        break;
      case Format::kQ5_1:
        for (int b = 0; b < k / 32; ++b) to.template q5<true>(p + 24 * b, stride, b);
        break;
      case Format::kQ2_K:
        to.q2_k(p, stride);
        break;
      case Format::kQ3_K:
        to.q3_k(p, stride);
        break;
      case Format::kQ4_K:
        to.q4_k(p, stride);
        break;
      case Format::kQ5_K:
        to.q5_k(p, stride);
        break;
      case Format::kQ6_K:
        to.q6_k(p, stride);
        break;
      case Format::kIQ4_NL:
        for (int b = 0; b < k / 32; ++b) to.template q4<false, true>(p + 18 * b, stride, b);
        break;
      case Format::kIQ4_XS:
        unpack_iq4_xs(to, p, stride);
        break;
      case Format::kAffine2_32:
        for (int b = 0; b < k / 32; ++b) unpack_affine<L, 2, 32>(to, p + 16 * b, stride, b);
        break;
      case Format::kAffine2_64:
        for (int b = 0; b < k / 64; ++b) unpack_affine<L, 2, 64>(to, p + 24 * b, stride, b);
        break;
      case Format::kAffine2_128:
        for (int b = 0; b < k / 128; ++b) unpack_affine<L, 2, 128>(to, p + 40 * b, stride, b);
        break;
      case Format::kAffine4_32:
        for (int b = 0; b < k / 32; ++b) unpack_affine<L, 4, 32>(to, p + 24 * b, stride, b);
        break;
      case Format::kAffine4_64:
        for (int b = 0; b < k / 64; ++b) unpack_affine<L, 4, 64>(to, p + 40 * b, stride, b);
        break;
      case Format::kAffine4_128:
        for (int b = 0; b < k / 128; ++b) unpack_affine<L, 4, 128>(to, p + 72 * b, stride, b);
        break;
      case Format::kAffine8_32:
        for (int b = 0; b < k / 32; ++b) unpack_affine<L, 8, 32>(to, p + 40 * b, stride, b);
        break;
      case Format::kAffine8_64:
        for (int b = 0; b < k / 64; ++b) unpack_affine<L, 8, 64>(to, p + 72 * b, stride, b);
        break;
      case Format::kAffine8_128:
        for (int b = 0; b < k / 128; ++b) unpack_affine<L, 8, 128>(to, p + 136 * b, stride, b);
        break;
      case Format::kF32:
      case Format::kF16:
      case Format::kBF16:
      case Format::kNF4:
        break;
    }
  }
}

template <class L>
void unpack_float_simd(Format format, const std::byte* rows, std::ptrdiff_t stride, int k,
                       float* out) noexcept {
  for (int lane = 0; lane < kStripRows; lane += L::kLanes) {
    const auto* p = reinterpret_cast<const std::uint8_t*>(rows) + lane * stride;
    float* to = out + lane;
    if (format == Format::kNF4) {
      for (int i = 0; i < k; i += 64) unpack_nf4<L>(p + i / 64 * 36, stride, to + i * kStripRows);
      continue;
    }
    const int step = format == Format::kF32 ? 4 : 8;
    for (int i = 0; i < k; i += step, p += 16) {
      typename L::Reg v[4];
      L::load4(p, stride, v);
      BRINKMAP_UNROLL
      for (int j = 0; j < 4; ++j) {
        if (format == Format::kF32) {
          L::store(to + (i + j) * kStripRows, L::as_float(v[j]));
        } else if (format == Format::kF16) {
          L::store(to + (i + 2 * j) * kStripRows, L::half(v[j]));
          L::store(to + (i + 2 * j + 1) * kStripRows, L::half(L::shr(v[j], 16)));
        } else {
          L::store(to + (i + 2 * j) * kStripRows, L::as_float(L::shl(v[j], 16)));
          L::store(to + (i + 2 * j + 1) * kStripRows, L::as_float(L::bit_and(v[j], 0xffff0000u)));
        }
      }
    }
  }
}

template <class L>
void expand_simd(const CodeLayout& layout, const Panel& panel, int k, float* out) noexcept {
  const typename L::Float offset = L::set(static_cast<float>(layout.offset));
  for (int lane = 0; lane < kStripRows; lane += L::kLanes)
    for (int i = 0; i < k; i += 4) {
      const typename L::Reg code = L::load_codes(panel.codes + i * kStripRows + lane * 4);
      const typename L::Float scale = L::load(panel.scales + i / layout.group * kStripRows + lane);
      BRINKMAP_UNROLL
      for (int j = 0; j < 4; ++j) {
        typename L::Float value = L::mul(scale, L::sub(L::byte(code, j), offset));
        if (layout.min_group != 0)
          value = L::add(value, L::load(panel.mins + i / layout.min_group * kStripRows + lane));
        L::store(out + (i + j) * kStripRows + lane, value);
      }
    }
}

}  // namespace brinkmap::kernels
