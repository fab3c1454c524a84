"""NF4: codes and scales equal to bitsandbytes' quantize_4bit on a CPU, with and without double quantization.

Usage: test_bitsandbytes.py BRINKMAP, with the path of encode_groups in BRINKMAP_ENCODE_GROUPS. Exit 77
(skipped) without the packages bitsandbytes and torch.
"""

import sys

try:
    import bitsandbytes
    import bitsandbytes.functional as bnb
    import numpy as np
    import torch
except (ImportError, OSError, RuntimeError) as error:
    print("skipped:", error)
    sys.exit(77)

import weights

BLOCK = 64


def check_nested(own, absmax, state, what):
    """Checks offset, scales and codes of absmax; returns what encode_groups wrote after them."""
    count = (len(absmax) + 255) // 256
    offset = own[:4].view(np.float32)[0]
    # A mean in f32 depends on the order of the sum; ours is taken in double precision.
    if not np.isclose(offset, float(state.offset), rtol=1e-6, atol=0):
        sys.exit("%s: offset %r for %r" % (what, offset, float(state.offset)))
    scales = own[4 : 4 + 4 * count].view(np.float32)
    if not np.allclose(scales, state.state2.absmax.numpy(), rtol=1e-5, atol=0):
        sys.exit("%s: scales of absmax differ" % what)
    codes = own[4 + 4 * count : 4 + 4 * count + len(absmax)]
    levels = state.state2.code.numpy().astype(np.float64)
    x = (absmax - offset).astype(np.float64) / np.repeat(scales, 256)[: len(absmax)]
    ours = np.abs(x - levels[codes])
    nearest = np.abs(x[:, None] - levels).min(axis=1)
    if (ours > nearest + 2.0**-22).any():
        sys.exit("%s: a code of absmax is not the nearest" % what)
    # The CPU library looks codes up in a table of 2^16 steps between -1 and 1: its code is the nearest to a
    # number up to half a step away. (The library's GPU code compares exactly, as ours does.)
    theirs = np.abs(x - levels[state.absmax.numpy().ravel()])
    if (theirs > ours + 2 / 65535 + 2.0**-22).any():
        sys.exit("%s: codes of absmax differ" % what)
    own = own[4 + 4 * count + len(absmax) :]
    decoded = state.state2.code.numpy()[codes] * np.repeat(scales, 256)[: len(absmax)] + offset
    weights.same(own[: 4 * len(absmax)].view(np.float32), decoded, what + ": decoded absmax")
    return own


def check(values, dtype, name):
    w = torch.from_numpy(values).to(dtype)
    exact = w.float().numpy()
    blocks = exact.size // BLOCK
    for nested in (False, True):
        packed, state = bnb.quantize_4bit(w, blocksize=BLOCK, quant_type="nf4", compress_statistics=nested)
        bytes_ = packed.numpy().ravel()
        codes = np.stack([bytes_ >> 4, bytes_ & 15], axis=1).ravel()
        own = weights.encode(exact, "nf4-dq" if nested else "nf4")
        what = name + (", nested" if nested else "")
        if nested:
            own = check_nested(own, absmax, state, what)
        else:
            absmax = state.absmax.float().numpy().ravel()
        own_absmax = own[: 4 * blocks].view(np.float32)
        own_codes = own[4 * blocks :]
        if not nested:
            weights.same(own_absmax, absmax, what + ": absmax")
        # Codes of a block of zeros decode to zero whatever they are.
        zero = np.repeat(np.abs(exact.reshape(-1, BLOCK)).max(axis=1) == 0, BLOCK)
        weights.same(np.where(zero, 0, own_codes), np.where(zero, 0, codes), what + ": codes")
    return exact.size


def main():
    checked = 0
    for name, dtype in (("f32", torch.float32), ("f16", torch.float16), ("bf16", torch.bfloat16)):
        checked += check(weights.rows(1024), dtype, name)
        checked += check(np.random.default_rng(3).normal(0, 0.03, (256, 1024)).astype(np.float32), dtype, name)
    print("%d weights equal to bitsandbytes %s" % (checked, bitsandbytes.__version__))


main()
