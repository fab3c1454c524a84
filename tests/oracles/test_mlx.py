"""Affine groups: codes, scales, biases and decoded weights equal to mlx.core.quantize on a CPU, bit for bit.

Usage: test_mlx.py BRINKMAP, with the path of encode_groups in BRINKMAP_ENCODE_GROUPS. Exit 77 (skipped)
without the package mlx.
"""

import sys

try:
    import mlx.core as mx
    import numpy as np
except (ImportError, OSError, RuntimeError) as error:
    print("skipped:", error)
    sys.exit(77)

import weights

TYPES = {"f32": mx.float32, "f16": mx.float16, "bf16": mx.bfloat16}


def unpack(words, bits):
    """The codes of rows of uint32 words: one bit stream a row, low bits first."""
    stream = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")
    return (stream.reshape(len(words), -1, bits) << np.arange(bits)).sum(axis=2).astype(np.uint8)


def f32(array):
    return np.array(array.astype(mx.float32))


def main():
    mx.set_default_device(mx.cpu)
    checked = 0
    for bits in (2, 3, 4, 5, 6, 8):
        for group in (32, 64, 128):
            for name, dtype in TYPES.items():
                w = mx.array(weights.rows(512)).astype(dtype)
                packed, scales, biases = mx.quantize(w, group_size=group, bits=bits)
                exact = f32(w)
                own = weights.encode(exact, "mlx", str(bits), str(group), name)
                count = exact.size // group
                own_scales = own[: 4 * count].view(np.float32)
                own_mins = own[4 * count : 8 * count].view(np.float32)
                own_codes = own[8 * count :].reshape(exact.shape)
                what = "%d bits, group %d, %s" % (bits, group, name)
                weights.same(own_codes, unpack(np.array(packed), bits), what + ": codes")
                weights.same(own_scales, f32(scales).ravel(), what + ": scales")
                weights.same(own_mins, f32(biases).ravel(), what + ": biases")
                # Decoded in f32 from the stored scales and biases, as our products read them.
                theirs = mx.dequantize(packed, scales.astype(mx.float32), biases.astype(mx.float32),
                                       group_size=group, bits=bits)
                decoded = (own_scales[:, None] * own_codes.reshape(count, group).astype(np.float32)
                           + own_mins[:, None]).reshape(exact.shape)
                weights.same(decoded, np.array(theirs), what + ": decoded")
                checked += exact.size
    print("%d weights equal to mlx %s" % (checked, mx.__version__))


main()
