"""Rows that are hard to quantize, and our encoders' answer to them."""

import os
import subprocess
import sys

import numpy as np


def rows(cols, seed=1):
    """f32 [32, cols]: normal, heavy-tailed, one-sided, constant, zero, tiny, large, evenly spaced rows."""
    rng = np.random.default_rng(seed)
    normal = [rng.normal(0, s, cols) for s in (0.02, 0.02, 0.05, 1.0, 30.0, 1e-4, 1e-6)]
    tails = [rng.standard_t(3, cols) * 0.02 for _ in range(5)]
    outliers = [rng.normal(0, 0.02, cols) * np.where(rng.random(cols) < 0.01, 40, 1) for _ in range(5)]
    one_sided = [np.abs(rng.normal(0, 0.1, cols)), -np.abs(rng.normal(0, 0.1, cols)),
                 rng.normal(1.0, 0.01, cols), rng.normal(-2.0, 0.01, cols)]
    flat = [np.zeros(cols), np.full(cols, 0.37), np.full(cols, -1.25), np.where(np.arange(cols) % 64 == 3, -4, 0)]
    # Multiples of a power of two: many values lie halfway between two codes.
    grids = [rng.integers(-n, n + 1, cols) * 2.0**-7 for n in (3, 7, 15, 30, 100, 127, 255)]
    out = np.array(normal + tails + outliers + one_sided + flat + grids, dtype=np.float32)
    assert len(out) == 32
    return out


def encode(values, *arguments):
    """What encode_groups writes for `values`, as bytes."""
    program = os.environ.get("BRINKMAP_ENCODE_GROUPS")
    if not program:
        sys.exit("BRINKMAP_ENCODE_GROUPS: expected the path of encode_groups (built with the tests)")
    done = subprocess.run([program, *arguments], input=values.astype("<f4").tobytes(), stdout=subprocess.PIPE, check=True)
    return np.frombuffer(done.stdout, dtype=np.uint8)


def same(ours, theirs, what):
    """Exits unless both arrays have the same values (a zero's sign aside)."""
    if ours.shape != theirs.shape:
        sys.exit("%s: shape %s for %s" % (what, ours.shape, theirs.shape))
    wrong = np.flatnonzero(ours.ravel() != theirs.ravel())
    if len(wrong):
        i = wrong[0]
        sys.exit("%s: %d of %d differ, first at %d: %r for %r"
                 % (what, len(wrong), ours.size, i, ours.ravel()[i], theirs.ravel()[i]))
